import json

import pytest

from gateway.domain.lookup import HlrRecord, NumberKind, NumberRecord, Subscriber
from protocols.easysendsms import queries
from protocols.easysendsms.errors import Endpoint

NUMBER = "12345678900"


@pytest.mark.parametrize("endpoint", [Endpoint.HLR, Endpoint.NV])
def test_a_list_keeps_what_is_no_number(endpoint: Endpoint) -> None:
    fields = {"number": f"{NUMBER}, 61111,{NUMBER},,x"}
    assert queries.parse_query(fields, endpoint) == [NUMBER, "61111", "", "x"]


@pytest.mark.parametrize("endpoint", [Endpoint.HLR, Endpoint.NV])
@pytest.mark.parametrize(
    "value", ["", "61111", "61111,61111", "+12345678900", "x", "0123456789", 5, []]
)
def test_a_lone_entry_must_be_a_number(value: object, endpoint: Endpoint) -> None:
    assert queries.parse_query({"number": value}, endpoint) == 4010


@pytest.mark.parametrize("endpoint", [Endpoint.HLR, Endpoint.NV])
def test_number_is_required(endpoint: Endpoint) -> None:
    assert queries.parse_query({}, endpoint) == 4001
    assert queries.parse_query({"number": None}, endpoint) == 4001


@pytest.mark.parametrize("endpoint", [Endpoint.HLR, Endpoint.NV])
def test_thirty_numbers_are_the_most(endpoint: Endpoint) -> None:
    assert queries.parse_query({"number": ",".join([NUMBER] * 30)}, endpoint) == [NUMBER]
    assert queries.parse_query({"number": ",".join([NUMBER] * 31)}, endpoint) == 4010


def test_eight_digits_are_enough_for_hlr_alone() -> None:
    assert queries.parse_query({"number": "12345678"}, Endpoint.HLR) == ["12345678"]
    assert queries.parse_query({"number": "12345678"}, Endpoint.NV) == 4010
    assert queries.parse_query({"number": "123456789"}, Endpoint.NV) == ["123456789"]


@pytest.mark.parametrize(
    ("subscriber", "code", "text", "status"),
    [
        (Subscriber.LIVE, "0", "Live", "Delivered"),
        (Subscriber.DEAD, "1", "Dead", "Delivered"),
        (Subscriber.INCONCLUSIVE, "5", "Inconclusive", "Undelivered"),
        (Subscriber.NO_TELESERVICE, "11", "No Teleservice Provisioned", "Delivered"),
        (Subscriber.ABSENT, "27", "Absent Subscriber", "Delivered"),
        (Subscriber.UNSUPPORTED, "999", "Number Not Supported", "Undelivered"),
    ],
)
def test_hlr_states(subscriber: Subscriber, code: str, text: str, status: str) -> None:
    body = json.loads(queries.render_hlr([NUMBER], {NUMBER: HlrRecord(NUMBER, subscriber)}))
    record = body[NUMBER]
    assert (record["err_code"], record["err_desc"], record["status"]) == (code, text, status)
    assert len(record) == 10
    assert all(isinstance(value, str) for value in record.values())


def test_every_state_of_a_subscriber_has_its_words() -> None:
    assert set(queries.SUBSCRIBERS) == set(Subscriber)


def test_hlr_of_a_mobile() -> None:
    record = HlrRecord(
        "37120000000", Subscriber.LIVE, "Latvia", "LMT", NumberKind.MOBILE, "24701", True, False
    )
    body = json.loads(queries.render_hlr(["37120000000"], {"37120000000": record}))
    assert body["37120000000"] == {
        "number": "37120000000", "country": "Latvia", "err_desc": "Live", "operatorName": "LMT",
        "type": "Mobile", "mccmnc": "24701", "roaming": "True", "err_code": "0",
        "status": "Delivered", "ported": "False",
    }  # fmt: skip


def test_an_unsupported_number_shows_nothing_else() -> None:
    record = HlrRecord(NUMBER, Subscriber.UNSUPPORTED, "Latvia", "LMT", NumberKind.MOBILE, "24701")
    known = queries.render_hlr([NUMBER], {NUMBER: record})
    assert known == queries.render_hlr([NUMBER], {})


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (NumberKind.FIXED, "FIXED"),
        (NumberKind.MOBILE, "MOBILE"),
        (NumberKind.SERVICE, "SUPPLEMENTARY SERVICES"),
        (NumberKind.UNKNOWN, ""),
    ],
)
def test_nv_types(kind: NumberKind, word: str) -> None:
    record = NumberRecord(NUMBER, "Latvia", "LV", "371", kind, "LMT", "247", "01")
    [result] = json.loads(queries.render_nv([NUMBER], {NUMBER: record}))["results"]
    assert result == {
        "status": "VALID", "country": "Latvia", "iso3166_2": "LV", "cc": "371", "netName": "LMT",
        "mcc": "247", "mnc": "01", "operator": "LMT", "type": word, "netType": "", "msisdn": NUMBER,
    }  # fmt: skip


def test_nv_keeps_the_order_of_the_request() -> None:
    body = json.loads(queries.render_nv(["61111", NUMBER], {}))
    assert [result["msisdn"] for result in body["results"]] == ["61111", NUMBER]
    for result in body["results"]:
        assert result.pop("status") == "INVALID"
        assert result.pop("msisdn")
        assert len(result) == 9
        assert set(result.values()) == {""}

"""Whatever a client or the vendor sends: an answer of the contract, never an exception."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.outcome import Deferred, Refused, Sent, Unknown
from protocols.easysendsms import contract, queries
from protocols.easysendsms.dialect import EasySendDialect
from protocols.easysendsms.errors import Endpoint, error_answer
from tests.support.clock import START_MS
from tests.support.upstream import make_message

NUMBERS = st.integers(10_000_000, 10**15 - 1).map(str)
LISTS = st.lists(NUMBERS | st.text(max_size=5), max_size=35).map(",".join)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "from": st.sampled_from(["ACME", "+123", "x" * 20]) | JSON,
        "to": LISTS | JSON,
        "text": st.text(max_size=800) | JSON,
        "type": st.sampled_from(["0", "1", 0, 1]) | JSON,
        "scheduled": st.datetimes().map(lambda moment: moment.isoformat()) | JSON,
        "number": LISTS | JSON,
    },
)


@given(FIELDS)
def test_a_send_is_a_request_or_an_error(fields: dict[str, Any]) -> None:
    request = contract.parse_send(fields, lambda _: True, START_MS)
    if isinstance(request, int):
        assert json.loads(error_answer(request, Endpoint.SEND).body)["error"] == request
        return
    assert 1 <= request.parts <= contract.MAX_PARTS
    assert len(request.numbers) <= len(request.entries) <= contract.MAX_RECIPIENTS
    assert len(set(request.entries)) == len(request.entries)
    ids = {number: f"id-{number}" for number in request.numbers}
    places = json.loads(contract.render_sent(request, ids))["messageIds"]
    assert [place.startswith("OK: ") for place in places] == [
        entry in ids for entry in request.entries
    ]


@given(FIELDS, st.sampled_from([Endpoint.HLR, Endpoint.NV]))
def test_a_query_is_a_list_or_an_error(fields: dict[str, Any], endpoint: Endpoint) -> None:
    entries = queries.parse_query(fields, endpoint)
    if isinstance(entries, int):
        assert entries in (4001, 4010)
        return
    assert 1 <= len(entries) <= contract.MAX_RECIPIENTS
    assert set(json.loads(queries.render_hlr(entries, {}))) == set(entries)
    results = json.loads(queries.render_nv(entries, {}))["results"]
    assert [result["msisdn"] for result in results] == entries


DIALECT = EasySendDialect("https://x.example.com/v1/rest", "key")
BODIES = (
    st.binary()
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {"messageIds": st.lists(st.text() | JSON)}, optional={"status": JSON, "error": JSON}
    ).map(lambda value: json.dumps(value).encode())
)


@given(st.integers(1, 5), st.integers(100, 599), BODIES)
def test_every_answer_is_an_outcome_for_each_message(count: int, status: int, body: bytes) -> None:
    messages = [make_message(recipient=f"3712000000{n}") for n in range(count)]
    outcomes = DIALECT.read_sent(messages, status, {}, body)
    assert len(outcomes) == count
    for outcome in outcomes:
        assert isinstance(outcome, (Sent, Deferred, Refused, Unknown))
        if not isinstance(outcome, Sent):
            assert 0 < len(outcome.error) <= 32
        if status in (500, 503):
            assert isinstance(outcome, Refused)


@given(
    BODIES
    | st.text().map(
        lambda text: f"sms_id=1&response=DELIVRD&sent_date={text}".encode("utf-8", "replace")
    )
)
def test_every_report_is_read_or_counted(body: bytes) -> None:
    read = DIALECT.read_callback("", {}, body)
    assert len(read.receipts) + read.unreadable <= 1
    DIALECT.read_balance(200, body)

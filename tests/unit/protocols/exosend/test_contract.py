import json

import pytest

from gateway.domain.fate import WORDS
from gateway.domain.lifecycle import MessageState
from protocols.exosend import contract
from protocols.exosend.contract import BulkRequest, SendRequest


def test_strings_are_trimmed() -> None:
    fields = {"recipient": " +3701 ", "message": "\tHi\n", "sender_id": "  "}
    assert contract.parse_send(fields) == SendRequest("+3701", "Hi", None)


@pytest.mark.parametrize("recipient", ["+12", "+" + "9" * 15])
def test_numbers_in_e164_form(recipient: str) -> None:
    request = contract.parse_send({"recipient": recipient, "message": "x"})
    assert isinstance(request, SendRequest)


@pytest.mark.parametrize(
    "recipient",
    ["+1", "+0123", "+" + "9" * 16, "370612", "00370612", "+370 612", "+370612x", "+٣٧٠٦١٢"],
)
def test_numbers_in_other_forms(recipient: str) -> None:
    assert contract.parse_send({"recipient": recipient, "message": "x"}) == {
        "recipient": ["The recipient field format is invalid."]
    }


@pytest.mark.parametrize("empty", [None, "", "  ", [], {}])
def test_empty_values_are_missing(empty: object) -> None:
    fields = {"recipient": empty, "recipients": empty, "message": empty}
    for errors in (contract.parse_send(fields), contract.parse_bulk(fields)):
        assert isinstance(errors, dict)
        assert all(texts[0].endswith("field is required.") for texts in errors.values())
        assert len(errors) == 2


@pytest.mark.parametrize("empty", [[], {}])
def test_an_empty_array_is_no_sender(empty: object) -> None:
    errors = contract.parse_send({"recipient": "+3701", "message": "x", "sender_id": empty})
    assert errors == {"sender_id": ["The sender id field must be a string."]}


@pytest.mark.parametrize("text", ["a\ud800b", "a\x00b"])
def test_unstorable_sender(text: str) -> None:
    errors = contract.parse_send({"recipient": "+3701", "message": "x", "sender_id": text})
    assert errors == {"sender_id": ["The sender id field format is invalid."]}


def test_a_map_of_recipients_is_an_array() -> None:
    request = contract.parse_bulk({"recipients": {"a": "+3701", "b": "x"}, "message": "m"})
    assert request == BulkRequest(["+3701", "x"], ["+3701"], [0], "m", None)


def test_invalid_items_keep_the_order_of_the_input() -> None:
    request = contract.parse_bulk(
        {"recipients": ["+3701", "x", "+3702", 5, "+3703"], "message": "m"}
    )
    assert isinstance(request, BulkRequest)
    assert request.numbers == ["+3701", "+3702", "+3703"]
    assert request.invalid_items() == ["x", 5]
    assert request.invalid_items([1]) == ["x", "+3702", 5]


@pytest.mark.parametrize(
    ("count", "summary"),
    [(1, "first"), (2, "first (and 1 more error)"), (4, "first (and 3 more errors)")],
)
def test_validation_summary_counts_all_texts(count: int, summary: str) -> None:
    errors = {"a": ["first"], "b": ["other"] * (count - 1)}
    assert json.loads(contract.render_validation_errors(errors))["message"] == summary


def test_every_state_has_a_documented_word() -> None:
    for state in MessageState:
        body = json.loads(contract.render_status("id", state, "3701", 35_000, 1, 0, 0, "E1"))
        status = body["data"]["status"]
        assert status == WORDS[state].exosend
        assert status in {"pending", "sent", "delivered", "failed"}
        assert (body["data"]["error_message"] is not None) == (status == "failed")
        assert (body["data"]["error_code"] is not None) == (status == "failed")


def test_provider_errors_are_escaped() -> None:
    error = 'quote " and \\ and ü'
    body = contract.render_status("id", MessageState.FAILED, "3701", 0, 1, 0, 0, error)
    assert json.loads(body)["data"]["error_code"] == error


def test_times_of_every_year_are_whole_seconds() -> None:
    body = contract.render_status(
        "id", MessageState.DELIVERED, "1", 0, 1, 999, 2_524_608_000_999, ""
    )
    data = json.loads(body)["data"]
    assert data["sent_at"] == "1970-01-01T00:00:00+00:00"
    assert data["delivered_at"] == "2050-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0"), (100_000_000, "100"), (99_965_000, "99.965"), (1, "0.000001"), (-5_500_000, "-5.5")],
)
def test_money_is_in_shortest_form(micros: int, text: str) -> None:
    assert b'"balance":%s,' % text.encode() in contract.render_balance(micros, "EUR", "X")


def test_organization_names_are_escaped() -> None:
    body = contract.render_balance(0, "EUR", 'Ä "quoted"')
    assert json.loads(body)["data"]["organization"] == 'Ä "quoted"'

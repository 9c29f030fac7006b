from datetime import UTC, datetime

import pytest

from gateway.domain.sms_text import Alphabet
from protocols.easysendsms import contract
from protocols.easysendsms.contract import SendRequest

NOW_MS = int(datetime(2026, 3, 15, 9, 0, tzinfo=UTC).timestamp() * 1000)
BODY = {"from": "MYBRAND", "to": "12345678900", "text": "Hello", "type": "0"}
EURO_TEXT = "€" * 80  # two septets each


def parse(**fields: object) -> SendRequest | int:
    approved = {"MYBRAND", "123456789012345", "+447400000002", "A B-1"}
    return contract.parse_send(BODY | fields, approved.__contains__, NOW_MS)


def parsed(**fields: object) -> SendRequest:
    request = parse(**fields)
    assert isinstance(request, SendRequest), request
    return request


def test_a_plain_request() -> None:
    assert parsed() == SendRequest(
        "MYBRAND", ["12345678900"], ["12345678900"], "Hello", Alphabet.GSM7, 1
    )


@pytest.mark.parametrize("name", ["from", "to", "text", "type"])
def test_required_parameters(name: str) -> None:
    assert parse(**{name: None}) == 4001
    fields = {key: value for key, value in BODY.items() if key != name}
    assert contract.parse_send(fields, lambda _: True, NOW_MS) == 4001


@pytest.mark.parametrize("value", ["0", 0])
def test_type_0(value: object) -> None:
    assert parsed(type=value).alphabet is Alphabet.GSM7


@pytest.mark.parametrize("value", ["1", 1])
def test_type_1_is_unicode_whatever_the_text(value: object) -> None:
    request = parsed(type=value, text="x" * 71)
    assert (request.alphabet, request.parts) == (Alphabet.UCS2, 2)


@pytest.mark.parametrize("value", ["2", "", 2, -1, True, False, 1.0, [], " 1"])
def test_other_types(value: object) -> None:
    assert parse(type=value) == 4010


@pytest.mark.parametrize(
    ("type_", "text", "parts"),
    [
        ("0", "x" * 160, 1),
        ("0", "x" * 161, 2),
        ("0", "x" * 765, 5),
        ("0", EURO_TEXT, 1),
        ("0", EURO_TEXT + "x", 2),
        ("1", "ā" * 70, 1),
        ("1", "ā" * 71, 2),
        ("1", "ā" * 335, 5),
        ("1", "😀" * 35, 1),
        ("1", "😀" * 36, 2),
    ],
)
def test_parts(type_: str, text: str, parts: int) -> None:
    assert parsed(type=type_, text=text).parts == parts


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("0", ""),
        ("1", ""),
        ("0", "x" * 766),
        ("0", "€" * 400),
        ("1", "ā" * 336),
        ("1", "x" * 766),
        ("1", "😀" * 166),  # 332 units, but 33 to a part
        ("0", "ā"),
        ("0", "Sveiks 😀"),
        ("0", "a\x00"),
        ("1", "a\x00"),
        ("1", "a\ud800"),
        ("0", 5),
        ("0", ["Hello"]),
    ],
)
def test_texts_that_cannot_be_sent(type_: str, text: object) -> None:
    assert parse(type=type_, text=text) == 4011


@pytest.mark.parametrize(
    ("sender", "taken"),
    [
        ("MYBRAND", "MYBRAND"),
        ("A B-1", "A B-1"),
        ("123456789012345", "123456789012345"),
        ("+123456789012345", "123456789012345"),
        ("+447400000002", "+447400000002"),
    ],
)
def test_senders(sender: str, taken: str) -> None:
    assert parsed(**{"from": sender}).sender == taken


@pytest.mark.parametrize(
    "sender", ["", "+", "mybrand", "STRANGER", "1234567890123456", "A12345678901", "+MYBRAND", 5, [], "x\x00"]
)  # fmt: skip
def test_bad_senders(sender: object) -> None:
    assert parse(**{"from": sender}) == 4014


@pytest.mark.parametrize("sender", ["1" * 16, "+" + "1" * 16, "a" * 12, "a\ud800"])
def test_long_senders_are_bad_for_who_may_use_any(sender: str) -> None:
    assert contract.parse_send(BODY | {"from": sender}, lambda _: True, NOW_MS) == 4014


def test_recipients_are_distinct_in_first_seen_order() -> None:
    request = parsed(to="12345678903, 12345678901 ,12345678903,6111,,12345678902, ")
    assert request.entries == ["12345678903", "12345678901", "6111", "", "12345678902"]
    assert request.numbers == ["12345678903", "12345678901", "12345678902"]


@pytest.mark.parametrize(
    "number", ["1234567", "1234567890123456", "012345678", "+12345678", "00123456789", "12 345 678", "١٢٣٤٥٦٧٨"]
)  # fmt: skip
def test_what_is_no_number(number: str) -> None:
    assert parse(to=number) == 4012


@pytest.mark.parametrize("number", ["12345678", "123456789012345"])
def test_the_shortest_and_the_longest_number(number: str) -> None:
    assert parsed(to=number).numbers == [number]


@pytest.mark.parametrize("to", ["", "6111,", "611111,61111", ["12345678900"], 12345678900])
def test_no_valid_number_at_all(to: object) -> None:
    assert parse(to=to) == 4012


def test_more_than_thirty_recipients_are_counted_before_duplicates() -> None:
    assert len(parsed(to=",".join(["12345678900"] * 30)).numbers) == 1
    assert parse(to=",".join(["12345678900"] * 31)) == 4013


@pytest.mark.parametrize(
    ("scheduled", "hour", "minute"),
    [
        ("2026-03-15T10:00:00", 10, 0),
        ("2026-03-15T10:00:00Z", 10, 0),
        ("2026-03-15T12:00:00+02:00", 10, 0),
        ("2026-03-15T10:00", 10, 0),
        ("2026-03-15T10:00:00.500", 10, 0),
        ("2026-03-15T08:59:00Z", 8, 59),  # the tolerance: 60 s
    ],
)
def test_scheduled_is_utc_and_kept_letter_for_letter(
    scheduled: str, hour: int, minute: int
) -> None:
    request = parsed(scheduled=scheduled)
    due = datetime.fromtimestamp(request.due_at_ms // 1000, UTC)
    assert (due.day, due.hour, due.minute) == (15, hour, minute)
    assert request.scheduled == scheduled


@pytest.mark.parametrize("scheduled", [None, ""])
def test_not_scheduled(scheduled: object) -> None:
    assert parsed(scheduled=scheduled)[-2:] == ("", 0)


@pytest.mark.parametrize(
    "scheduled",
    [
        "tomorrow", "2026-03-15", "2026-03-15 10:00:00", "2026-13-15T10:00:00", "20260315T100000",
        "2026-W11-7T10:00:00", "2026-03-15T08:58:59Z", "2026-03-15T10:00:00+02:00", 1773568800, [], False,
        "0001-01-01T00:00:00+14:00", "2026-03-15T25:00:00",
    ],
)  # fmt: skip
def test_bad_schedules(scheduled: object) -> None:
    assert parse(scheduled=scheduled) == 4017


def test_the_first_error_in_the_order_of_checks_is_told() -> None:
    wrong: dict[str, object] = {
        "type": 7, "text": "", "from": "?", "to": ",".join(["1"] * 31), "scheduled": "never",
    }  # fmt: skip
    codes = []
    for name in ("type", "text", "from", "to", "scheduled"):
        codes.append(parse(**wrong))
        del wrong[name]
    assert codes == [4010, 4011, 4014, 4013, 4017]
    assert parse(to="1", scheduled="never") == 4017


def test_the_answer_has_a_place_for_each_entry() -> None:
    request = parsed(to="12345678900,6111,12345678901,12345678900")
    body = contract.render_sent(request, {"12345678900": "id-1"})
    assert body == (
        b'{"status":"OK","scheduled":"Now","messageIds":["OK: id-1","ERR: 4012","ERR: 4012"]}'
    )


@pytest.mark.parametrize(
    ("micros", "text"), [(247_247_000_000, b"247247"), (99_965_000, b"99.965"), (-1, b"-0.000001")]
)
def test_the_balance_is_a_decimal(micros: int, text: bytes) -> None:
    assert contract.render_balance(micros) == b'{"balance":' + text + b"}"

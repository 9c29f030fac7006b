"""ME-SMS as an upstream (contract sections 3.1, 3.6, 3.7, 4.2 and 6)."""

import json
from typing import Any

import pytest

from gateway.domain.lifecycle import MessageState
from protocols.http.dialect import Awaited, HttpCall, PollRead
from protocols.mesms.contract import fill
from protocols.mesms.dialect import MeSmsAccess, MeSmsDialect
from tests.support.upstream import make_message

UUID = "2b1c8c5e-6a0e-4a0c-9a55-0d2f0f6f7a11"
ACCESS = MeSmsAccess(base_url="https://me-sms.example/api/v2/", api_key="key-1")
A, B = "66812345678", "66898765432"


@pytest.fixture
def dialect() -> MeSmsDialect:
    return MeSmsDialect(ACCESS)


def awaited(*msisdns: str, uuid: str = UUID) -> list[Awaited]:
    return [Awaited(f"{uuid}/{msisdn}", msisdn, 0) for msisdn in msisdns]


def body_of(call: HttpCall) -> Any:
    assert call.body is not None
    return json.loads(call.body)


def test_what_it_is(dialect: MeSmsDialect):
    assert (dialect.most_together, dialect.polls, dialect.has_callbacks) == (1000, True, False)
    assert dialect.origin == "https://me-sms.example"
    assert "key-1" not in repr(ACCESS)
    assert dialect.read_callback("", {}, b"{}").unreadable == 1


# --- sending ------------------------------------------------------------------------------------


def test_a_send_is_one_text_to_many_numbers(dialect: MeSmsDialect):
    messages = [make_message("สวัสดี", recipient=n, sender="MYBRAND") for n in (A, B)]
    call = dialect.send(messages, "")
    assert (call.method, call.url) == ("POST", "https://me-sms.example/api/v2/sms/send")
    assert call.headers == {
        "x-api-key": "key-1", "Accept": "application/json", "Content-Type": "application/json",
    }  # fmt: skip
    assert body_of(call) == {"sender": "MYBRAND", "content": "สวัสดี", "msisdns": [A, B]}


def test_only_equal_sender_and_text_go_together(dialect: MeSmsDialect):
    kinds = {
        dialect.together(make_message(text, sender=sender, recipient=recipient))
        for text, sender, recipient in [("a", "X", A), ("a", "X", B), ("b", "X", A), ("a", "Y", A)]
    }
    assert len(kinds) == 3


def test_a_text_that_looks_like_a_placeholder_arrives_as_it_is(dialect: MeSmsDialect):
    text = "use {{ name }} and {{code}}"
    fields = body_of(dialect.send([make_message(text, recipient=A)], ""))
    assert fill(fields["content"], fields["variables"]) == text


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"recipient": "37120000001"}, "not_a_thai_number"),
        ({"recipient": "6621234567"}, "not_a_thai_number"),
        ({"recipient": "668123456789"}, "not_a_thai_number"),
        ({"sender": "TWELVECHARS."}, "sender_length"),
        ({"sender": ""}, "sender_length"),
        ({"text": "x" * 1001}, "content_length"),
        ({"text": ""}, "content_length"),
    ],
)
def test_what_the_vendor_would_not_take_is_for_another(
    dialect: MeSmsDialect, changed: dict[str, Any], error: str
):
    fields = {"recipient": A, "sender": "MYBRAND", "text": "x" * 1000, **changed}
    refused = dialect.unfit(make_message(**fields))
    assert repr(refused) == f"Refused('{error}', everywhere=False)"


def test_what_fits(dialect: MeSmsDialect):
    assert dialect.unfit(make_message("x" * 1000, recipient=A, sender="ELEVENCHARS")) is None


@pytest.mark.parametrize(
    "body", [{"uuid": UUID, "status": "pending"}, {"data": {"uuid": UUID}}], ids=["plain", "data"]
)
def test_each_message_has_an_id_of_its_own(dialect: MeSmsDialect, body: dict[str, Any]):
    messages = [make_message(recipient=n) for n in (A, B)]
    outcomes = dialect.read_sent(messages, 200, {}, json.dumps(body).encode())
    assert [repr(outcome) for outcome in outcomes] == [
        f"Sent('{UUID}/{A}')", f"Sent('{UUID}/{B}')",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, "{}", "Unknown('answer_unreadable')"),
        (200, "<html>", "Unknown('answer_unreadable')"),
        (200, '{"uuid": null}', "Unknown('answer_unreadable')"),
        (400, '{"error":"Bad.","code":"INVALID_PARAMETERS"}', "Refused('http_400 INVALID_PARAMETERS', everywhere=False)"),
        (400, '{"error":"Bad number."}', "Refused('http_400 Bad number.', everywhere=False)"),
        (401, "", "Deferred('http_401', throttled=False)"),
        (402, '{"error":"x","code":"INSUFFICIENT_CREDITS"}', "Deferred('http_402 INSUFFICIENT_CREDITS', throttled=False)"),
        (403, '{"code":"FORBIDDEN"}', "Deferred('http_403 FORBIDDEN', throttled=False)"),
        (404, "not here", "Deferred('http_404', throttled=False)"),
        (302, "", "Deferred('http_302', throttled=False)"),
        (429, '{"code":"RATE_LIMITED"}', "Deferred('http_429 RATE_LIMITED', throttled=True)"),
        (500, '{"code":"INTERNAL_ERROR"}', "Unknown('http_500 INTERNAL_ERROR')"),
        (503, "", "Unknown('http_503')"),
        (201, "{}", "Unknown('http_201')"),
        (422, "[]", "Refused('http_422', everywhere=False)"),
    ],
)  # fmt: skip
def test_each_answer_has_its_outcome(dialect: MeSmsDialect, status: int, body: str, outcome: str):
    messages = [make_message(recipient=n) for n in (A, B)]
    assert [repr(o) for o in dialect.read_sent(messages, status, {}, body.encode())] == [
        outcome
    ] * 2


# --- receipts -----------------------------------------------------------------------------------


def page(*rows: tuple[str, str], **fields: Any) -> bytes:
    data = [
        {"id": n, "msisdn": msisdn, "status": status, "updatedAt": "2026-05-01T09:00:07+07:00"}
        for n, (msisdn, status) in enumerate(rows, 1)
    ]
    return json.dumps({"data": data, "nextCursor": None, "hasMore": False, **fields}).encode()


def read(dialect: MeSmsDialect, body: bytes, status: int = 200) -> PollRead:
    [call] = dialect.poll(awaited(A, B))
    return dialect.read_poll(call, awaited(A, B), status, body)


def test_one_question_for_each_send(dialect: MeSmsDialect):
    other = "0000/1 2"
    calls = dialect.poll(
        [*awaited(A), *awaited(A, B, uuid=other), *awaited(B), *awaited(A, uuid="")]
    )
    base = "https://me-sms.example/api/v2/sms"
    assert [call.url for call in calls] == [
        f"{base}/{UUID}/recipients?after=0&limit=1000",
        f"{base}/0000%2F1%202/recipients?after=0&limit=1000",
    ]
    assert {(call.method, call.body) for call in calls} == {("GET", None)}
    assert calls[0].headers == {"x-api-key": "key-1", "Accept": "application/json"}


@pytest.mark.parametrize(
    ("word", "state", "error"),
    [
        ("success", MessageState.DELIVERED, ""),
        ("failed", MessageState.FAILED, "failed"),
        ("invalid", MessageState.REJECTED, "invalid"),
        ("blocked", MessageState.REJECTED, "blocked"),
        ("expired", MessageState.EXPIRED, "expired"),
        ("timeout", MessageState.UNKNOWN, "timeout"),
        ("Success", MessageState.DELIVERED, ""),
    ],
)
def test_each_status_has_its_state(
    dialect: MeSmsDialect, word: str, state: MessageState, error: str
):
    [receipt] = read(dialect, page((A, word), (B, "pending"))).receipts
    assert (receipt.provider_message_id, receipt.state, receipt.error) == (
        f"{UUID}/{A}",
        state,
        error,
    )
    assert receipt.done_at_ms == 1_777_600_807_000


def test_recipients_nobody_waits_for_and_words_nobody_knows_tell_nothing(dialect: MeSmsDialect):
    rows = page(("66800000000", "success"), (A, "pending"), (B, "on its way"))
    assert read(dialect, rows) == ([], (), 0)


@pytest.mark.parametrize("written", ["0812345678", "+66812345678", "66812345678"])
def test_a_number_in_any_form_is_found(dialect: MeSmsDialect, written: str):
    [receipt] = read(dialect, page((written, "success"))).receipts
    assert receipt.provider_message_id == f"{UUID}/{A}"


@pytest.mark.parametrize("cursor", [1000, "1000"])
def test_the_next_page_is_asked_for(dialect: MeSmsDialect, cursor: object):
    told = read(dialect, page((A, "success"), nextCursor=cursor, hasMore=True))
    [further] = told.further
    assert further.url.endswith(f"/sms/{UUID}/recipients?after=1000&limit=1000")
    [receipt] = dialect.read_poll(further, awaited(A, B), 200, page((B, "failed"))).receipts
    assert receipt.provider_message_id == f"{UUID}/{B}"


def test_an_opaque_cursor_is_given_back(dialect: MeSmsDialect):
    [further] = read(dialect, page(nextCursor="a b&c", hasMore=True)).further
    assert "?after=a%20b%26c&" in further.url


@pytest.mark.parametrize(
    ("summary", "goes_on"),
    [
        ([{"status": "pending", "count": 5}], False),
        ([{"status": "success", "count": 0}, {"status": "pending", "count": 5}], False),
        ([{"status": "success", "count": 1}, {"status": "pending", "count": 4}], True),
        ({"pending": 5, "success": 0}, False),
        ({"pending": 4, "success": 1}, True),
        ([], True),
        (None, True),
        ("5 pending", True),
        (["pending"], True),
    ],
)
def test_no_further_page_is_read_while_everything_is_pending(
    dialect: MeSmsDialect, summary: object, goes_on: bool
):
    told = read(dialect, page((A, "pending"), nextCursor=1, hasMore=True, summary=summary))
    assert bool(told.further) is goes_on


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b'{"data": {}}', b'{"data": [1, null, {}]}', b'{"data": [{"msisdn": [], "status": {}}]}',
        b'{"hasMore": true}', b'{"hasMore": "yes", "nextCursor": 1}',
    ],
)  # fmt: skip
def test_nonsense_tells_nothing(dialect: MeSmsDialect, body: bytes):
    assert read(dialect, body) == ([], (), 0) or read(dialect, body) == ((), (), 0)


def test_an_error_tells_nothing(dialect: MeSmsDialect):
    assert read(dialect, page((A, "success")), status=404) == ((), (), 0)


@pytest.mark.parametrize("at", ["yesterday", 5, None, "0001-01-01T00:00:00+07:00"])
def test_a_time_nobody_can_read_is_none(dialect: MeSmsDialect, at: object):
    row = {"msisdn": A, "status": "success", "updatedAt": at}
    [receipt] = read(dialect, json.dumps({"data": [row]}).encode()).receipts
    assert receipt.done_at_ms == 0


# --- balance ------------------------------------------------------------------------------------


def test_the_balance_is_asked_for(dialect: MeSmsDialect):
    call = dialect.balance()
    assert call is not None
    assert (call.method, call.url) == ("GET", "https://me-sms.example/api/v2/credit")
    assert call.headers["x-api-key"] == "key-1"


@pytest.mark.parametrize(
    ("body", "micros"),
    [
        ('{"credit": 1234.5}', 1_234_500_000),
        ('{"credits": 7}', 7_000_000),
        ('{"success": true, "balance": "0.1"}', 100_000),
        ('{"data": {"credit": -1}}', -1_000_000),
        ('{"credit": "much"}', None),
        ('{"credit": NaN}', None),
        ('{"credit": 1e30}', None),
        ("{}", None),
        ("<html>", None),
    ],
)
def test_the_balance_under_each_of_its_names(dialect: MeSmsDialect, body: str, micros: int | None):
    assert dialect.read_balance(200, body.encode()) == micros


def test_an_error_is_no_balance(dialect: MeSmsDialect):
    assert dialect.read_balance(401, b'{"credit": 1}') is None

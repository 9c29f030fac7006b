"""ExoSend as an upstream: requests to the byte, and what every answer means."""

import json
from typing import Any

import pytest

from gateway.domain.account import Account, Door
from gateway.domain.lifecycle import MessageState, MoneyState, NotifyWhen
from gateway.domain.message import Message
from gateway.domain.outcome import Deferred, Refused, Sent, Unknown
from gateway.domain.sms_text import Alphabet
from protocols.exosend import contract
from protocols.exosend.dialect import ExoSendAccess, ExoSendDialect
from protocols.http.dialect import Awaited, Dialect, HttpCall

BASE = "https://send.example/api/v1"
ACCESS = ExoSendAccess(base_url=BASE + "/", token="7|secret")
ID = "9a7f2e5c-1234-5678-90ab-cdef12345678"


@pytest.fixture
def dialect() -> Dialect:
    return ExoSendDialect(ACCESS)


def message(key: int = 1, recipient: str = "37061234567", **fields: Any) -> Message:
    made = Message(
        key, Account(1, "acme"), None, Door.SMPP, "EXOCLASS", recipient, "Hello", None,
        Alphabet.GSM7, 1, 0, MoneyState.NONE, NotifyWhen.ALWAYS, 1, 0, 0,
    )  # fmt: skip
    for name, value in fields.items():
        setattr(made, name, value)
    return made


MANY = [message(n, f"3706123456{n}") for n in (7, 8, 9)]


def test_secrets_are_not_shown(dialect: Dialect) -> None:
    assert "secret" not in repr(ACCESS)
    assert dialect.origin == "https://send.example"


# --- sending ------------------------------------------------------------------------------------


def test_one_message_is_a_single_send(dialect: Dialect) -> None:
    call = dialect.send([message(text="Grüße")], "")
    assert (call.method, call.url) == ("POST", BASE + "/sms/send")
    assert call.headers["Authorization"] == "Bearer 7|secret"
    assert call.headers["Content-Type"] == call.headers["Accept"] == "application/json"
    assert json.loads(call.body or b"") == {
        "recipient": "+37061234567", "message": "Grüße", "sender_id": "EXOCLASS",
    }  # fmt: skip


def test_several_are_a_bulk_send(dialect: Dialect) -> None:
    call = dialect.send(MANY, "")
    assert call.url == BASE + "/sms/send-bulk"
    body = json.loads(call.body or b"")
    assert body["recipients"] == ["+37061234567", "+37061234568", "+37061234569"]
    parsed = contract.parse_bulk(body)  # what our own door makes of it
    assert isinstance(parsed, contract.BulkRequest)
    assert (len(parsed.numbers), parsed.message, parsed.sender) == (3, "Hello", "EXOCLASS")


def test_without_a_sender_the_organizations_default_is_used(dialect: Dialect) -> None:
    assert "sender_id" not in json.loads(dialect.send([message(sender="")], "").body or b"")


def test_what_goes_together(dialect: Dialect) -> None:
    assert dialect.most_together == 1000
    assert dialect.together(message(1)) == dialect.together(message(2, "3701"))
    assert dialect.together(message(1)) != dialect.together(message(1, sender="EXOSMS"))
    assert dialect.together(message(1)) != dialect.together(message(1, text="Else"))


def idempotency_key(dialect: Dialect, *messages: Message) -> str:
    return dialect.send(messages, "").headers["Idempotency-Key"]


def test_a_repeat_has_the_same_idempotency_key_and_nothing_else_has(dialect: Dialect) -> None:
    key = idempotency_key(dialect, message(1))
    assert key == idempotency_key(dialect, message(1))
    others = [
        idempotency_key(dialect, message(2)),
        idempotency_key(dialect, message(1, text="Else")),
        idempotency_key(dialect, *MANY),
        idempotency_key(dialect, *MANY[:2]),
    ]
    assert len({key, *others}) == 5


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"sender": "TWELVE CHARS"}, "sender_length"),
        ({"text": " \n"}, "blank_text"),
        ({"text": "x" * 1601}, "text_length"),
        ({"text": "x" * 1600, "sender": "ELEVEN CHAR"}, None),
    ],
)
def test_what_the_vendor_would_never_take(
    dialect: Dialect, fields: dict[str, str], why: str | None
) -> None:
    refused = dialect.unfit(message(**fields))
    assert (refused and (refused.error, refused.everywhere)) == (why and (why, False))


def test_a_single_send_that_was_taken(dialect: Dialect) -> None:
    body = contract.render_sent(ID, 35_000, 1, 99_965_000)
    [outcome] = dialect.read_sent([message()], 201, {}, body)
    assert isinstance(outcome, Sent)
    assert outcome.provider_message_id == ID


def test_a_bulk_send_of_which_one_is_invalid(dialect: Dialect) -> None:
    body = contract.render_bulk(["id-7", "id-9"], 70_000, 1, ["+37061234568"])
    first, second, third = dialect.read_sent(MANY, 201, {}, body)
    assert isinstance(first, Sent)
    assert isinstance(third, Sent)
    assert (first.provider_message_id, third.provider_message_id) == ("id-7", "id-9")
    assert isinstance(second, Refused)
    assert (second.error, second.everywhere) == ("invalid_recipient", False)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"message_ids": "id"},
        {"message_ids": ["a", "b"], "invalid_recipients": []},  # whose are they?
        {"message_ids": ["a", "b", "c", "d"], "invalid_recipients": []},
        {"message_ids": ["a", "b"], "invalid_recipients": "+37061234568"},
        {"message_ids": ["", None, {}], "invalid_recipients": []},
    ],
)
def test_a_bulk_answer_that_cannot_be_read(dialect: Dialect, data: dict[str, object]) -> None:
    body = json.dumps({"success": True, "data": data}).encode()
    outcomes = dialect.read_sent(MANY, 201, {}, body)
    assert [type(outcome) for outcome in outcomes] == [Unknown] * 3


def test_whom_an_unreadable_bulk_answer_names_is_refused_all_the_same(dialect: Dialect) -> None:
    body = contract.render_bulk(["id-7"], 70_000, 1, ["+37061234568", ["odd"]])
    outcomes = dialect.read_sent(MANY, 201, {}, body)
    assert [type(outcome) for outcome in outcomes] == [Unknown, Refused, Unknown]


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"success":true}', b'{"success":true,"data":{"message_id":"\\u0000"}}',
     b'{"success":false,"data":{"message_id":"x"}}'],
)  # fmt: skip
def test_a_yes_without_an_id_is_unknown(dialect: Dialect, body: bytes) -> None:
    [outcome] = dialect.read_sent([message()], 201, {}, body)
    assert isinstance(outcome, Unknown)
    assert not outcome.silent


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, Deferred), (401, Deferred), (402, Deferred), (403, Deferred), (404, Deferred),
        (408, Deferred), (409, Deferred), (413, Refused), (422, Refused), (429, Deferred),
        (500, Unknown), (502, Unknown), (503, Deferred), (504, Unknown),
    ],
)  # fmt: skip
@pytest.mark.parametrize("messages", [MANY[:1], MANY], ids=["one", "many"])
def test_every_error_has_its_class(
    dialect: Dialect, status: int, kind: type, messages: list[Message]
) -> None:
    body = contract.render_framework_error("What is\nwrong.")
    outcomes = dialect.read_sent(messages, status, {}, body)
    assert [type(outcome) for outcome in outcomes] == [kind] * len(messages)
    for outcome in outcomes:
        assert not isinstance(outcome, Sent)
        assert outcome.error == f"http_{status} What is wrong."
        assert getattr(outcome, "throttled", False) is (status == 429)
        assert not getattr(outcome, "everywhere", False)


def test_an_error_without_words(dialect: Dialect) -> None:
    [outcome] = dialect.read_sent([message()], 422, {}, b"\xff")
    assert isinstance(outcome, Refused)
    assert outcome.error == "http_422"


# --- receipts -----------------------------------------------------------------------------------

AWAITED = [Awaited(ID, "37061234567", 1), Awaited("other/id?", "37061234568", 1)]


def answer(state: MessageState, error: str = "") -> bytes:
    return contract.render_status(
        ID, state, "37061234567", 35_000, 1, 1_767_450_600_000, 1_767_450_615_000, error
    )


def test_each_is_asked_about_by_itself(dialect: Dialect) -> None:
    calls = dialect.poll(AWAITED)
    assert [(call.method, call.url, call.body) for call in calls] == [
        ("GET", f"{BASE}/sms/{ID}/status", None),
        ("GET", f"{BASE}/sms/other%2Fid%3F/status", None),
    ]
    assert calls[0].headers["Authorization"] == "Bearer 7|secret"
    assert (dialect.polls, dialect.has_callbacks) == (True, False)


@pytest.mark.parametrize(
    ("state", "error", "told"),
    [
        (MessageState.DELIVERED, "", ("DELIVERED", "", 1_767_450_615_000)),
        (MessageState.FAILED, "0x45", ("FAILED", "0x45", 0)),
        (MessageState.EXPIRED, "", ("FAILED", "The message expired before it co", 0)),
        (MessageState.QUEUED, "", None),
        (MessageState.SENT, "", None),
    ],
)
def test_receipts(
    dialect: Dialect, state: MessageState, error: str, told: tuple[str, str, int] | None
) -> None:
    call = dialect.poll(AWAITED)[0]
    read = dialect.read_poll(call, AWAITED, 200, answer(state, error))
    found = [(r.state.name, r.error, r.done_at_ms) for r in read.receipts]
    assert found == ([] if told is None else [told])
    assert all(r.provider_message_id == ID for r in read.receipts)
    assert not read.further


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, contract.render_application_error("Message not found.")),
        (429, contract.render_framework_error("Too Many Attempts.")),
        (500, b""),
        (200, b"<html>"),
        (200, b'{"success":true,"data":[]}'),
        (200, b'{"success":true,"data":{"status":"lost"}}'),
        (200, b'{"success":true,"data":{"status":["delivered"]}}'),
    ],
)
def test_answers_that_tell_nothing(dialect: Dialect, status: int, body: bytes) -> None:
    call = dialect.poll(AWAITED)[0]
    assert not dialect.read_poll(call, AWAITED, status, body).receipts


def test_an_answer_about_nobody(dialect: Dialect) -> None:
    call = HttpCall("GET", f"{BASE}/sms/gone/status", {}, None)
    assert not dialect.read_poll(call, AWAITED, 200, answer(MessageState.DELIVERED)).receipts


@pytest.mark.parametrize("time", ['"yesterday"', "17", "null", '"2026-01-03T14:30:15"'])
def test_a_time_that_is_none_is_left_out(dialect: Dialect, time: str) -> None:
    body = f'{{"success":true,"data":{{"status":"delivered","delivered_at":{time}}}}}'.encode()
    [receipt] = dialect.read_poll(dialect.poll(AWAITED)[0], AWAITED, 200, body).receipts
    assert receipt.done_at_ms == 0


def test_there_are_no_callbacks(dialect: Dialect) -> None:
    assert dialect.read_callback("", {}, b"{}") == ((), 1)


# --- balance ------------------------------------------------------------------------------------


def test_balance(dialect: Dialect) -> None:
    call = dialect.balance()
    assert call is not None
    assert (call.method, call.url, call.body) == ("GET", BASE + "/balance", None)
    body = contract.render_balance(99_965_000, "EUR", "ExoClass")
    assert dialect.read_balance(200, body) == 99_965_000


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, contract.render_framework_error("Unauthenticated.")),
        (200, b""),
        (200, b'{"success":true,"data":{"balance":"much"}}'),
        (200, b'{"success":true,"data":{"balance":1e99}}'),
        (200, b'{"success":true,"data":{"balance":NaN}}'),
        (200, b'{"success":true,"data":{}}'),
    ],
)
def test_a_balance_that_was_not_told(dialect: Dialect, status: int, body: bytes) -> None:
    assert dialect.read_balance(status, body) is None

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateway.domain.account import Account, Door
from gateway.domain.lifecycle import MessageState, MoneyState, NotifyWhen
from gateway.domain.message import Message, Opaque
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from gateway.domain.sms_text import measure
from gateway.domain.vendor_tlv import PE_ID, TEMPLATE_ID, TM_ID, encode_texts
from protocols.exotel.answers import JSON_ANSWERS, SmsMessage
from protocols.exotel.contract import parse_send
from protocols.exotel.dialect import ExotelDialect, ExotelUpstream
from protocols.exotel.door_note import write_door_note
from protocols.exotel.faults import Fault
from protocols.exotel.statuses import DETAILS
from protocols.http.bodies import parse_fields
from protocols.http.dialect import Awaited, Dialect, HttpCall

UPSTREAM = ExotelUpstream(
    base_url="https://api.exotel.com/", account_sid="acme1", api_key="key", api_token="token"
)
DIALECT = ExotelDialect(UPSTREAM)
S = MessageState


def message(recipient: str = "919876543210", text: str | None = "Hi", **changes: Any) -> Message:
    alphabet, parts = measure(text or "")
    made = Message(
        1, Account(1, "acme"), None, Door.SMPP, "ACME", recipient, text, None, alphabet, parts, 0,
        MoneyState.NONE, NotifyWhen.ALWAYS, 1, 0, 0,
    )  # fmt: skip
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def fields_of(call: HttpCall) -> dict[str, str]:
    assert call.body is not None
    return dict(parse_qsl(call.body.decode(), strict_parsing=True))


def element(sid: str | None, to: str, status: str = "queued", code: int = 21010) -> dict[str, Any]:
    return {
        "SMSMessage": {
            "Sid": sid, "To": to, "Status": status, "DetailedStatusCode": code,
            "DetailedStatus": DETAILS.get(code, "?"),
        }
    }  # fmt: skip


def told(outcome: Outcome) -> object:
    """An outcome as something that can be compared."""
    if isinstance(outcome, Sent):
        return outcome.provider_message_id
    if isinstance(outcome, Deferred):
        return "throttled" if outcome.throttled else "deferred"
    return "refused" if isinstance(outcome, Refused) else "unknown"


def sent(answer: object, messages: list[Message] | None = None, status: int = 200) -> list[object]:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    outcomes = DIALECT.read_sent(messages or [message()], status, {}, body)
    return [told(outcome) for outcome in outcomes]


# --- requests -----------------------------------------------------------------------------------


def test_it_is_a_dialect() -> None:
    dialect: Dialect = DIALECT
    assert (dialect.most_together, dialect.polls, dialect.has_callbacks) == (100, False, True)
    assert dialect.origin == "https://api.exotel.com"
    assert dialect.balance() is None
    assert dialect.read_balance(200, b"{}") is None


def test_a_single_message() -> None:
    call = DIALECT.send([message(text="Hi & ü")], "https://gw/cb?t=1")
    assert call.method == "POST"
    assert call.url == "https://api.exotel.com/v1/Accounts/acme1/Sms/send.json"
    assert call.headers == {
        "Authorization": "Basic a2V5OnRva2Vu",
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert fields_of(call) == {
        "From": "ACME",
        "To": "+919876543210",
        "Body": "Hi & ü",
        "EncodingType": "plain",
        "StatusCallback": "https://gw/cb?t=1",
    }


def test_several_messages_are_a_static_bulk() -> None:
    fields = fields_of(DIALECT.send([message(), message("37120000000")], ""))
    assert (fields["To[0]"], fields["To[1]"]) == ("+919876543210", "+37120000000")
    assert "To" not in fields
    assert "StatusCallback" not in fields


def test_our_own_door_reads_what_is_sent() -> None:
    """Two gateways in a chain."""
    tlvs = encode_texts({PE_ID: "1101", TEMPLATE_ID: "1107", TM_ID: "1101,1302"})
    messages = [
        message(n, "नमस्ते", priority=3, opaque=Opaque(b"", 0, 0, tlvs)) for n in ("4179", "4178")
    ]
    call = DIALECT.send(messages, "https://gw/cb")
    fields = parse_fields(call.body or b"", call.headers["Content-Type"])
    request = parse_send(fields, lambda url: url)
    assert [entry.recipient for entry in request.entries] == ["+4179", "+4178"]
    assert {(entry.text, entry.sender, entry.tlvs) for entry in request.entries} == {
        ("नमस्ते", "ACME", tlvs)
    }
    assert (request.options.is_unicode, request.options.priority) == (True, 2)
    assert "https://gw/cb" in request.options.door_text


@pytest.mark.parametrize("base", ["http://gw:8080/v1/Accounts/other/", "http://gw:8080"])
def test_a_base_with_or_without_the_account(base: str) -> None:
    upstream = ExotelUpstream(base_url=base, account_sid="acme1", api_key="k", api_token="t")
    sid = "other" if "other" in base else "acme1"
    dialect = ExotelDialect(upstream)
    assert dialect.send([message()], "").url == f"http://gw:8080/v1/Accounts/{sid}/Sms/send.json"


def test_the_accounts_own_dlt_fields_and_those_of_the_message() -> None:
    dialect = ExotelDialect(
        ExotelUpstream(
            base_url="https://x", account_sid="a", api_key="k", api_token="t",
            sms_type="promotional", dlt_entity_id="1", dlt_template_id="2",
        )
    )  # fmt: skip
    fields = fields_of(dialect.send([message()], ""))
    assert fields["SmsType"] == "promotional"
    assert (fields["DltEntityId"], fields["DltTemplateId"]) == ("1", "2")
    own = message(
        opaque=Opaque(b"", 0, 0, encode_texts({PE_ID: "7"})),
        door=Door.EXOTEL,
        door_note=write_door_note("transactional", has_callback=True),
    )
    fields = fields_of(dialect.send([own], ""))
    assert (fields["DltEntityId"], fields["DltTemplateId"]) == ("7", "2")
    assert fields["SmsType"] == "transactional"


def test_notes_of_other_doors_are_not_read() -> None:
    assert "SmsType" not in fields_of(DIALECT.send([message(door_note=-1)], ""))


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "Ho"},
        {"sender": "OTHER"},
        {"priority": 2},
        {"opaque": Opaque(b"", 0, 0, encode_texts({PE_ID: "7"}))},
        {"door": Door.EXOTEL, "door_note": write_door_note("promotional", has_callback=False)},
    ],
)
def test_what_messages_must_share(changes: dict[str, Any]) -> None:
    assert DIALECT.together(message()) == DIALECT.together(message("37120000000"))
    assert hash(DIALECT.together(message())) == hash(DIALECT.together(message()))
    assert DIALECT.together(message()) != DIALECT.together(message(**changes))


def test_only_texts_that_are_too_long_are_unfit() -> None:
    assert DIALECT.unfit(message(text="x" * 2000)) is None
    assert isinstance(DIALECT.unfit(message(text="x" * 2001)), Refused)


def test_secrets_do_not_show() -> None:
    assert "token" not in repr(UPSTREAM).replace("api_token", "")


# --- answers to sends ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 207])
def test_an_accepted_message(status: int) -> None:
    assert sent(element("5f", "09876543210"), status=status) == ["5f"]
    assert sent([element("5f", "09876543210")], status=status) == ["5f"]


@pytest.mark.parametrize("word", ["failed", "failed-dnd", "failed_dnd"])
@pytest.mark.parametrize("sid", ["5f", None])
def test_a_200_can_say_failed(word: str, sid: str | None) -> None:
    outcome = DIALECT.read_sent(
        [message()], 200, {}, json.dumps(element(sid, "09876543210", word, 23005)).encode()
    )[0]
    assert isinstance(outcome, Refused)
    assert (outcome.error, outcome.everywhere) == ("23005 FAILED_REJECTED_DND", False)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"7",
        {"SMSMessage": {}},
        {"SMSMessage": {"Status": "queued"}},
        {"SMSMessage": {"Sid": "x" * 300, "Status": "queued"}},
        {"SMSMessage": [1]},
    ],
)
def test_a_success_that_cannot_be_read_is_unknown(answer: object) -> None:
    assert sent(answer) == ["unknown"]


MANY = [message("919876543210"), message("37120000000"), message("37120000001")]


def test_elements_are_found_by_their_numbers() -> None:
    answer = [element("c", "0037120000001"), element("a", "09876543210"), element("b", "+37120000000")]  # fmt: skip
    assert sent(answer, MANY) == ["a", "b", "c"]


def test_elements_whose_numbers_are_hidden_are_found_by_their_place() -> None:
    answer = [element("a", "0XXXXX43210"), element("b", "0037120000000"), element("c", "")]
    assert sent(answer, MANY) == ["a", "b", "c"]


def test_a_missing_element_is_not_guessed() -> None:
    answer = [element("a", "09876543210"), element("c", "0XXXXX")]
    assert sent(answer, MANY) == ["a", "unknown", "unknown"]


def test_a_mixed_answer() -> None:
    answer = [
        element("a", "09876543210"),
        {"RestException": {"Status": 400, "Message": "Invalid Recipient [x]"}},
        element(None, "0037120000001", "failed", 23010),
    ]
    assert sent(answer, MANY, 207) == ["a", "refused", "refused"]


def test_newer_pages_have_another_list() -> None:
    answer = {"SMSMessages": [{"Sid": "a", "Status": "queued", "To": "+919876543210"}]}
    assert sent(answer) == ["a"]


def test_our_own_answers() -> None:
    shown = SmsMessage("5f", "a", "/ACME", "09876543210", 1, 1, 0, "Hi", "queued", 21010)
    refused = shown._replace(sid="", recipient="+37120000000", status="failed", code=23010)
    body = JSON_ANSWERS.many([JSON_ANSWERS.message(m) for m in (shown, refused)])
    assert sent(body, MANY[:2], 207) == ["5f", "refused"]


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, 40402, "throttled"), (503, 40405, "throttled"), (503, 0, "deferred"),
        (400, 40202, "refused"), (401, 34010, "refused"), (402, 0, "refused"),
        (403, 40001, "refused"), (404, 0, "refused"), (405, 40502, "refused"),
        (409, 0, "refused"), (408, 0, "unknown"), (500, 35000, "unknown"), (502, 0, "unknown"),
        (302, 0, "deferred"), (202, 0, "unknown"),
    ],
)  # fmt: skip
def test_errors(status: int, code: int, expected: str) -> None:
    body = JSON_ANSWERS.fault(Fault(status, "Whatever", code), with_code=True)
    assert sent(body, MANY, status) == [expected] * 3
    if status != 503 or not code:
        assert sent(b"<html>", MANY, status) == [expected] * 3


def test_the_message_of_an_error_is_never_looked_at() -> None:
    body = {"RestException": {"Status": 400, "Message": "Too Many Requests"}}
    assert sent(body, status=400) == ["refused"]
    assert sent({"RestException": {"Status": "429", "Message": "x"}}) == ["throttled"]
    assert sent({"RestException": {"Message": "x", "Code": "EMPTY_BODY"}}) == ["refused"]


def test_refusals_let_another_provider_try() -> None:
    (outcome,) = DIALECT.read_sent([message()], 403, {}, b"{}")
    assert isinstance(outcome, Refused)
    assert not outcome.everywhere


# --- receipts -----------------------------------------------------------------------------------


def called(body: str | bytes, query: str = "") -> list[tuple[str, MessageState, str, int]]:
    octets = body if isinstance(body, bytes) else body.encode()
    read = DIALECT.read_callback(query, {}, octets)
    return [
        (r.provider_message_id, r.state, r.error, r.done_at_ms) for r in read.receipts
    ]  # fmt: skip


FORM = (
    "SmsSid=5f&To=09876543210&Status={}&SmsUnits=1&DetailedStatus={}&DetailedStatusCode={}"
    "&DateSent=2026-05-02+11%3A20%3A31"
)
AT_MS = 1_777_701_031_000


@pytest.mark.parametrize(
    ("status", "code", "state", "error"),
    [
        ("sent", 20005, S.DELIVERED, ""),
        ("failed", 24110, S.FAILED, "24110"),
        ("failed", 23010, S.FAILED, "23010"),
        ("failed", 23050, S.EXPIRED, "23050"),
        ("failed-dnd", 23005, S.REJECTED, "23005"),
        ("failed_dnd", 23005, S.REJECTED, "23005"),
        ("failed", 23020, S.REJECTED, "23020"),
        ("submitted", 21020, S.SENT, ""),
    ],
)
def test_the_form_callback(status: str, code: int, state: S, error: str) -> None:
    body = FORM.format(status, DETAILS[code], code)
    assert called(body) == [("5f", state, error, AT_MS)]


def test_every_documented_code_is_understood() -> None:
    for code, name in DETAILS.items():
        ((_, state, _, _),) = called(f"SmsSid=5f&DetailedStatusCode={code}&DetailedStatus={name}")
        assert (state == S.SENT) == (21000 <= code < 22000)
        assert (state == S.DELIVERED) == (code < 21000)


@pytest.mark.parametrize(
    ("status", "state", "error"),
    [
        ("sent", S.DELIVERED, ""),
        ("failed", S.FAILED, "failed"),
        ("failed_dnd", S.REJECTED, "failed_dnd"),
        ("mislaid", S.SENT, "mislaid"),  # a word nobody knows must not end a message
    ],
)
def test_the_short_form_of_old_pages(status: str, state: S, error: str) -> None:
    body = f"SmsSid=5f&Status={status}&DateUpdated=2026-05-02 11:20:31"
    assert called(body) == [("5f", state, error, AT_MS)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"SmsSid": "5f", "Status": "sent", "DetailedStatusCode": "20005",
             "DateSent": "1970-01-01 05:30:00"},
            ("5f", S.DELIVERED, "", 0),
        ),
        (
            {"SmsSid": "5f", "Status": "DELIVERED_TO_HANDSET", "ExoStatusCode": 20005,
             "DateUpdated": "2026-05-02 11:20:31"},
            ("5f", S.DELIVERED, "", AT_MS),
        ),
        (
            {"SmsSid": "5f", "Status": "FAILED_EXPIRED", "UpdatedAt": "2026-05-02T05:50:31Z"},
            ("5f", S.EXPIRED, "FAILED_EXPIRED", AT_MS),
        ),
        ({"SmsSid": "5f", "Status": "undelivered"}, ("5f", S.FAILED, "undelivered", 0)),
    ],
)  # fmt: skip
def test_json_callbacks(fields: Mapping[str, Any], expected: object) -> None:
    assert called(json.dumps(fields)) == [expected]


def test_the_query_string_when_there_is_no_body() -> None:
    assert called("", "SmsSid=5f&Status=sent") == [("5f", S.DELIVERED, "", 0)]


@pytest.mark.parametrize(
    "body",
    [
        "", "{", "[", "[7]", "{}", "SmsSid=5f", "Status=sent", "SmsSid=%00&Status=sent",
        '{"SmsSid": null, "Status": "sent"}', '{"SmsSid": ["5f"], "Status": "sent"}',
        b"\xff\xfe", "&".join(f"a{n}=1" for n in range(200)),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_counted(body: str | bytes) -> None:
    octets = body if isinstance(body, bytes) else body.encode()
    read = DIALECT.read_callback("", {}, octets)
    assert list(read.receipts) == []
    assert read.unreadable == 1


def test_codes_too_long_to_be_codes() -> None:
    assert called(f"SmsSid=5f&DetailedStatusCode={'9' * 5000}&Status=sent") == [
        ("5f", S.DELIVERED, "", 0)
    ]


# --- polls --------------------------------------------------------------------------------------

POLLING = ExotelDialect(
    ExotelUpstream(
        base_url="https://x", account_sid="a", api_key="k", api_token="t", callbacks=False
    )
)
AWAITED = [Awaited("5f", "919876543210", 1), Awaited("60", "37120000000", 1)]


def test_without_callbacks_it_asks_for_each_message() -> None:
    assert (POLLING.polls, POLLING.has_callbacks) == (True, False)
    assert "StatusCallback" not in fields_of(POLLING.send([message()], "https://gw/cb"))
    calls = POLLING.poll(AWAITED)
    assert [(c.method, c.url, c.body) for c in calls] == [
        ("GET", f"https://x/v1/Accounts/a/SMS/Messages/{sid}.json", None) for sid in ("5f", "60")
    ]
    assert calls[0].headers["Authorization"] == "Basic azp0"


def test_an_id_that_would_change_the_path_is_not_asked_about() -> None:
    assert POLLING.poll([Awaited("../../x", "1", 1), Awaited("", "1", 1)]) == []


def polled(body: object, status: int = 200) -> list[tuple[str, MessageState, str]]:
    call = POLLING.poll(AWAITED)[0]
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    read = POLLING.read_poll(call, AWAITED, status, octets)
    assert not read.further
    return [(r.provider_message_id, r.state, r.error) for r in read.receipts]


def test_the_end_of_a_message() -> None:
    assert polled(element("5f", "", "sent", 20005)) == [("5f", S.DELIVERED, "")]
    assert polled(element("5f", "", "failed", 23050)) == [("5f", S.EXPIRED, "23050")]
    assert polled({"SMSMessage": {"Status": "failed-dnd"}}) == [("5f", S.REJECTED, "failed-dnd")]


@pytest.mark.parametrize(
    "body",
    [
        element("5f", "", "queued", 21010),
        element("5f", "", "submitted", 21020),
        {"Message": "No matching results"},
        {"SMSMessage": {"Status": "mislaid"}},
        {"SMSMessage": {}},
        {"SMSMessage": []},
        b"<html>",
    ],
)
def test_a_message_without_an_end_tells_nothing(body: object) -> None:
    assert polled(body) == []


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_errors_tell_nothing(status: int) -> None:
    assert polled(element("5f", "", "sent", 20005), status) == []


@pytest.mark.parametrize("status", [429, 503])
def test_over_the_limit_it_waits(status: int) -> None:
    call = POLLING.poll(AWAITED)[0]
    assert POLLING.read_poll(call, AWAITED, status, b"").retry_after_s == 30


def test_our_own_details() -> None:
    shown = SmsMessage("5f", "a", "/ACME", "09876543210", 1, 1, 1, "Hi", "sent", 20005, 1, 1)
    assert polled(JSON_ANSWERS.message(shown)) == [("5f", S.DELIVERED, "")]


def test_unknown_and_sent_are_never_confused() -> None:
    assert isinstance(DIALECT.read_sent([message()], 500, {}, b"")[0], Unknown)

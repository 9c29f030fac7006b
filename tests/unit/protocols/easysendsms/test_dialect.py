import json

import pytest

from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from protocols.easysendsms.contract import parse_send
from protocols.easysendsms.dialect import EasySendDialect
from tests.support.clock import START_MS
from tests.support.upstream import make_message

DIALECT = EasySendDialect("https://restapi.easysendsms.app/v1/rest/", "secret-key")
OK = "OK: 69991a73-a560-429f-9c5a-3251dc1522bb"


def messages(count: int) -> list[Message]:
    return [make_message(recipient=f"3712000000{n}", key=n + 1) for n in range(count)]


def read(body: object, count: int = 1, status: int = 200) -> list[str]:
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [repr(o) for o in DIALECT.read_sent(messages(count), status, {}, octets)]


def same(*outcomes: Outcome) -> list[str]:
    return [repr(outcome) for outcome in outcomes]


# --- requests -----------------------------------------------------------------------------------


def test_one_request_for_several_messages() -> None:
    call = DIALECT.send(messages(2), "https://gw.example.com/callbacks/x/t")
    assert (call.method, call.url) == ("POST", "https://restapi.easysendsms.app/v1/rest/sms/send")
    assert call.headers == {
        "apikey": "secret-key", "Accept": "application/json", "Content-Type": "application/json",
    }  # fmt: skip
    assert call.body is not None
    assert json.loads(call.body) == {
        "from": "ACME", "to": "37120000000,37120000001", "text": "hello", "type": "0",
    }  # fmt: skip


def test_a_text_outside_gsm_is_unicode() -> None:
    call = DIALECT.send([make_message("sveiks, pasaulē")], "")
    assert call.body is not None
    assert json.loads(call.body)["type"] == "1"


@pytest.mark.parametrize("text", ["hello", "€{}", "sveiks, pasaulē 😀", "x" * 765])
def test_the_door_understands_its_requests(text: str) -> None:
    message = make_message(text)
    call = DIALECT.send([message], "")
    assert call.body is not None
    request = parse_send(json.loads(call.body), lambda _: True, START_MS)
    assert not isinstance(request, int)
    assert (request.text, request.parts) == (text, message.part_count)


def test_what_goes_together_shares_sender_text_and_type() -> None:
    keys = {
        DIALECT.together(message)
        for message in (
            make_message(), make_message(recipient="37120000002"), make_message("other"),
            make_message(sender="OTHER"),
        )
    }  # fmt: skip
    assert len(keys) == 3
    assert (DIALECT.most_together, DIALECT.polls, DIALECT.has_callbacks) == (30, False, True)


def test_six_parts_are_too_many() -> None:
    assert DIALECT.unfit(make_message("x" * 765)) is None
    assert repr(DIALECT.unfit(make_message("x" * 766))) == repr(Refused("too_many_parts"))


def test_nothing_is_polled() -> None:
    assert DIALECT.poll([]) == ()
    assert DIALECT.read_poll(DIALECT.balance(), [], 200, b"{}").receipts == ()


def test_the_origin_has_no_secret() -> None:
    assert DIALECT.origin == "https://restapi.easysendsms.app"


# --- answers ------------------------------------------------------------------------------------


def test_places_are_matched_by_position() -> None:
    body = {"status": "OK", "scheduled": "Now", "messageIds": [OK, "ERR: 4012", "OK: zz-not-hex"]}
    assert read(body, 3) == same(Sent(OK[4:]), Refused("4012"), Sent("zz-not-hex"))


def test_the_older_joined_text() -> None:
    assert read({"messageIds": [f"ERR: 4012,{OK}"]}, 2) == same(Refused("4012"), Sent(OK[4:]))


def test_a_missing_place_is_an_invalid_number() -> None:
    assert read({"status": "OK", "messageIds": [OK]}, 2) == same(Sent(OK[4:]), Refused("4012"))


def test_places_too_many_are_nobodys() -> None:
    assert read({"status": "OK", "messageIds": [OK, OK]}) == same(Sent(OK[4:]))


@pytest.mark.parametrize("place", ["OK:", "OK: ", "OK", "ok: "])
def test_taken_without_an_id(place: str) -> None:
    assert read({"messageIds": [place]}) == same(Sent(""))


@pytest.mark.parametrize(
    ("place", "error"),
    [("", "unreadable_place"), (None, "unreadable_place"), ("ERR: \x00 4012", "4012")],
)
def test_places_that_make_no_sense(place: object, error: str) -> None:
    assert read({"messageIds": [place]}) == same(Refused(error))


def test_only_invalid_numbers_with_200() -> None:
    assert read({"status": "OK", "messageIds": ["ERR: 4012"]}) == same(Refused("4012"))


def test_a_429_slows_down() -> None:
    assert read({"error": 429}, 2, 429) == same(*[Deferred("429", throttled=True)] * 2)
    assert read(b"", 1, 429) == same(Deferred("http_429", throttled=True))


@pytest.mark.parametrize(("status", "code"), [(500, 4008), (503, 4009)])
def test_what_may_not_be_repeated_never_comes_back(status: int, code: int) -> None:
    assert read({"error": code, "description": "x"}, 1, status) == same(Refused(str(code)))
    assert read(b"<html>", 1, status) == same(Refused(f"http_{status}"))


@pytest.mark.parametrize(
    ("status", "code"), [(401, 4002), (401, 4003), (403, 4004), (403, 4005), (403, 4006), (403, 4007), (402, 4015)]
)  # fmt: skip
def test_our_account_at_fault_waits_or_goes_elsewhere(status: int, code: int) -> None:
    assert read({"error": code}, 1, status) == same(Deferred(str(code)))


@pytest.mark.parametrize("code", [4001, 4010, 4011, 4012, 4014, 4016, 4017])
def test_the_message_at_fault(code: int) -> None:
    assert read({"error": code}, 2, 400) == same(*[Refused(str(code))] * 2)


@pytest.mark.parametrize("status", [301, 404, 405, 415])
def test_a_wrong_address(status: int) -> None:
    assert read(b"nothing here", 1, status) == same(Deferred(f"http_{status}"))


@pytest.mark.parametrize("status", [408, 502, 504])
def test_nobody_knows_whether_it_was_sent(status: int) -> None:
    assert read(b"", 1, status) == same(Unknown(f"http_{status}"))


@pytest.mark.parametrize(
    "body", [b"", b"OK", b"[1]", b"{}", b'{"status":"OK"}', b'{"messageIds":"x"}']
)
def test_an_unreadable_acceptance(body: bytes) -> None:
    assert read(body) == same(Unknown("unreadable_answer"))


def test_a_200_that_is_a_failure() -> None:
    assert read({"status": "FAILED"}) == same(Refused("status_not_ok"))
    assert read({"error": 4012}) == same(Refused("4012"))


def test_a_code_that_is_no_code() -> None:
    assert read({"error": True}, 1, 400) == same(Refused("http_400"))
    assert read({"error": 10**400}, 1, 400) == same(Refused("http_400"))


# --- reports ------------------------------------------------------------------------------------


def receipt(body: str) -> tuple[str, MessageState, str, int]:
    read = DIALECT.read_callback("", {}, body.encode())
    assert read.unreadable == 0
    [found] = read.receipts
    return found.provider_message_id, found.state, found.error, found.done_at_ms


@pytest.mark.parametrize("date", ["5%2f24%2f2024+11%3a23%3a34+PM", "2024-05-24+23:23:34"])
def test_a_report_with_either_date(date: str) -> None:
    body = f"source=test&msisdn=1234&response=DELIVRD&sent_date={date}&sms_id=fd94"
    assert receipt(body) == ("fd94", MessageState.DELIVERED, "", 1_716_593_014_000)


@pytest.mark.parametrize(
    ("word", "state"),
    [("EXPIRED", MessageState.EXPIRED), ("undeliv", MessageState.FAILED), ("delivrd", MessageState.DELIVERED)],
)  # fmt: skip
def test_a_report_with_the_older_names(word: str, state: MessageState) -> None:
    body = f"sender=test&mobile=1234&date=junk&messageid=fd94&status={word}"
    error = "" if state is MessageState.DELIVERED else word.upper()
    assert receipt(body) == ("fd94", state, error, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"response=DELIVRD",
        b"sms_id=1&response=ACCEPTD",
        b"\xff\xfe",
        b"{}",
        b"sms_id=%00&response=DELIVRD",
    ],
)
def test_reports_that_make_no_sense(body: bytes) -> None:
    assert DIALECT.read_callback("", {}, body) == ((), 1)


def test_the_check_of_the_url_has_no_report() -> None:
    assert DIALECT.read_callback("secret=s", {}, b"") == ((), 0)


# --- balance ------------------------------------------------------------------------------------


def test_the_balance_is_asked_by_get() -> None:
    call = DIALECT.balance()
    assert (call.method, call.body) == ("GET", None)
    assert call.url == "https://restapi.easysendsms.app/v1/rest/sms/balance"
    assert call.headers["apikey"] == "secret-key"


@pytest.mark.parametrize(
    ("status", "body", "micros"),
    [
        (200, b'{"balance": 247247}', 247_247_000_000),
        (200, b'{"balance": 99.9650001}', 99_965_000),
        (200, b'{"balance": "7.5"}', 7_500_000),
        (200, b'{"balance": null}', None),
        (200, b'{"balance": NaN}', None),
        (200, b'{"balance": 1e400}', None),
        (200, b"[]", None),
        (200, b"junk", None),
        (200, b"{}", None),
        (429, b'{"balance": 1}', None),
    ],
)
def test_balances(status: int, body: bytes, micros: int | None) -> None:
    assert DIALECT.read_balance(status, body) == micros

"""REST customers of a running gateway, from the request to the phone and back."""

import re

import pytest

from tests.support.processes import DemoProcess, until
from tests.support.rest_client import Reply, RestClient

PRICE = 0.035
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"


@pytest.fixture
def rest(demo: DemoProcess) -> RestClient:
    return demo.rest()


def balance(rest: RestClient) -> float:
    value: float = rest.get("/balance").json["data"]["balance"]
    return value


def send(rest: RestClient, recipient: str, message: str, **fields: object) -> Reply:
    body = {"recipient": recipient, "message": message, "sender_id": "POSTERN", **fields}
    return rest.post("/sms/send", body)


def final_status(rest: RestClient, message_id: str) -> dict[str, object]:
    """Asks until the message is at its end; seldom, because requests are limited."""

    def status() -> dict[str, object] | None:
        data: dict[str, object] = rest.get(f"/sms/{message_id}/status").json["data"]
        return data if data["status"] in ("delivered", "failed") else None

    found = until(f"a final status of {message_id}", status, poll_s=0.5)
    assert found is not None
    return found


def test_balance_names_currency_and_organization(rest: RestClient) -> None:
    reply = rest.get("/balance")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["X-RateLimit-Limit"] == "60"
    assert set(reply.json) == {"success", "data"}
    assert reply.json["data"]["currency"] == "EUR"
    assert reply.json["data"]["organization"] == "Demo"


def test_a_message_is_charged_sent_and_delivered(demo: DemoProcess, rest: RestClient) -> None:
    before = balance(rest)
    reply = send(rest, "+37122000007", "Hello, Riga")
    assert reply.status == 201
    message_id = reply.json["data"]["message_id"]
    assert re.fullmatch(UUID, message_id)
    assert reply.json == {
        "success": True,
        "data": {
            "message_id": message_id,
            "status": "pending",
            "cost": PRICE,
            "segments": 1,
            "balance_remaining": round(before - PRICE, 6),
        },
        "message": "SMS queued for sending",
    }
    [entry] = demo.received("+37122000007")
    assert entry == {
        "n": entry["n"],
        "channel": "sms",
        "provider": "carrier-smpp",
        "from": "POSTERN",
        "to": "+37122000007",
        "text": "Hello, Riga",
        "parts": 1,
    }
    status = final_status(rest, message_id)
    assert re.fullmatch(TIME, str(status.pop("sent_at")))
    assert re.fullmatch(TIME, str(status.pop("delivered_at")))
    assert status == {
        "id": message_id,
        "status": "delivered",
        "recipient": "+37122000007",
        "cost": PRICE,
        "segments": 1,
        "error_message": None,
        "error_code": None,
    }
    assert balance(rest) == round(before - PRICE, 6)


@pytest.mark.parametrize(
    ("recipient", "text", "segments"),
    [
        ("+37122000011", "x" * 161, 2),
        ("+37122000012", "€" * 80, 1),
        ("+37122000013", "Sveiks, pasaulīt 😀", 1),
        ("+37122000014", "ā" * 71 + "😀" * 40, 3),
    ],
    ids=["long-gsm", "gsm-extension", "ucs2", "long-ucs2"],
)
def test_text_arrives_whole_and_is_charged_per_part(
    demo: DemoProcess, rest: RestClient, recipient: str, text: str, segments: int
) -> None:
    reply = send(rest, recipient, text)
    assert reply.status == 201
    assert reply.json["data"]["segments"] == segments
    assert reply.json["data"]["cost"] == round(PRICE * segments, 6)
    [entry] = demo.received(recipient)
    assert entry["text"] == text
    assert entry["parts"] == segments


def test_the_http_carrier_takes_its_prefix_and_reports_back(
    demo: DemoProcess, rest: RestClient
) -> None:
    reply = send(rest, "+447911000007", "Hello, London " + "x" * 160)
    [entry] = demo.received("+447911000007")
    assert entry["provider"] == "carrier-http"
    assert entry["parts"] == 2
    assert final_status(rest, reply.json["data"]["message_id"])["status"] == "delivered"


@pytest.mark.parametrize(
    ("recipient", "error_code"), [("+37122010001", "001"), ("+447911010001", "001")]
)
def test_a_failed_delivery_is_told_and_stays_charged(
    rest: RestClient, recipient: str, error_code: str
) -> None:
    before = balance(rest)
    status = final_status(rest, send(rest, recipient, "to nobody").json["data"]["message_id"])
    assert status["status"] == "failed"
    assert status["error_code"] == error_code
    assert status["error_message"]
    assert status["delivered_at"] is None
    assert balance(rest) == round(before - PRICE, 6)


def test_a_bulk_send_charges_the_valid_recipients(demo: DemoProcess, rest: RestClient) -> None:
    before = balance(rest)
    recipients = ["+37122000021", "not a number", "+447911000022", "+37122000023"]
    reply = rest.post(
        "/sms/send-bulk",
        {"recipients": recipients, "message": "To all of you", "sender_id": "POSTERN"},
    )
    assert reply.status == 201
    message_ids = reply.json["data"]["message_ids"]
    assert len(set(message_ids)) == 3
    assert reply.json == {
        "success": True,
        "data": {
            "total_messages": 3,
            "total_cost": round(3 * PRICE, 6),
            "balance_remaining": round(before - 3 * PRICE, 6),
            "message_ids": message_ids,
            "invalid_recipients": ["not a number"],
        },
        "message": "Bulk SMS queued for sending",
    }
    for recipient in ("+37122000021", "+447911000022", "+37122000023"):
        assert [entry["text"] for entry in demo.received(recipient)] == ["To all of you"]


def test_the_same_idempotency_key_sends_once(demo: DemoProcess, rest: RestClient) -> None:
    before = balance(rest)
    key = {"Idempotency-Key": "order-4711"}
    body = {"recipient": "+37122000031", "message": "Once", "sender_id": "POSTERN"}
    first = rest.post("/sms/send", body, key)
    again = rest.post("/sms/send", body, key)
    assert first.status == again.status == 201
    assert first.octets == again.octets
    other = rest.post("/sms/send", {**body, "message": "Twice"}, key)
    assert other.status == 422
    # A later message has arrived: the repeat would have been there before it.
    send(rest, "+37122000032", "after it")
    demo.received("+37122000032")
    assert [entry["text"] for entry in demo.inbox("+37122000031")] == ["Once"]
    assert balance(rest) == round(before - 2 * PRICE, 6)


@pytest.mark.parametrize("token", [None, "1|wrong", "", "ā"])
def test_without_a_valid_token_nobody_is_let_in(demo: DemoProcess, token: str | None) -> None:
    stranger = RestClient(demo.facts["exosend"]["base_url"])
    headers = {} if token is None else {"Authorization": f"Bearer {token}".encode()}
    reply = stranger.get("/balance", headers)
    assert reply.status == 401
    assert reply.json == {"message": "Unauthenticated."}
    assert "X-RateLimit-Limit" not in reply.headers


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{not json", "recipient"),
        ({"message": "no recipient", "sender_id": "POSTERN"}, "recipient"),
        ({"recipient": "12", "message": "no number", "sender_id": "POSTERN"}, "recipient"),
        ({"recipient": "+999123456789", "message": "no country", "sender_id": "POSTERN"}, "recipient"),
        ({"recipient": "+37122000041", "sender_id": "POSTERN"}, "message"),
        ({"recipient": "+37122000041", "message": "\udc80", "sender_id": "POSTERN"}, "message"),
        ({"recipient": "+37122000041", "message": "a\u0000b", "sender_id": "POSTERN"}, "message"),
        ({"recipient": "+37122000041", "message": "x" * 1601, "sender_id": "POSTERN"}, "message"),
        ({"recipient": "+37122000041", "message": "x", "sender_id": "SOMEBODY"}, "sender_id"),
        ({"recipient": "+37122000041", "message": "x", "sender_id": "postern"}, "sender_id"),
    ],
    ids=[
        "malformed", "no-recipient", "short", "no-country", "no-message", "surrogate", "nul",
        "too-long", "unverified-sender", "sender-in-other-case",
    ],
)  # fmt: skip
def test_bad_requests_get_422_with_the_field_at_fault(
    rest: RestClient, body: object, field: str
) -> None:
    reply = rest.post("/sms/send", body)
    assert reply.status == 422
    assert field in reply.json["errors"]


def test_after_bad_requests_nothing_was_stored_or_charged(
    demo: DemoProcess, rest: RestClient
) -> None:
    before = balance(rest)
    assert send(rest, "+37122000041", "x", sender_id="SOMEBODY").status == 422
    assert balance(rest) == before
    assert demo.inbox("+37122000041") == []


def test_unknown_places_and_verbs_get_the_vendors_bodies(rest: RestClient) -> None:
    assert rest.get("/nowhere").json == {"message": "The route api/v1/nowhere could not be found."}
    reply = rest.get("/sms/send")
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    reply = rest.get("/sms/00000000-0000-8000-8000-000000000000/status")
    assert reply.status == 404
    assert reply.json == {"success": False, "message": "Message not found."}


def test_a_body_over_the_limit_is_refused(rest: RestClient) -> None:
    try:
        reply = rest.post("/sms/send", b" " * 1_200_000)
    except (BrokenPipeError, ConnectionResetError):
        return  # answered and closed before all of it was sent
    assert reply.status == 413

"""A client of the ME-SMS API at a running gateway, from the request to the phone and back."""

import re
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.processes import DemoProcess, until
from tests.support.rest_client import Reply, RestClient

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
FAR_AHEAD = "2027-06-01T10:00:00+07:00"


class MesmsClient:
    """The demo's key; requests are limited, so every test uses few of them."""

    def __init__(self, demo: DemoProcess) -> None:
        facts = demo.facts["mesms"]
        self.base_url: str = facts["base_url"]
        self._rest = RestClient(self.base_url)
        self.key = {"x-api-key": facts["api_key"]}

    def get(self, path: str) -> Any:
        reply = self._rest.get(path, headers=self.key)
        assert reply.status == 200, reply
        return reply.json

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Reply:
        return self._rest.request("POST", path, body, {**self.key, **(headers or {})})

    def send(self, numbers: list[str], text: str, **fields: object) -> Any:
        body = {"sender": "POSTERN", "content": text, "msisdns": numbers, **fields}
        reply = self.post("/sms/send", body)
        assert reply.status == 200, reply
        return reply.json

    def credit(self) -> float:
        value: float = self.get("/credit")["credit"]
        return value

    def over(self, uuid: str) -> Any:
        """The message once nothing more is to come; asked seldom."""

        def found() -> Any:
            message = self.get(f"/sms/{uuid}")
            return message if message["drSummary"] is not None else None

        return until(f"the end of {uuid}", found, timeout_s=60.0, poll_s=1.0)


@pytest.fixture
def mesms(demo: DemoProcess) -> MesmsClient:
    return MesmsClient(demo)


def test_a_message_is_charged_sent_and_delivered(demo: DemoProcess, mesms: MesmsClient) -> None:
    before = mesms.credit()
    sent = mesms.send(["66812000011", "0812000012", "junk", "66812000011"], "สวัสดี")
    assert re.fullmatch(UUID, sent["uuid"])
    assert sent | {"uuid": ""} == {
        "uuid": "", "status": "pending", "sender": "POSTERN", "recipients": 3, "parts": 1,
        "credits": 2, "scheduledTime": None,
    }  # fmt: skip
    assert mesms.credit() == before - 2
    for recipient in ("+66812000011", "+66812000012"):
        (entry,) = demo.received(recipient)
        assert (entry["from"], entry["text"]) == ("POSTERN", "สวัสดี")
    message = mesms.over(sent["uuid"])
    assert message["status"] == "sent"
    assert (message["drSummary"]["success"], message["drSummary"]["invalid"]) == (2, 1)
    page = mesms.get(f"/sms/{sent['uuid']}/recipients?after=0")
    rows = [(row["id"], row["msisdn"], row["status"]) for row in page["data"]]
    assert rows == [
        (1, "66812000011", "success"),
        (2, "66812000012", "success"),
        (3, "junk", "invalid"),
    ]
    assert (page["nextCursor"], page["hasMore"]) == (None, False)


def test_many_recipients_reach_their_end(mesms: MesmsClient) -> None:
    """Far more than a bulk brings along in its own commit; endings that all carriers deliver."""
    numbers = [f"6683{n:05}77" for n in range(3000)]
    sent = mesms.send(numbers, "Hello")
    assert (sent["recipients"], sent["credits"]) == (3000, 3000)
    message = mesms.over(sent["uuid"])
    assert sum(message["drSummary"].values()) == 3000
    assert message["drSummary"]["success"] == 3000
    last = mesms.get(f"/sms/{sent['uuid']}/recipients?after=2900&limit=1000")
    assert [row["msisdn"] for row in last["data"]] == numbers[2900:]


def test_a_scheduled_message_is_cancelled_and_its_price_released(mesms: MesmsClient) -> None:
    before = mesms.credit()
    sent = mesms.send(["66812000013"], "Later", scheduledTime=FAR_AHEAD)
    assert (sent["status"], sent["scheduledTime"]) == ("scheduled", FAR_AHEAD)
    assert mesms.credit() == before - 1
    path = f"/sms/{sent['uuid']}/cancel"
    cancelled = mesms.post(path, None)
    assert cancelled.json == {"uuid": sent["uuid"], "status": "cancelled", "refundedCredits": 1}
    assert mesms.credit() == before
    again = mesms.post(path, None)
    assert (again.status, again.json["code"]) == (409, "ALREADY_CANCELLED")
    assert mesms.get("/sms?status=cancelled")["data"][0]["uuid"] == sent["uuid"]


def test_a_repeat_of_a_key_sends_nothing_twice(demo: DemoProcess, mesms: MesmsClient) -> None:
    body = {"sender": "POSTERN", "content": "Once", "msisdns": ["66812000014"]}
    headers = {"Idempotency-Key": "order-17"}
    first, second = (mesms.post("/sms/send", body, headers) for _ in range(2))
    assert (first.status, second.octets) == (200, first.octets)
    other = mesms.post("/sms/send", body | {"content": "Twice"}, headers)
    assert (other.status, other.json["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert len(demo.received("+66812000014")) == 1


def test_a_customer_who_goes_away_half_way_leaves_nothing(mesms: MesmsClient) -> None:
    before, listed = mesms.credit(), mesms.get("/sms")["total"]
    numbers = ", ".join(f'"668400{n:05}"' for n in range(20_000))
    body = b'{"sender": "POSTERN", "content": "Gone", "msisdns": [%b' % numbers.encode()
    parts = urlsplit(mesms.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10.0) as connection:
        connection.sendall(
            b"POST %b/sms/send HTTP/1.1\r\nHost: x\r\nx-api-key: %b\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (parts.path.encode(), mesms.key["x-api-key"].encode(), len(body) + 1000, body)
        )
    # What another request sees of it afterwards.
    sent = mesms.send(["66812000015"], "Here")
    assert sent["credits"] == 1
    assert mesms.credit() == before - 1
    assert mesms.get("/sms")["total"] == listed + 1


def test_preview_senders_and_errors(mesms: MesmsClient) -> None:
    before = mesms.credit()
    quote = mesms.post("/sms/preview", {"msisdns": ["66812000016"], "content": "x" * 161})
    assert quote.json == {
        "recipients": 1, "parts": 2, "credits": 2, "encoding": "GSM7", "length": 161,
    }  # fmt: skip
    assert mesms.credit() == before
    (sender,) = mesms.get("/senders")["data"]
    assert (sender["name"], sender["status"], sender["shared"]) == ("POSTERN", "approved", False)
    refused = mesms.post(
        "/sms/send", {"sender": "OTHER", "content": "x", "msisdns": ["66812000016"]}
    )
    assert refused.status == 400
    assert refused.json == {
        "error": "sender is not an approved sender name.", "code": "INVALID_PARAMETERS",
    }  # fmt: skip

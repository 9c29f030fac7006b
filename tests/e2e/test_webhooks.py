"""Signed status webhooks of a running gateway, checked as a customer would check them."""

import hashlib
import hmac
import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.serving import CARRIER, LISTEN, Serving

ACCOUNT = """
[[account]]
name = "acme"
credit = "10"
requests_per_min = 0
senders = ["ACME"]
  [[account.token]]
  secret = "token-acme"
  [[account.webhook]]
  url = "{url}"
  secret = "webhook-secret"
"""
ALLOW = "[callbacks]\nallow_private = true\n"


class Call(NamedTuple):
    headers: dict[str, str]
    octets: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.octets)

    @property
    def signature(self) -> str:
        """What the header must say."""
        signed = self.headers["Postern-Timestamp"].encode() + b"." + self.octets
        return "v1=" + hmac.new(b"webhook-secret", signed, hashlib.sha256).hexdigest()


@contextmanager
def customer() -> Iterator[tuple[str, "queue.Queue[Call]"]]:
    """An HTTP server of the customer's: its URL, and the calls it gets."""
    calls: queue.Queue[Call] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            octets = self.rfile.read(int(self.headers["Content-Length"]))
            calls.put(Call(dict(self.headers), octets))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/status", calls
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_customer_learns_each_fate_and_can_check_the_signature(tmp_path: Path) -> None:
    with customer() as (url, calls):
        configuration = LISTEN + ALLOW + ACCOUNT.format(url=url) + CARRIER
        gateway = Serving(tmp_path, configuration)
        with gateway.serve() as daemon, gateway.simulate():
            reply = gateway.rest("token-acme").post(
                "/sms/send-bulk", {"recipients": ["+37127000007", "+37127000001"], "message": "Hi"}
            )
            delivered, failed = reply.json["data"]["message_ids"]
            received = [calls.get(timeout=15), calls.get(timeout=15)]
            logged = daemon.errors
    events = {call.json["id"]: call.json for call in received}
    assert set(events) == {delivered, failed}
    for call in received:
        assert call.headers["Content-Type"] == "application/json"
        assert call.headers["Postern-Signature"] == call.signature
        assert abs(int(call.headers["Postern-Timestamp"]) - time.time()) < 300
    assert len({call.headers["Postern-Delivery"] for call in received}) == 2
    event = events[delivered]
    assert all(event.pop(name) for name in ("accepted_at", "sent_at", "final_at"))
    assert event == {
        "event": "message.status",
        "id": delivered,
        "status": "delivered",
        "recipient": "+37127000007",
        "sender": "ACME",
        "parts": 1,
        "price": "0.035",
        "currency": "EUR",
        "error": None,
    }
    assert (events[failed]["status"], events[failed]["error"]) == ("failed", "001")
    assert "webhook-secret" not in logged


def test_a_webhook_into_a_private_network_is_not_called_unless_allowed(tmp_path: Path) -> None:
    with customer() as (url, calls):
        gateway = Serving(tmp_path, LISTEN + ACCOUNT.format(url=url) + CARRIER)
        with gateway.serve() as daemon, gateway.simulate():
            gateway.rest("token-acme").post(
                "/sms/send", {"recipient": "+37127000017", "message": "Hi"}
            )
            daemon.until("the refusal", lambda: '"webhook.' in daemon.errors)
            with pytest.raises(queue.Empty):
                calls.get_nowait()


def test_what_was_given_up_is_replayed(tmp_path: Path) -> None:
    with customer() as (url, calls):
        gateway = Serving(tmp_path, LISTEN + ACCOUNT.format(url=url) + CARRIER)
        with gateway.serve() as daemon, gateway.simulate():
            gateway.rest("token-acme").post(
                "/sms/send", {"recipient": "+37127000017", "message": "Hi"}
            )
            daemon.until("it is given up", lambda: '"webhook.abandoned"' in daemon.errors)
            listed = json.loads(gateway.command("webhook", "list", "--json"))["deliveries"]
            assert [(d["state"], d["host"], d["account"]) for d in listed] == [
                ("abandoned", "127.0.0.1", "acme")
            ]
            assert listed[0]["error"] == "the URL's address is not a public one"
        gateway.write(LISTEN + ALLOW + ACCOUNT.format(url=url) + CARRIER)
        with gateway.serve():
            told = json.loads(gateway.command("webhook", "replay", "--account", "acme", "--json"))
            assert told == {"replayed": 1}
            first = calls.get(timeout=15)
            gateway.command("webhook", "replay", "--id", first.headers["Postern-Delivery"])
            again = calls.get(timeout=15)
            listed = json.loads(
                gateway.command("webhook", "list", "--state", "abandoned", "--json")
            )
            assert listed == {"deliveries": []}
    assert again.headers["Postern-Delivery"] == first.headers["Postern-Delivery"]
    assert again.json == first.json
    assert again.headers["Postern-Signature"] == again.signature

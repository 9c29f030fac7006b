"""Sender ids, the blocklist and repeated requests of a running gateway, over its restart."""

import json
from pathlib import Path
from typing import Any

from tests.support.serving import CARRIER, LISTEN, Serving

ACCOUNT = """
[[account]]
name = "acme"
credit = "10"
requests_per_min = 0
senders = ["ACME"]
  [[account.token]]
  secret = "token-acme"
"""
TEXT = {"recipient": "+37129000007", "message": "Hi"}


def senders(gateway: Serving, status: str = "all") -> dict[str, Any]:
    reply = gateway.rest("token-acme").get(f"/sender-ids?status={status}")
    assert reply.status == 200
    return {sender["sender_id"]: sender for sender in reply.json["data"]}


def operator(gateway: Serving, *words: str) -> Any:
    return json.loads(gateway.command(*words, "--json"))


def test_a_sender_id_from_its_request_to_its_first_message(tmp_path: Path) -> None:
    gateway = Serving(tmp_path, LISTEN + ACCOUNT + CARRIER)
    rest = gateway.rest("token-acme")
    with gateway.serve(), gateway.simulate():
        made = rest.post("/sender-ids", {"sender_id": "SHOP"})
        assert made.status == 201
        id = made.json["data"]["id"]
        assert rest.post("/sms/send", TEXT | {"sender_id": "SHOP"}).status == 422
        facts = operator(gateway, "sender", "approve", "acme", "SHOP")
        assert (facts["state"], facts["may_send"]) == ("approved", False)
        assert rest.post("/sms/send", TEXT | {"sender_id": "SHOP"}).status == 422
        assert rest.request("PATCH", f"/sender-ids/{id}/default").status == 422
        operator(gateway, "sender", "verify", "acme", "SHOP", "--reason", "registered")
        assert rest.request("PATCH", f"/sender-ids/{id}/default").status == 200
        assert rest.post("/sms/send", TEXT).status == 201  # the default
        [entry] = gateway.received("+37129000007")
        assert entry["from"] == "SHOP"
    with gateway.serve():
        found = senders(gateway)
        assert {name: (s["is_default"], s["message_count"]) for name, s in found.items()} == {
            "ACME": (False, 0), "SHOP": (True, 1),
        }  # fmt: skip
        assert found["SHOP"]["id"] == id
        assert rest.request("DELETE", f"/sender-ids/{id}").status == 422
        assert rest.request("DELETE", f"/sender-ids/{found['ACME']['id']}").status == 422
        new = rest.post("/sender-ids", {"sender_id": "UNUSED"}).json["data"]["id"]
        assert rest.request("DELETE", f"/sender-ids/{new}").status == 200
        facts = operator(gateway, "sender", "refuse", "acme", "SHOP", "--reason", "not ours")
        assert facts["may_send"] is False
        assert senders(gateway, "rejected")["SHOP"]["rejection_reason"] == "not ours"
        assert list(senders(gateway, "verified")) == ["ACME"]
        assert senders(gateway)["ACME"]["is_default"] is True
        assert rest.post("/sms/send", TEXT | {"sender_id": "SHOP"}).status == 422


def test_blocked_recipients_and_repeats_over_a_restart(tmp_path: Path) -> None:
    gateway = Serving(tmp_path, LISTEN + ACCOUNT + CARRIER)
    rest = gateway.rest("token-acme")
    key = {"Idempotency-Key": "order-17"}
    with gateway.serve() as daemon:
        first = rest.post("/sms/send", TEXT, key)
        assert first.status == 201
        numbers = gateway.directory / "numbers.txt"
        numbers.write_text("# complaints\n+371 29 000 008\n\n0037129000009 # twice\n37129000009\n")
        facts = operator(gateway, "block", "add", "--file", str(numbers))
        assert facts == {"account": None, "numbers": 3, "changed": 2, "invalid": []}
        daemon.kill()
    with gateway.serve():
        again = rest.post("/sms/send", TEXT, key)
        assert (again.status, again.octets) == (first.status, first.octets)
        assert rest.post("/sms/send", TEXT | {"message": "Ho"}, key).status == 422
        spaced = rest.post("/sms/send", json.dumps(TEXT, indent=1).encode(), key)
        assert spaced.status == 422  # octet for octet: a blank more is another body
        blocked = rest.post("/sms/send", TEXT | {"recipient": "+37129000009"})
        assert blocked.status == 422
        assert blocked.json["errors"] == {"recipient": ["The recipient is blocked."]}
        many = rest.post(
            "/sms/send-bulk",
            {"recipients": ["+37129000008", "+37129000010"], "message": "Hi"},
        )
        assert many.json["data"]["invalid_recipients"] == ["+37129000008"]
        listed = operator(gateway, "block", "list")["entries"]
        assert [entry["number"] for entry in listed] == ["+37129000008", "+37129000009"]
        operator(gateway, "block", "remove", "+37129000009")
        assert rest.post("/sms/send", TEXT | {"recipient": "+37129000009"}).status == 201
        assert gateway.balance("token-acme") == round(10 - 3 * 0.035, 6)

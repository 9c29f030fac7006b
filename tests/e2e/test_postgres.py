"""`postern serve` on PostgreSQL: the same promises, through a kill -9 and a second daemon."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.smpp.constants import CommandId
from tests.support.databases import postgres_server
from tests.support.processes import PosternProcess
from tests.support.serving import CARRIER, LISTEN, Serving

ACCOUNT = """
[[account]]
name = "acme"
credit = "100"
requests_per_min = 0
senders = ["ACME"]
  [[account.token]]
  secret = "token-acme"
  [[account.smpp]]
  system_id = "acme"
  password = "secret"
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Serving]:
    with postgres_server() as server:
        url = server.url(asyncio.run(server.new_database()))
        store = f'[store]\nurl = "{url}"\n'
        yield Serving(tmp_path, LISTEN + store + ACCOUNT + CARRIER)


def test_kill_9_loses_nothing_and_a_second_daemon_is_refused(gateway: Serving) -> None:
    count = 200
    body = {"recipient": "+37129000007", "message": "x" * 161}
    key = {"Idempotency-Key": "order-1"}
    with gateway.serve() as daemon, gateway.esme("acme") as esme:
        first = esme.next_sequence()
        esme.send(
            b"".join(
                esme.submit_sm(first + n, "37129000017", b"message %d" % n, sender="ACME")
                for n in range(count)
            )
        )
        answers = [esme.read() for _ in range(count)]
        assert {pdu and (pdu.command_id, pdu.command_status) for pdu in answers} == {
            (CommandId.SUBMIT_SM_RESP, 0)
        }
        sent = gateway.rest("token-acme").post("/sms/send", body, key)
        assert sent.json["data"]["balance_remaining"] == 92.93
        (gateway.directory / "second").mkdir()
        with PosternProcess(gateway.directory / "second", "serve", "-c", gateway.file) as second:
            assert second.wait(30) == 1
        assert "in use" in second.errors
        daemon.kill()
    with gateway.serve(), gateway.simulate():
        again = gateway.rest("token-acme").post("/sms/send", body, key)
        assert again.octets == sent.octets
        texts = {entry["text"] for entry in gateway.received("+37129000017", count)}
        assert texts == {f"message {n}" for n in range(count)}
        lines = json.loads(gateway.command("account", "statement", "acme", "--json"))["lines"]
        assert round(sum(float(line["amount"]) for line in lines), 6) == 92.93
        assert gateway.balance("token-acme") == 92.93

"""`postern serve` with a configuration of its own: limits, carriers that are away, kill -9."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.smpp.codec import decode_message_id
from protocols.smpp.constants import CommandId, CommandStatus
from tests.support.processes import STOP_S, PosternProcess, until
from tests.support.rest_client import RestClient
from tests.support.serving import CARRIER, LISTEN, Serving
from tests.support.smpp_customer import SmppCustomer

ACCOUNTS = """
[[account]]
name = "rich"
credit = "100"
senders = ["*"]
  [[account.token]]
  secret = "token-rich"
  [[account.smpp]]
  system_id = "rich"
  password = "secret"
  max_binds = 2

[[account]]
name = "poor"
credit = "0.05"
requests_per_min = 0
senders = ["POOR"]
  [[account.token]]
  secret = "token-poor"
  [[account.smpp]]
  system_id = "poor"
  password = "secret"

[[account]]
name = "hasty"
credit = "100"
requests_per_min = 3
senders = ["HASTY"]
  [[account.token]]
  secret = "token-hasty"
  [[account.smpp]]
  system_id = "hasty"
  password = "secret"
  rate = 5
"""
CONFIGURATION = LISTEN + ACCOUNTS + CARRIER


@pytest.fixture(scope="module")
def carrierless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A gateway whose carrier is away: what is accepted stays queued."""
    gateway = Serving(tmp_path_factory.mktemp("carrierless"), CONFIGURATION)
    with gateway.serve():
        yield gateway


def balance(rest: RestClient) -> float:
    value: float = rest.get("/balance").json["data"]["balance"]
    return value


def test_what_cannot_be_paid_is_refused_whole(carrierless: Serving) -> None:
    rest = carrierless.rest("token-poor")
    body = {"recipient": "+37124000007", "message": "x" * 161, "sender_id": "POOR"}
    reply = rest.post("/sms/send", body)
    assert reply.status == 402
    assert reply.json == {"success": False, "message": "Insufficient credits."}
    bulk = {"recipients": ["+37124000007", "+37124000008"], "message": "x", "sender_id": "POOR"}
    assert rest.post("/sms/send-bulk", bulk).status == 402
    with carrierless.esme("poor") as esme:
        status, _ = esme.submit("37124000007", b"x" * 161, sender="POOR")
        assert status == CommandStatus.RSUBMITFAIL
    assert balance(rest) == 0.05
    # One part can be paid, a second one cannot.
    assert rest.post("/sms/send", {**body, "message": "x"}).status == 201
    assert rest.post("/sms/send", {**body, "message": "x"}).status == 402
    assert balance(rest) == 0.015


def test_requests_over_the_limit_get_429_until_the_reset(carrierless: Serving) -> None:
    rest = carrierless.rest("token-hasty")
    replies = [rest.get("/balance") for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    remaining = [reply.headers["X-RateLimit-Remaining"] for reply in replies]
    assert remaining == ["2", "1", "0", "0"]
    refused = replies[-1]
    assert refused.json == {"message": "Too Many Attempts."}
    assert refused.headers["X-RateLimit-Limit"] == "3"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert int(refused.headers["X-RateLimit-Reset"]) > 1_700_000_000
    # Another account has its own allowance.
    assert carrierless.rest("token-rich").get("/balance").status == 200


def test_submits_over_the_rate_are_throttled(carrierless: Serving) -> None:
    with carrierless.esme("hasty") as esme:
        statuses = []
        # One second's burst, then the rate: faster than it whatever this machine does meanwhile.
        first, count = esme.next_sequence(), 50
        esme.send(
            b"".join(
                esme.submit_sm(first + number, "37124000017", b"x", sender="HASTY")
                for number in range(count)
            )
        )
        while len(statuses) < count:
            pdu = esme.read()
            assert pdu is not None
            if pdu.command_id == CommandId.SUBMIT_SM_RESP:
                statuses.append(pdu.command_status)
    assert set(statuses) == {0, CommandStatus.RTHROTTLED}
    assert statuses.count(0) >= 5


def test_binds_over_the_cap_are_refused(carrierless: Serving) -> None:
    with (
        carrierless.esme("rich"),
        carrierless.esme("rich"),
        SmppCustomer("127.0.0.1", carrierless.ports["smpp"]) as third,
    ):
        assert third.bind("rich", "secret") == CommandStatus.RBINDFAIL

    def has_room() -> bool:
        with SmppCustomer("127.0.0.1", carrierless.ports["smpp"]) as esme:
            return esme.bind("rich", "secret") == 0

    until("room for a bind after the others left", has_room)


def test_messages_wait_for_the_carrier_and_receipts_for_the_customer(tmp_path: Path) -> None:
    gateway = Serving(tmp_path, CONFIGURATION)
    with gateway.serve():
        with gateway.esme("rich", CommandId.BIND_TRANSMITTER) as esme:
            status, message_id = esme.submit("37124000027", b"patience")
            assert status == 0
        reply = gateway.rest("token-rich").post(
            "/sms/send", {"recipient": "+37124000028", "message": "too", "sender_id": "RICH"}
        )
        assert reply.status == 201
        with gateway.simulate():
            received = gateway.received("", 2)
            assert sorted(entry["text"] for entry in received) == ["patience", "too"]
            assert gateway.fate(message_id)
            with gateway.esme("rich", CommandId.BIND_RECEIVER) as receiver:
                assert b" stat:DELIVRD " in receiver.receipt(message_id).short_message


def test_receipts_survive_a_restart(tmp_path: Path) -> None:
    gateway = Serving(tmp_path, CONFIGURATION)
    with gateway.simulate():
        with gateway.serve() as daemon:
            with gateway.esme("rich", CommandId.BIND_TRANSMITTER) as esme:
                _, message_id = esme.submit("37124000037", b"gone")
            assert gateway.fate(message_id)
            daemon.kill()
        with gateway.serve(), gateway.esme("rich", CommandId.BIND_RECEIVER) as receiver:
            assert b" stat:DELIVRD " in receiver.receipt(message_id).short_message


def test_kill_9_under_load_loses_no_acknowledged_message(tmp_path: Path) -> None:
    gateway = Serving(tmp_path, CONFIGURATION)
    acknowledged: set[str] = set()
    with gateway.serve() as daemon, gateway.esme("rich") as esme:
        first, count = esme.next_sequence(), 500
        pdus = [
            esme.submit_sm(first + number, "37124000047", b"message %d" % number)
            for number in range(count)
        ]
        esme.send(b"".join(pdus[:100]))
        while len(acknowledged) < 100:
            pdu = esme.read()
            assert pdu is not None
            assert pdu.command_status == 0
            acknowledged.add(f"message {pdu.sequence_number - first}")
        esme.send(b"".join(pdus[100:]))
        daemon.kill()
        acknowledged |= late_answers(esme, first)
    with gateway.serve(), gateway.simulate():
        # Every message on disk was paid for, answered or not, and leaves once: the carrier was away
        # until now, so none of them can have been sent before.
        paid = round((100 - balance(gateway.rest("token-rich"))) / 0.035)
        received = [entry["text"] for entry in gateway.received("", paid)]
        assert len(received) == len(set(received)) == paid
        assert acknowledged <= set(received)


def late_answers(esme: SmppCustomer, first: int) -> set[str]:
    """Texts of the messages whose answers were on the way when the daemon died."""
    found = set()
    try:
        while (pdu := esme.read()) is not None:
            if pdu.command_id == CommandId.SUBMIT_SM_RESP and decode_message_id(pdu.body):
                found.add(f"message {pdu.sequence_number - first}")
    except ConnectionResetError:
        pass
    return found


def test_a_second_daemon_on_the_same_store_is_refused(carrierless: Serving) -> None:
    arguments = ("serve", "-c", carrierless.file)
    (carrierless.directory / "second").mkdir()
    with PosternProcess(carrierless.directory / "second", *arguments) as second:
        assert second.wait(30) == 1
    assert "in use" in second.errors
    assert "Traceback" not in second.errors


def test_nobody_who_does_not_answer_delays_the_stop(tmp_path: Path) -> None:
    gateway = Serving(tmp_path, CONFIGURATION.replace("deadline_s = 2", "deadline_s = 4"))
    with gateway.serve() as daemon, gateway.simulate("--never-answer"):
        with (
            gateway.esme("rich") as esme,
            socket.create_connection(("127.0.0.1", gateway.ports["http"])) as half_sent,
        ):
            assert esme.submit("37124000057", b"never answered")[0] == 0
            gateway.received("")
            half_sent.sendall(
                b"POST /api/v1/sms/send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-rich\r\n"
                b"Content-Length: 500\r\n\r\n{"
            )
            # It drains for 4 s; those who stay silent after that cost it one more, all together.
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(STOP_S) == 0
        assert '"daemon.stopped"' in daemon.errors

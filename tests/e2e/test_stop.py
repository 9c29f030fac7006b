"""SIGTERM and SIGINT: nothing is lost, nothing doubled, and nobody who is silent holds it up."""

import asyncio
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from postern.simulator.behaviour import Behaviour
from protocols.smpp.constants import CommandId, CommandStatus
from tests.support.databases import PostgresServer, postgres_server
from tests.support.processes import STOP_S, PosternProcess, accepts, until
from tests.support.serving import CARRIER, LISTEN, Serving
from tests.support.smpp_customer import SmppCustomer
from tests.support.smpp_load import RECIPIENT, SmppLoad
from tests.support.smsc_thread import SmscThread

pytestmark = pytest.mark.slow

ACCOUNT = """
[[account]]
name = "customer"
credit = "1000"
requests_per_min = 0
senders = ["*"]
  [[account.token]]
  secret = "token"
  [[account.smpp]]
  system_id = "customer"
  password = "secret"
"""
DEADLINE_S = 3
CONFIGURATION = LISTEN.replace("deadline_s = 2", f"deadline_s = {DEADLINE_S}") + ACCOUNT + CARRIER
# What a stop may take on a busy machine: far more than it does, far less than the waits it must cut.
LIMIT_S = 20.0
SILENT = Behaviour(silence_every=1)


def rest_body(text: str) -> dict[str, str]:
    return {"recipient": f"+{RECIPIENT}", "message": text, "sender_id": "REST"}


def log_has(daemon: PosternProcess, event: str) -> bool:
    return f'"{event}"' in daemon.errors


def receipt_ids(*customers: SmppCustomer) -> list[str]:
    return [
        sm.short_message.split(b" ")[0].decode().removeprefix("id:")
        for customer in customers
        for sm in customer.delivered
    ]


# --- clean --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("unknown", ["resend", "hold"])
def test_a_stop_under_load_loses_nothing_and_doubles_nothing(
    tmp_path: Path, number: int, unknown: str
) -> None:
    keys = f'unknown = "{unknown}"\nwindow = 200\n'
    gateway = Serving(tmp_path, CONFIGURATION.replace("[[route]]", keys + "[[route]]"))
    slow = Behaviour(answer_delay_s=0.2, receipt_delay_s=(0.0, 0.5))
    with SmscThread(gateway.ports["carrier"], behaviour=slow) as smsc:
        with gateway.serve() as daemon, gateway.esme("customer") as first:
            with SmppLoad(first, "smpp", window=50) as load:
                until("traffic", lambda: len(load.accepted) > 500 and first.delivered)
                daemon.send_signal(number)
                assert daemon.wait(LIMIT_S) == 0
                load.stop()
            assert log_has(daemon, "daemon.stopped")
            assert set(load.refused.values()) <= {CommandStatus.RSYSERR, CommandStatus.RINVBNDSTS}
        assert not smsc.bound()
        with gateway.serve(), gateway.esme("customer") as second:
            until("what waited", lambda: len(smsc.texts()) >= len(load.texts), timeout_s=20.0)
            assert sorted(smsc.texts()) == sorted(load.texts)
            missing = set(load.accepted.values()) - set(receipt_ids(first))
            for message_id in missing:
                second.receipt(message_id)
        assert sorted(receipt_ids(first, second)) == sorted(load.accepted.values())


@contextmanager
def draining(
    tmp_path: Path, configuration: str = CONFIGURATION
) -> Iterator[tuple[Serving, PosternProcess]]:
    """A gateway that has a message at a carrier which never answers, for SIGTERM."""
    gateway = Serving(tmp_path, configuration)
    with (
        SmscThread(gateway.ports["carrier"], behaviour=SILENT) as smsc,
        gateway.serve() as daemon,
    ):
        assert gateway.rest("token").post("/sms/send", rest_body("in doubt")).status == 201
        until("the message at the carrier", smsc.texts)
        yield gateway, daemon


def test_what_a_gateway_says_while_it_drains(tmp_path: Path) -> None:
    with (
        draining(tmp_path) as (gateway, daemon),
        gateway.esme("customer") as bound,
        socket.create_connection(("127.0.0.1", gateway.ports["http"])) as kept,
    ):
        daemon.send_signal(signal.SIGTERM)
        until("the stop", lambda: log_has(daemon, "daemon.stopping"))
        assert gateway.admin().get("/readyz").status == 503
        assert gateway.admin().get("/healthz").status == 200
        refused = gateway.rest("token").post("/sms/send", rest_body("late"))
        assert (refused.status, refused.headers["Connection"]) == (503, "close")
        balance = gateway.rest("token").get("/balance")
        assert (balance.status, balance.headers["Connection"]) == (200, "close")
        kept.sendall(b"GET /api/v1/balance HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"Connection: close" in kept.recv(65_536)
        assert bound.submit(RECIPIENT, b"late")[0] == CommandStatus.RSYSERR
        assert not accepts(gateway.ports["smpp"])
        daemon.send_signal(signal.SIGHUP)
        daemon.until("the answer to SIGHUP", lambda: log_has(daemon, "reload.refused"))
        assert "the gateway is stopping" in daemon.errors
        assert daemon.wait(LIMIT_S) == 0


# --- whoever does not answer --------------------------------------------------------------------


def test_a_silent_carrier_is_waited_for_to_the_deadline(tmp_path: Path) -> None:
    with draining(tmp_path) as (gateway, daemon):
        assert daemon.stop(signal.SIGTERM) == 0
        assert log_has(daemon, "daemon.stopped")
    # In doubt, so it goes again: it was not acknowledged by the carrier.
    with SmscThread(gateway.ports["carrier"]) as smsc, gateway.serve():
        until("the message again", smsc.texts)
        assert smsc.texts() == ["in doubt"]


HTTP_CARRIER = """
[[provider]]
name = "web"
wire = "http"
url = "http://127.0.0.1:{carrier}/send"
fields = { to = "{to}" }
[[route]]
providers = ["web"]
[[rate]]
price = "0.035"
"""


def test_an_http_carrier_that_hangs_is_given_up(tmp_path: Path) -> None:
    gateway = Serving(tmp_path, CONFIGURATION.replace(CARRIER, HTTP_CARRIER))
    with socket.create_server(("127.0.0.1", gateway.ports["carrier"])) as hanging:
        hanging.settimeout(LIMIT_S)
        with gateway.serve() as daemon:
            assert gateway.rest("token").post("/sms/send", rest_body("x")).status == 201
            connection, _ = hanging.accept()
            with connection:
                assert connection.recv(65_536).startswith(b"POST /send")
                daemon.send_signal(signal.SIGTERM)
                assert daemon.wait(LIMIT_S) == 0


WEBHOOK = """
  [[account.webhook]]
  url = "http://127.0.0.1:{inbox}/hook"
  secret = "hook"
[callbacks]
allow_private = true
"""


def test_a_webhook_that_hangs_is_given_up_and_told_again(tmp_path: Path) -> None:
    configuration = CONFIGURATION.replace(CARRIER, WEBHOOK + CARRIER)
    gateway = Serving(tmp_path, configuration)

    def delivery(hanging: socket.socket) -> bytes:
        connection, _ = hanging.accept()
        with connection:
            return connection.recv(65_536)

    with (
        SmscThread(gateway.ports["carrier"], behaviour=Behaviour(receipt_delay_s=(0.0, 0.0))),
        socket.create_server(("127.0.0.1", gateway.ports["inbox"])) as hanging,
    ):
        hanging.settimeout(LIMIT_S)
        with gateway.serve() as daemon:
            assert gateway.rest("token").post("/sms/send", rest_body("x")).status == 201
            connection, _ = hanging.accept()
            with connection:
                first = connection.recv(65_536)
                daemon.send_signal(signal.SIGTERM)
                assert daemon.wait(LIMIT_S) == 0
        with gateway.serve():
            again = delivery(hanging)
    assert delivery_id(first) == delivery_id(again)


def delivery_id(request: bytes) -> bytes:
    return next(line for line in request.split(b"\r\n") if line.startswith(b"Postern-Delivery"))


def test_customers_that_do_not_read_are_hung_up_on(tmp_path: Path) -> None:
    gateway = Serving(tmp_path, CONFIGURATION)
    with (
        SmscThread(gateway.ports["carrier"]),
        gateway.serve() as daemon,
        gateway.esme("customer") as deaf,
        socket.create_connection(("127.0.0.1", gateway.ports["http"])) as half_sent,
        ExitStack() as strangers,
    ):
        for _ in range(3):
            strangers.enter_context(socket.create_connection(("127.0.0.1", gateway.ports["smpp"])))
        for sequence in range(1000):
            deaf.send(deaf.submit_sm(sequence + 10, RECIPIENT, b"unread"))
        half_sent.sendall(
            b"POST /api/v1/sms/send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\n"
            b"Content-Length: 500\r\n\r\n{"
        )
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(LIMIT_S) == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    patient = CONFIGURATION.replace(f"deadline_s = {DEADLINE_S}", "deadline_s = 600")
    with draining(tmp_path, patient) as (gateway, daemon):
        daemon.send_signal(signal.SIGTERM)
        until("the stop", lambda: log_has(daemon, "daemon.stopping"))
        daemon.send_signal(signal.SIGINT)
        assert daemon.wait(STOP_S) == 1
        assert log_has(daemon, "daemon.stopped_at_once")
    with SmscThread(gateway.ports["carrier"]) as smsc, gateway.serve():
        until("the message again", smsc.texts)


# --- the store is away --------------------------------------------------------------------------


class Outage(NamedTuple):
    """A store that can be taken away for a while."""

    configuration: str  # `[store]`
    lasting: Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=["sqlite", "postgresql"])
def outage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outage]:
    if request.param == "sqlite":
        yield Outage("", lambda: locked(tmp_path / "postern.db"))
    else:
        with postgres_server() as server:
            url = server.url(asyncio.run(server.new_database()))
            yield Outage(f'[store]\nurl = "{url}"\n', lambda: gone(server))


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Somebody else holds the database: nothing can be written."""
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.close()


@contextmanager
def gone(server: PostgresServer) -> Iterator[None]:
    server.crash()
    try:
        yield
    finally:
        server.start()


def test_a_stop_without_a_store_says_what_it_leaves_and_loses_nothing(
    tmp_path: Path, outage: Outage
) -> None:
    gateway = Serving(tmp_path, CONFIGURATION + outage.configuration)
    slow = Behaviour(answer_delay_s=1.0, receipt_delay_s=(0.0, 0.0))
    with SmscThread(gateway.ports["carrier"], behaviour=slow) as smsc:
        with gateway.serve() as daemon, gateway.esme("customer") as customer:
            assert customer.submit(RECIPIENT, b"accepted")[0] == 0
            until("the message at the carrier", smsc.texts)
            with outage.lasting():
                sequence = customer.next_sequence()
                customer.send(customer.submit_sm(sequence, RECIPIENT, b"not accepted"))
                daemon.send_signal(signal.SIGTERM)
                assert daemon.wait(LIMIT_S) == 1
            assert log_has(daemon, "daemon.stopped_unwritten")
            assert not log_has(daemon, "daemon.stopped")
            assert "the store took no more writes" in daemon.errors
            assert "\nTraceback" not in daemon.errors
            assert CommandStatus.ROK not in late_answers(customer, sequence)
        assert not customer.delivered
        with gateway.serve(), gateway.esme("customer") as again:
            # Its receipt was not acknowledged, so the carrier tells it once more.
            until("the receipt", lambda: again.delivered or again.read())
        assert set(smsc.texts()) == {"accepted"}


def late_answers(customer: SmppCustomer, sequence: int) -> list[int]:
    """What the gateway said to a message before it ended."""
    found = []
    try:
        while (pdu := customer.read()) is not None:
            if pdu.command_id == CommandId.SUBMIT_SM_RESP and pdu.sequence_number == sequence:
                found.append(pdu.command_status)
    except ConnectionError:
        pass
    return found


def test_a_reload_without_a_store_keeps_what_there_was(tmp_path: Path, outage: Outage) -> None:
    gateway = Serving(tmp_path, CONFIGURATION + outage.configuration)
    changed = CONFIGURATION.replace('senders = ["*"]', 'senders = ["OTHER"]\nregion = "LV"')
    changed += outage.configuration
    with (
        SmscThread(gateway.ports["carrier"]) as smsc,
        gateway.serve() as daemon,
        gateway.esme("customer") as customer,
    ):
        until("the bind at the carrier", smsc.bound)
        binds = smsc.bound()
        with outage.lasting():
            logged = gateway.reload(daemon, changed)
        refusal = next(line for line in logged if '"reload.refused"' in line)
        assert str(gateway.file) in refusal
        until("the store", lambda: customer.submit(RECIPIENT, b"x", sender="ANY")[0] == 0)
        until("the reload", lambda: gateway.reload(daemon, changed)[-1].count("reload.applied"))
        status = customer.submit(RECIPIENT, b"x", sender="ANY")[0]
        assert status == CommandStatus.RINVSRCADR
        assert smsc.bound() == binds

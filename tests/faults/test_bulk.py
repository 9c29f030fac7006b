"""kill -9 while a bulk is taken in and while it is fed: charged once or not at all, sent all the same."""

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.store.snapshot import snapshot
from postern.simulator.behaviour import Behaviour
from tests.support.bulk_audit import bulk_faults
from tests.support.databases import PostgresServer, postgres_server
from tests.support.processes import PosternProcess, until
from tests.support.rest_client import RestClient
from tests.support.serving import LISTEN, Serving
from tests.support.smsc_thread import SmscThread

pytestmark = pytest.mark.slow

COUNT = 4_000
KILLS = 4
PRICE = 35_000
CONFIGURATION = (
    LISTEN
    + """
[store]
url = "{store}"
[[account]]
name = "bulky"
credit = "100000"
requests_per_min = 0
senders = ["ACME"]
  [[account.token]]
  secret = "token-bulky"
[[provider]]
name = "carrier"
wire = "smpp"
host = "127.0.0.1"
port = {carrier}
system_id = "gw"
password = "secret"
window = {window}
[[route]]
providers = ["carrier"]
[[rate]]
price = "0.035"
"""
)
WINDOW = 50
CARRIER = Behaviour(answer_delay_s=0.02, receipt_delay_s=(0.0, 0.05))


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'postern.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(asyncio.run(server.new_database()))


class Gateway(Serving):
    """A daemon with one account, and looks into its rows."""

    def __init__(self, directory: Path, store: str) -> None:
        super().__init__(
            directory, CONFIGURATION.replace("{store}", store).replace("{window}", str(WINDOW))
        )
        self._store = store

    def rows(self, sql: str) -> list[Any]:
        async def read() -> list[Any]:
            async with snapshot(self._store) as fetch:
                return await fetch(sql)

        return asyncio.run(read())

    def faults(self) -> list[str]:
        async def read() -> list[str]:
            async with snapshot(self._store) as fetch:
                return await bulk_faults(fetch)

        return asyncio.run(read())

    def count(self, sql: str) -> int:
        [(found,)] = self.rows(f"SELECT count(*) FROM {sql}")  # noqa: S608 - names of the test
        return int(found)

    def spent(self) -> int:
        [(opening, balance, held)] = self.rows(
            "SELECT opening_micros, balance_micros, held_micros FROM account"
        )
        assert held == 0
        return int(opening - balance)

    def send(self, recipients: list[str]) -> str:
        """The id of a bulk that was accepted."""
        client = RestClient(f"http://127.0.0.1:{self.ports['http']}/api/v2")
        body = {"sender": "ACME", "content": "hello", "msisdns": recipients}
        reply = client.post("/sms/send", body, {"x-api-key": "token-bulky"})
        assert reply.status == 200, reply
        uuid: str = reply.json["uuid"]
        return uuid

    def begin_sending(self, recipients: list[str], whole: int) -> socket.socket:
        """A request of which these recipients have left, of `whole`."""
        head, tail = '{"sender":"ACME","content":"hello","msisdns":[', "]}"
        octets = len(head) + len(tail) + whole * len('"41790000000",') - 1
        connection = socket.create_connection(("127.0.0.1", self.ports["http"]), timeout=10.0)
        connection.sendall(
            f"POST /api/v2/sms/send HTTP/1.1\r\nHost: x\r\nx-api-key: token-bulky\r\n"
            f"Content-Type: application/json\r\nContent-Length: {octets}\r\n\r\n{head}".encode()
        )
        connection.sendall("".join(f'"{number}",' for number in recipients).encode())
        return connection

    def on_disk(self) -> int:
        return self.count("bulk_recipient")

    def is_clean(self) -> bool:
        return not self.on_disk() and not self.count("bulk")


def numbers(count: int) -> list[str]:
    """None of them ends like one that the carrier treats otherwise."""
    return [f"41790{n // 5_000:02d}{n % 5_000 + 1_000:04d}" for n in range(count)]


@pytest.fixture
def gateway(tmp_path: Path, store: str) -> Gateway:
    return Gateway(tmp_path, store)


def test_a_gateway_that_dies_during_the_intake_charges_nothing(gateway: Gateway) -> None:
    daemon = gateway.serve()
    sending = gateway.begin_sending(numbers(30_000), whole=60_000)
    until("recipients on disk", lambda: gateway.on_disk() >= 10_000)
    daemon.kill()
    sending.close()
    assert gateway.on_disk() >= 10_000
    with gateway.serve():
        until("no trace of them", gateway.is_clean, timeout_s=20.0)
        assert gateway.spent() == 0
        assert gateway.faults() == []


def test_a_customer_that_leaves_in_the_middle_is_charged_nothing(gateway: Gateway) -> None:
    with gateway.serve():
        sending = gateway.begin_sending(numbers(30_000), whole=60_000)
        until("recipients on disk", lambda: gateway.on_disk() >= 10_000)
        sending.close()
        until("no trace of them", gateway.is_clean, timeout_s=20.0)
        assert gateway.spent() == 0
        assert gateway.faults() == []


def test_every_recipient_gets_it_however_often_the_gateway_dies(
    gateway: Gateway, store: str
) -> None:
    draw = random.Random(store)
    with SmscThread(gateway.ports["carrier"], behaviour=CARRIER) as smsc:
        daemon: PosternProcess = gateway.serve()
        gateway.send([*numbers(COUNT), "none"])
        for n in range(KILLS):
            at_least = COUNT * (n + 1) // (KILLS + 2)
            until("messages at the carrier", lambda least=at_least: len(smsc.entries()) >= least)
            until("a moment", lambda: draw.random() < 0.3, poll_s=0.005)
            daemon.kill()
            assert gateway.faults() == []
            daemon = gateway.serve()
        with daemon:
            until(
                "the end of all",
                lambda: gateway.rows("SELECT delivered FROM bulk") == [(COUNT,)],
                timeout_s=60.0,
            )
        arrived = Counter(entry["to"].removeprefix("+") for entry in smsc.entries())
    assert sorted(arrived) == numbers(COUNT)
    # What was on its way when it died, or answered too late to be on disk, may arrive twice.
    assert sum(arrived.values()) - COUNT <= KILLS * 4 * WINDOW
    assert gateway.faults() == []
    assert gateway.spent() == COUNT * PRICE
    log = daemon.errors.splitlines()
    assert not [line for line in log if json.loads(line).get("level") == "error"], log

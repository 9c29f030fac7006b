import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.domain.account import Account
from gateway.domain.keys import PublicIds
from protocols.http.app import build_app
from protocols.http.idempotency import IdempotentRequests
from protocols.http.limits import RequestLimits
from protocols.http.proxies import TrustedProxies
from protocols.mesms.server import MesmsDoor
from tests.support.clock import FakeClock
from tests.support.doors import FakeDirectory, FakeReader, FakeSenders
from tests.support.fake_bulks import FakeBulks

NOW_MS = 1_777_600_800_000  # 2026-05-01T09:00:00+07:00


class ShortIds(PublicIds):
    """Ids that can be read: the key at their end."""

    def __init__(self) -> None:
        pass

    def encode(self, kind: str, key: int) -> str:
        assert kind == "bulk"
        return f"2b1c8c5e-6a0e-8a0c-9a55-{key:012d}"

    def decode(self, kind: str, text: str) -> int | None:
        tail = text.rpartition("-")[2]
        return int(tail) if tail.isdecimal() and text == self.encode(kind, int(tail)) else None


class MesmsBench:
    """The door with fakes around it; `key-a` and `key-b` belong to two accounts."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW_MS)
        self.directory = FakeDirectory()
        self.senders = FakeSenders(self.clock)
        self.account = self._account(1, "Bulk")
        self.other_account = self._account(2, "Rival")
        self.credential = self.directory.add_token("key-a", self.account)
        self.other_credential = self.directory.add_token("key-b", self.other_account)
        self.reader = FakeReader()
        self.bulks = FakeBulks(self.reader, self.clock)
        self.limits = RequestLimits(self.clock)
        self.public_ids = ShortIds()
        door = MesmsDoor(
            self.directory,
            self.bulks,
            self.senders,
            IdempotentRequests(self.reader),
            self.limits,
            self.public_ids,
            self.clock,
            TrustedProxies(),
        )
        self.app = build_app([door], client_max_size=10_000)

    def _account(self, id: int, name: str) -> Account:
        account = Account(id, name, "CREDIT")
        account.balance_micros = 1_000_000_000
        account.senders = {"MYBRAND"}
        self.senders.add(account, "MYBRAND")
        return account

    def client(self) -> TestClient[web.Request, web.Application]:
        """A client that sends `key-a` unless told otherwise."""
        return TestClient(TestServer(self.app), headers={"x-api-key": "key-a"})


@pytest.fixture
def bench() -> MesmsBench:
    return MesmsBench()

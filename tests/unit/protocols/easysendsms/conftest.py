from collections.abc import Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.domain.account import Account, Door
from gateway.domain.errors import Refusal
from gateway.domain.keys import PublicIds
from gateway.domain.lookup import (
    HlrRecord,
    LookupFailure,
    NumberKind,
    NumberRecord,
    Subscriber,
)
from protocols.easysendsms.server import EasySendDoor
from protocols.http.app import build_app
from protocols.http.idempotency import IdempotentRequests
from protocols.http.limits import RequestLimits
from protocols.http.proxies import TrustedProxies
from protocols.http.submissions import Submissions
from tests.support.clock import FakeClock
from tests.support.doors import FakeDirectory, FakeReader, FakeSubmitter, make_account

LANDLINE = HlrRecord(
    "12345678900", Subscriber.LIVE, "United States of America", "First Communications",
    NumberKind.FIXED, "", is_roaming=False, is_ported=True,
)  # fmt: skip
FIXED = NumberRecord(
    "12345678900", "United States of America", "US", "1", NumberKind.FIXED, mcc="310", mnc="316"
)


class FakeLookups:
    """`ports.Lookups` with the numbers of the vendor's examples; `result` replaces every answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Door, list[str]]] = []
        self.records = {LANDLINE.number: LANDLINE}
        self.facts = {FIXED.number: FIXED}
        self.result: Refusal | LookupFailure | None = None

    async def hlr(
        self, account: Account, door: Door, numbers: Sequence[str]
    ) -> Sequence[HlrRecord] | Refusal | LookupFailure:
        self.asked.append(("hlr", account.name, door, list(numbers)))
        if self.result is not None:
            return self.result
        unknown = Subscriber.UNSUPPORTED
        return [self.records.get(number) or HlrRecord(number, unknown) for number in numbers]

    async def nv(
        self, account: Account, door: Door, numbers: Sequence[str]
    ) -> Sequence[NumberRecord | None] | Refusal:
        self.asked.append(("nv", account.name, door, list(numbers)))
        if isinstance(self.result, Refusal):
            return self.result
        return [self.facts.get(number) for number in numbers]


class EasySendBench:
    """The door with fakes around it; `key-a` and `key-b` belong to two accounts."""

    def __init__(self, public_ids: PublicIds | None = None) -> None:
        self.clock = FakeClock()
        self.directory = FakeDirectory()
        self.account = make_account(1, "acme")
        self.account.senders = {"MYBRAND", "447400000001", "+447400000002"}
        self.other_account = make_account(2, "rival")
        self.credential = self.directory.add_token("key-a", self.account)
        self.directory.add_token("key-b", self.other_account)
        self.reader = FakeReader()
        self.submitter = FakeSubmitter(self.reader)
        self.limits = RequestLimits(self.clock)
        self.lookups = FakeLookups()
        self.public_ids = public_ids or PublicIds(b"secret of 16 octets or more")
        door = EasySendDoor(
            self.directory,
            Submissions(self.submitter, IdempotentRequests(self.reader), self.clock),
            self.reader,
            self.lookups,
            self.limits,
            self.public_ids,
            self.clock,
            TrustedProxies(["127.0.0.1"]),
        )
        self.app = build_app([door], client_max_size=100_000)

    def client(self, key: str | None = "key-a") -> TestClient[web.Request, web.Application]:
        """A client that sends `key-a` unless told otherwise."""
        headers = {} if key is None else {"apikey": key}
        return TestClient(TestServer(self.app), headers=headers)


@pytest.fixture
def bench() -> EasySendBench:
    return EasySendBench()

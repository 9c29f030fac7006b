import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.domain.keys import PublicIds
from protocols.exosend.server import ExoSendDoor
from protocols.http.app import build_app
from protocols.http.idempotency import IdempotentRequests
from protocols.http.limits import RequestLimits
from protocols.http.proxies import TrustedProxies
from protocols.http.submissions import Submissions
from tests.support.clock import FakeClock
from tests.support.doors import (
    FakeDirectory,
    FakeReader,
    FakeSenders,
    FakeSubmitter,
    make_account,
)


class ExoSendBench:
    """The door with fakes around it; `token-a` and `token-b` belong to two accounts."""

    def __init__(self, public_ids: PublicIds | None = None) -> None:
        self.clock = FakeClock()
        self.directory = FakeDirectory()
        self.account = make_account(1, "ExoClass")
        self.other_account = make_account(2, "Rival")
        self.credential = self.directory.add_token("token-a", self.account)
        self.directory.add_token("token-b", self.other_account)
        self.reader = FakeReader()
        self.submitter = FakeSubmitter(self.reader)
        self.senders = FakeSenders(self.clock)
        self.limits = RequestLimits(self.clock)
        self.public_ids = public_ids or PublicIds(b"secret of 16 octets or more")
        submissions = Submissions(self.submitter, IdempotentRequests(self.reader), self.clock)
        door = ExoSendDoor(
            self.directory,
            submissions,
            self.reader,
            self.senders,
            self.limits,
            self.public_ids,
            self.clock,
            TrustedProxies(),
        )
        self.app = build_app([door], client_max_size=100_000)

    def client(self) -> TestClient[web.Request, web.Application]:
        """A client that sends `token-a` unless told otherwise."""
        headers = {"Authorization": "Bearer token-a"}
        return TestClient(TestServer(self.app), headers=headers)


@pytest.fixture
def bench() -> ExoSendBench:
    return ExoSendBench()

"""The Exotel door with fakes around it; the SIDs `acme1` and `rival` belong to two accounts."""

from gateway.domain.keys import PublicIds
from protocols.exotel.elsewhere import elsewhere_doors
from protocols.exotel.server import ExotelDoor
from protocols.http.app import build_app
from protocols.http.guard import UrlGuard
from protocols.http.idempotency import IdempotentRequests
from protocols.http.limits import RequestLimits
from protocols.http.proxies import TrustedProxies
from protocols.http.submissions import Submissions
from tests.support.clock import FakeClock
from tests.support.doors import FakeDirectory, FakeReader, FakeSubmitter, make_account


class ExotelBench:
    """`app` serves it; the credentials of `acme1` are `key-a` and `token-a`."""

    def __init__(self, public_ids: PublicIds | None = None) -> None:
        self.clock = FakeClock()
        self.directory = FakeDirectory()
        self.account = make_account(1, "Acme")
        self.other_account = make_account(2, "Rival")
        self.credential = self.directory.add_key_pair("acme1", "key-a", "token-a", self.account)
        self.directory.add_key_pair("rival", "key-b", "token-b", self.other_account)
        self.reader = FakeReader()
        self.submitter = FakeSubmitter(self.reader)
        self.limits = RequestLimits(self.clock)
        self.public_ids = public_ids or PublicIds(b"secret of 16 octets or more")
        submissions = Submissions(self.submitter, IdempotentRequests(self.reader), self.clock)
        door = ExotelDoor(
            self.directory,
            submissions,
            self.reader,
            self.limits,
            self.public_ids,
            self.clock,
            TrustedProxies(),
            UrlGuard(),
        )
        self.app = build_app([door, *elsewhere_doors()], client_max_size=100_000)

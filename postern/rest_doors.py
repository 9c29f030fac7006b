"""The REST doors of the daemon, built from the heart: one function per vendor."""

from collections.abc import Sequence

from conf.settings import Settings
from postern.heart import Heart
from protocols.exosend.server import ExoSendDoor
from protocols.http.app import RestDoor
from protocols.http.idempotency import IdempotentRequests
from protocols.http.limits import RequestLimits
from protocols.http.proxies import TrustedProxies
from protocols.http.submissions import Submissions


def rest_doors(heart: Heart, settings: Settings) -> Sequence[RestDoor]:
    """Every vendor's door; they share what they have in common."""
    shared = _Shared(heart, settings)
    return [_exosend(shared)]


class _Shared:
    """What doors have in common: one window of requests per account, one memory of keys."""

    def __init__(self, heart: Heart, settings: Settings) -> None:
        self.heart = heart
        self.settings = settings
        self.idempotency = IdempotentRequests(heart.queries)
        self.submissions = Submissions(heart.admission, self.idempotency, heart.clock)
        self.limits = RequestLimits(heart.clock)
        self.proxies = TrustedProxies(settings.trusted_proxies)


def _exosend(shared: _Shared) -> RestDoor:
    heart = shared.heart
    return ExoSendDoor(
        heart.directory,
        shared.submissions,
        heart.queries,
        shared.limits,
        heart.public_ids,
        heart.clock,
        shared.proxies,
    )

"""The REST doors of the daemon, built from the heart: one function per vendor."""

from collections.abc import Sequence

from conf.settings import Settings
from postern.heart import Heart
from postern.lookups import lookups
from postern.report_urls import ReportUrls
from postern.wire_options import USER_AGENT
from protocols.easysendsms.server import EasySendDoor
from protocols.exosend.server import ExoSendDoor
from protocols.exotel.elsewhere import elsewhere_doors
from protocols.exotel.server import ExotelDoor
from protocols.http.app import RestDoor
from protocols.http.guard import UrlGuard
from protocols.http.idempotency import IdempotentRequests
from protocols.http.limits import RequestLimits
from protocols.http.proxies import TrustedProxies
from protocols.http.submissions import Submissions
from protocols.mesms.server import MesmsDoor


def rest_doors(heart: Heart, settings: Settings) -> Sequence[RestDoor]:
    """Every vendor's door; they share what they have in common."""
    shared = _Shared(heart, settings)
    return [
        _exosend(shared),
        _exotel(shared),
        _mesms(shared),
        _easysendsms(shared),
        *elsewhere_doors(),
    ]


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
        heart.senders,
        shared.limits,
        heart.public_ids,
        heart.clock,
        shared.proxies,
    )


def _exotel(shared: _Shared) -> RestDoor:
    heart = shared.heart
    return ExotelDoor(
        heart.directory,
        shared.submissions,
        heart.queries,
        shared.limits,
        heart.public_ids,
        heart.clock,
        shared.proxies,
        UrlGuard(allow_private=shared.settings.callbacks.allow_private),
    )


def _mesms(shared: _Shared) -> RestDoor:
    heart = shared.heart
    return MesmsDoor(
        heart.directory,
        heart.bulks,
        heart.senders,
        shared.idempotency,
        shared.limits,
        heart.public_ids,
        heart.clock,
        shared.proxies,
    )


def _easysendsms(shared: _Shared) -> RestDoor:
    heart, settings = shared.heart, shared.settings
    guard = UrlGuard(allow_private=settings.callbacks.allow_private)
    report_urls = ReportUrls(guard, heart.supervisor, USER_AGENT)
    report_urls.check(set(heart.directory.report_urls.values()))
    heart.directory.on_report_urls = report_urls.check
    return EasySendDoor(
        heart.directory,
        shared.submissions,
        heart.queries,
        lookups(heart, settings),
        shared.limits,
        heart.public_ids,
        heart.clock,
        shared.proxies,
    )

"""Paths of the vendor's other APIs, which are not served: an error in the vendor's form."""

from collections.abc import Sequence

from aiohttp import web

from protocols.exotel import faults
from protocols.exotel.faults import Fault
from protocols.exotel.server import respond_fault


class ElsewhereDoor:
    """`protocols.http.app.RestDoor` without routes: `fault` answers whatever is below `prefix`."""

    def __init__(self, prefix: str, fault: Fault) -> None:
        self.prefix = prefix
        self._fault = fault

    def routes(self) -> Sequence[web.RouteDef]:
        """None."""
        return ()

    def preflight(self, request: web.Request) -> web.Response:
        """As for any other method."""
        return respond_fault(request, self._fault)

    def fault(self, request: web.Request, status: int, allow: Sequence[str]) -> web.Response:
        """The one answer there is."""
        return respond_fault(request, self._fault)


def elsewhere_doors() -> list[ElsewhereDoor]:
    """A path without its Accounts segment (2.3), and version 2 (3: "not served")."""
    return [
        ElsewhereDoor("/v1", faults.UNSUPPORTED_VERSION),
        ElsewhereDoor("/v2", faults.NOT_FOUND),
    ]

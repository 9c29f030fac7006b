"""Bearer tokens: which credential, if any, a REST request carries (RFC 6750 2.1)."""

import logging

from aiohttp import web

from gateway.domain.account import Credential
from gateway.ports import Clock, Directory
from protocols.http.proxies import TrustedProxies, is_within, parse_networks

log = logging.getLogger("postern.http.auth")

SCOPE_SEND = "send"  # may submit messages
SCOPE_READ = "read"  # may read messages and the balance
REPORT_S = 1.0  # refused tokens are logged at most this often, with their count


class BearerAuth:
    """Checks the `Authorization` header for one door.

    What is refused is logged with the client's address as the trusted proxies tell it, so that an
    operator, or a tool that reads the log, can find who is guessing.
    """

    __slots__ = ("_clock", "_directory", "_door_name", "_proxies", "_refused", "_reported_at")

    def __init__(
        self, directory: Directory, door_name: str, proxies: TrustedProxies, clock: Clock
    ) -> None:
        self._directory = directory
        self._door_name = door_name
        self._proxies = proxies
        self._clock = clock
        self._refused = 0  # since the last report
        self._reported_at = clock.monotonic() - REPORT_S

    def credential(self, request: web.Request) -> Credential | None:
        """The credential of the request's token; None: missing, unknown or not for this door."""
        credential = self._credential(request)
        if credential is None:
            self._report(request)
        return credential

    def _credential(self, request: web.Request) -> Credential | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret or not secret.isascii():
            return None
        credential = self._directory.token(secret)
        if credential is None:
            return None
        if credential.door_names and self._door_name not in credential.door_names:
            return None
        if credential.ip_allow and not is_within(
            self._proxies.client_address(request), parse_networks(credential.ip_allow)
        ):
            return None
        return credential

    def _report(self, request: web.Request) -> None:
        self._refused += 1
        now = self._clock.monotonic()
        if now - self._reported_at < REPORT_S:
            return
        fields = {
            "door": self._door_name,
            "client": self._proxies.client_address(request),
            "refused": self._refused,
        }
        log.warning("token.refused", extra={"fields": fields})
        self._refused, self._reported_at = 0, now


def has_scope(credential: Credential, scope: str) -> bool:
    """Whether the credential may do what `scope` names; one without scopes may do everything."""
    return not credential.scopes or scope in credential.scopes

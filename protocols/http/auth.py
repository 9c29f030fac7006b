"""API tokens: which credential, if any, a REST request carries."""

import logging
from collections.abc import Callable

from aiohttp import web

from gateway.domain.account import Credential
from gateway.ports import Clock, Directory
from protocols.http.proxies import TrustedProxies, is_within, parse_networks

log = logging.getLogger("postern.http.auth")

SCOPE_SEND = "send"  # may submit messages
SCOPE_READ = "read"  # may read messages and the balance
REPORT_S = 1.0  # refused tokens are logged at most this often, with their count


class RefusedTokens:
    """Logs what one door refuses, with the client's address as the trusted proxies tell it.

    So an operator, or a tool that reads the log, can find who is guessing.
    """

    __slots__ = ("_clock", "_count", "_door_name", "_proxies", "_reported_at")

    def __init__(self, door_name: str, proxies: TrustedProxies, clock: Clock) -> None:
        self._door_name = door_name
        self._proxies = proxies
        self._clock = clock
        self._count = 0  # since the last line
        self._reported_at = clock.monotonic() - REPORT_S

    def note(self, request: web.Request) -> None:
        """Counts one more."""
        self._count += 1
        now = self._clock.monotonic()
        if now - self._reported_at < REPORT_S:
            return
        fields = {
            "door": self._door_name,
            "client": self._proxies.client_address(request),
            "refused": self._count,
        }
        log.warning("token.refused", extra={"fields": fields})
        self._count, self._reported_at = 0, now


class TokenAuth:
    """Checks the tokens of one door; `secret_of` finds a request's, "" = it has none.

    `with_suspended`: gives the credentials of suspended accounts too, for a door that tells them
    from what is unknown.  What is refused is logged: see `RefusedTokens`.
    """

    __slots__ = (
        "_directory", "_door_name", "_proxies", "_refused", "_secret_of", "_with_suspended",
    )  # fmt: skip

    def __init__(
        self,
        directory: Directory,
        door_name: str,
        proxies: TrustedProxies,
        clock: Clock,
        secret_of: Callable[[web.Request], str],
        *,
        with_suspended: bool = False,
    ) -> None:
        self._with_suspended = with_suspended
        self._secret_of = secret_of
        self._directory = directory
        self._door_name = door_name
        self._proxies = proxies
        self._refused = RefusedTokens(door_name, proxies, clock)

    def credential(self, request: web.Request) -> Credential | None:
        """The credential of the request's token; None: missing, unknown or not for this door."""
        credential = self._credential(request)
        if credential is None:
            self._refused.note(request)
        return credential

    def find(self, secret: str) -> Credential | None:
        """The credential of `secret`; None: unknown or not usable."""
        look_up = self._directory.any_token if self._with_suspended else self._directory.token
        credential = look_up(secret)
        return credential if credential is not None and credential.enabled else None

    def _credential(self, request: web.Request) -> Credential | None:
        secret = self._secret_of(request)
        if not secret or not secret.isascii():
            return None
        credential = self.find(secret)
        if credential is None:
            return None
        if credential.door_names and self._door_name not in credential.door_names:
            return None
        if credential.ip_allow and not is_within(
            self._proxies.client_address(request), parse_networks(credential.ip_allow)
        ):
            return None
        return credential


class BearerAuth(TokenAuth):
    """Tokens in the `Authorization` header (RFC 6750 2.1)."""

    __slots__ = ()

    def __init__(
        self,
        directory: Directory,
        door_name: str,
        proxies: TrustedProxies,
        clock: Clock,
        *,
        with_suspended: bool = False,
    ) -> None:
        super().__init__(
            directory, door_name, proxies, clock, _bearer_token, with_suspended=with_suspended
        )


def _bearer_token(request: web.Request) -> str:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def has_scope(credential: Credential, scope: str) -> bool:
    """Whether the credential may do what `scope` names; one without scopes may do everything."""
    return not credential.scopes or scope in credential.scopes

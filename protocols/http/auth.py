"""Bearer tokens: which credential, if any, a REST request carries (RFC 6750 2.1)."""

from aiohttp import web

from gateway.domain.account import Credential
from gateway.ports import Directory
from protocols.http.proxies import TrustedProxies, is_within, parse_networks

SCOPE_SEND = "send"  # may submit messages
SCOPE_READ = "read"  # may read messages and the balance


class BearerAuth:
    """Checks the `Authorization` header for one door."""

    __slots__ = ("_directory", "_door_name", "_proxies")

    def __init__(self, directory: Directory, door_name: str, proxies: TrustedProxies) -> None:
        self._directory = directory
        self._door_name = door_name
        self._proxies = proxies

    def credential(self, request: web.Request) -> Credential | None:
        """The credential of the request's token; None: missing, unknown or not for this door."""
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


def has_scope(credential: Credential, scope: str) -> bool:
    """Whether the credential may do what `scope` names; one without scopes may do everything."""
    return not credential.scopes or scope in credential.scopes

"""The `apikey` header (1): whose request it is, or which code refuses it.

Unlike other vendors, this one tells a key that is unknown from one that is out of use, so the
directory is asked for any token.
"""

from aiohttp import web

from gateway.domain.account import Credential
from gateway.ports import Clock, Directory
from protocols.easysendsms import errors
from protocols.http.auth import RefusedTokens
from protocols.http.proxies import TrustedProxies, is_within, parse_networks

HEADER = "apikey"


class KeyAuth:
    """Checks the keys of one door; what is refused is logged."""

    __slots__ = ("_directory", "_door_name", "_proxies", "_refused")

    def __init__(
        self, directory: Directory, door_name: str, proxies: TrustedProxies, clock: Clock
    ) -> None:
        self._directory = directory
        self._door_name = door_name
        self._proxies = proxies
        self._refused = RefusedTokens(door_name, proxies, clock)

    def credential(self, request: web.Request) -> Credential | int:
        """The usable credential of the request's key, or the code of 2.2."""
        found = self._credential(request)
        if not isinstance(found, Credential):
            self._refused.note(request)
        return found

    def _credential(self, request: web.Request) -> Credential | int:
        key = request.headers.get(HEADER, "").strip()
        if not key:
            return errors.NO_KEY
        credential = self._directory.any_token(key) if key.isascii() else None
        if credential is None:
            return errors.UNKNOWN_KEY
        if credential.door_names and self._door_name not in credential.door_names:
            return errors.UNKNOWN_KEY
        if credential.ip_allow and not is_within(
            self._proxies.client_address(request), parse_networks(credential.ip_allow)
        ):
            return errors.ADDRESS_REFUSED
        if not credential.enabled:
            return errors.KEY_DISABLED
        if not credential.account.enabled:
            return errors.ACCOUNT_DISABLED
        return credential

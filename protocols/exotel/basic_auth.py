"""API key and token as user name and password (RFC 7617)."""

import base64
import binascii

from aiohttp import web

from gateway.domain.account import Credential
from protocols.http.auth import TokenAuth


def basic_credentials(request: web.Request) -> str:
    """``key:token`` of the request's Authorization header; "" = it has none that can be read."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return ""


class BasicAuth(TokenAuth):
    """Pairs of key and token.  A pair whose account is disabled opens: the door says so itself."""

    __slots__ = ()

    def find(self, secret: str) -> Credential | None:
        """The credential of ``key:token``; None: unknown, wrong, or taken out of the account."""
        api_key, _, api_token = secret.partition(":")
        credential = self._directory.key_pair(api_key, api_token)
        if credential is None or (credential.account.enabled and not credential.enabled):
            return None
        return credential

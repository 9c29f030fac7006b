"""A blocking REST client on the standard library: no code of ours between the test and the wire."""

import json
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

TIMEOUT_S = 10.0


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    octets: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.octets)


class RestClient:
    """One customer of an API below `base_url`."""

    def __init__(self, base_url: str, token: str | None = None) -> None:
        self._base = urlsplit(base_url)
        self._token = token

    def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request on a connection of its own; `body` is JSON unless it is bytes."""
        sent = {"Accept": "application/json", **(headers or {})}
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = HTTPConnection(self._base.hostname or "", self._base.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, self._base.path + path, body, sent)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Reply:
        return self.request("POST", path, body, headers)


def get_json(url: str) -> Any:
    """The JSON behind a URL that answers 200."""
    parts = urlsplit(url)
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path
    reply = RestClient(base).get(f"{path}?{parts.query}" if parts.query else path)
    assert reply.status == 200, (url, reply)
    return reply.json

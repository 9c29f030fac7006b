"""The gateway as an HTTP client: one session per peer, every limit of its own.

It follows no redirect, keeps no cookie, uses no proxy of the environment, and never sends a request
twice.  Its two errors say what the caller must know: whether the request can have reached the peer.
"""

from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from yarl import URL

ANSWER_LIMIT = 64 * 1024  # octets read of an answer's body by default; the rest is dropped
CONNECT_TIMEOUT_S = 5.0
# Idle connections are given up before the peer's usual 5 s, so that a request seldom meets a close.
KEEPALIVE_S = 4.0


class NotSent(Exception):
    """No connection was made: the request cannot have reached the peer."""


class AnswerLost(Exception):
    """The request may have reached the peer, and no complete answer came.

    `timed_out`: the peer kept the connection and said nothing, or not all, in time.
    """

    timed_out = False


class HttpAnswer(NamedTuple):
    """An answer; `body` is at most the session's `answer_limit` octets of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class OutgoingSession:
    """Keep-alive connections to one peer or to many.

    `timeout_s` is for a whole exchange, connecting included.  `connector` replaces the plain one,
    for instance with a guarded one.  There are as many connections as exchanges at one time: the
    caller bounds those, so that none spends its time waiting for a connection.  The session opens
    at the first exchange; `close` is idempotent.
    """

    def __init__(
        self,
        user_agent: str,
        *,
        timeout_s: float,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        connector: aiohttp.BaseConnector | None = None,
        answer_limit: int = ANSWER_LIMIT,
    ) -> None:
        self._user_agent = user_agent
        self._answer_limit = answer_limit
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_s, connect=min(connect_timeout_s, timeout_s)
        )
        self._connector = connector
        self._session: aiohttp.ClientSession | None = None

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer:
        """Sends one request, `url` being encoded already, and reads its answer.

        Raises:
            NotSent: no connection within the connect timeout, or an address that cannot be used.
            AnswerLost: the connection broke, the time was over, or the answer was no HTTP.
        """
        session = self._session
        if session is None:
            session = self._session = self._open()
        try:
            address = URL(url, encoded=True)
        except ValueError as error:
            raise NotSent("the URL cannot be read") from error
        try:
            async with session.request(
                method, address, headers=headers, data=body, allow_redirects=False
            ) as response:
                body_read = await _read(response, self._answer_limit)
                return HttpAnswer(response.status, response.headers, body_read)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
        ) as error:
            raise NotSent(_reason(error)) from error
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            # uvloop reports some broken sockets as RuntimeError.
            lost = AnswerLost(_reason(error))
            lost.timed_out = isinstance(error, TimeoutError)
            raise lost from error

    async def close(self) -> None:
        """Closes all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        connector = self._connector or aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
        return aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            skip_auto_headers=["Content-Type"],
            middlewares=[_once],
        )


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keeps aiohttp from repeating a GET or PUT whose kept connection broke under it.

    The peer may have acted on the first one; whether to send again is not this room's to decide.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise AnswerLost(_reason(error)) from error


async def _read(response: ClientResponse, limit: int) -> bytes:
    chunks: list[bytes] = []
    left = limit
    async for chunk in response.content.iter_any():
        chunks.append(chunk[:left])
        left -= len(chunk)
        if left <= 0:
            response.close()
            break
    return b"".join(chunks)


def _reason(error: BaseException) -> str:
    """The innermost cause's class and text; never the URL, which may hold secrets."""
    while error.__cause__ is not None and not isinstance(error, TimeoutError):
        error = error.__cause__
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__

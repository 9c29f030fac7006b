"""A TCP server that says exactly what a test wants, HTTP or not."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class RawServer:
    """Reads one request head per connection, says `answer`, and closes unless told otherwise."""

    def __init__(self, answer: bytes, *, until: bytes, silent: bool, keep_open: bool) -> None:
        self.answer = answer
        self.until = until
        self.silent = silent
        self.keep_open = keep_open
        self.requests: list[bytes] = []
        self.port = 0
        self.connections = 0
        self.asked = asyncio.Event()  # a whole request has come
        self.released = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def listen(self, bound: socket.socket) -> None:
        self._server = await asyncio.start_server(self._serve, sock=bound)
        self.port = bound.getsockname()[1]

    def stop_listening(self) -> None:
        """Refuses new connections; those that are open go on."""
        if self._server is not None:
            self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.requests.append(await reader.readuntil(self.until))
            self.asked.set()
            if self.silent:
                await self.released.wait()
            writer.write(self.answer)
            await writer.drain()
            if self.keep_open:  # the second request meets a connection that breaks
                self.requests.append(await reader.readuntil(self.until))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client gave up first
        finally:
            writer.close()


@asynccontextmanager
async def raw_server(
    answer: bytes = b"",
    *,
    until: bytes = b"\r\n\r\n",
    silent: bool = False,
    keep_open: bool = False,
    bound: socket.socket | None = None,
) -> AsyncIterator[RawServer]:
    """Listens on the `bound` socket, or on a free port of the loopback interface.

    `until`: what ends a request.  `silent`: says nothing until `released` is set.  `keep_open`:
    answers the first request of a connection and breaks at the second.
    """
    server = RawServer(answer, until=until, silent=silent, keep_open=keep_open)
    await server.listen(bound or bound_socket())
    try:
        yield server
    finally:
        server.released.set()
        server.stop_listening()


def bound_socket() -> socket.socket:
    """A socket with a port of the loopback interface; connections are refused until it listens."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


@contextmanager
def refusing_url() -> Iterator[str]:
    """A URL whose port is ours and refuses connections."""
    with bound_socket() as bound:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"

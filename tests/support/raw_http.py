"""A TCP server that says exactly what a test wants, HTTP or not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


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
        self.released = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.requests.append(await reader.readuntil(self.until))
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
) -> AsyncIterator[RawServer]:
    """Listens on a free port of the loopback interface.

    `until`: what ends a request.  `silent`: says nothing until `released` is set.  `keep_open`:
    answers the first request of a connection and breaks at the second.
    """
    served = RawServer(answer, until=until, silent=silent, keep_open=keep_open)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        served.released.set()
        server.close()
        await server.wait_closed()


async def closed_port() -> int:
    """A port of the loopback interface where nobody listens."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port

"""Stands between a client and PostgreSQL and cuts the wire when a COMMIT passes."""

import asyncio
import contextlib
from pathlib import Path
from typing import Literal

SOCKET = ".s.PGSQL.5432"
_COMMIT = b"COMMIT\x00"  # the text of a simple query, SQL protocol 3.0

Cut = Literal[
    "before",  # the server never sees the COMMIT, its session ends
    "after",  # the server has committed, its answer is lost, its session ends
    "half",  # the server has committed, its answer is lost, its session stays until `end_sessions`
]


class SeveringProxy:
    """Listens in `folder` for the server whose socket is in `server_folder`."""

    def __init__(self, server_folder: Path, folder: Path) -> None:
        self.folder = folder
        self.cut_next_commit: Cut | None = None
        self.only_with = b""  # the cut waits for a transaction in which these octets passed
        self.connections = 0
        self.connected = asyncio.Condition()
        self._server_path = str(server_folder / SOCKET)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Begins to listen; may be called again after `stop`."""
        self._server = await asyncio.start_unix_server(self._serve, str(self.folder / SOCKET))

    async def stop(self) -> None:
        """Stops listening and ends every connection: the server is gone, for the client."""
        assert self._server is not None
        self._server.close()
        self.end_sessions()
        await self._server.wait_closed()
        (self.folder / SOCKET).unlink(missing_ok=True)

    def end_sessions(self) -> None:
        """Cuts every open connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def wait_for_connections(self, count: int) -> None:
        """Until `count` connections have been made in all."""
        async with asyncio.timeout(20), self.connected:
            await self.connected.wait_for(lambda: self.connections >= count)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(self._server_path)
        self._writers |= {to_client, to_server}
        async with self.connected:
            self.connections += 1
            self.connected.notify_all()
        answers = asyncio.ensure_future(self._pump(server, to_client))
        try:
            await self._requests(client, server, to_client, to_server, answers)
        except ConnectionError:
            pass
        finally:
            answers.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await answers
            to_client.transport.abort()

    async def _requests(
        self,
        client: asyncio.StreamReader,
        server: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        to_server: asyncio.StreamWriter,
        answers: "asyncio.Task[None]",
    ) -> None:
        has_passed = False
        while data := await client.read(65536):
            cut = self.cut_next_commit
            has_passed = has_passed or self.only_with in data
            is_commit = _COMMIT in data
            if cut is None or not is_commit or not has_passed:
                has_passed = has_passed and not is_commit
                to_server.write(data)
                continue
            self.cut_next_commit = None
            answers.cancel()
            await asyncio.wait([answers])
            if cut != "before":
                to_server.write(data)
                await server.read(65536)  # the answer: it is on disk
            to_client.transport.abort()
            self._writers.discard(to_client)
            if cut == "half":
                return  # the server's session lives on
            break
        to_server.transport.abort()
        self._writers.discard(to_server)

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.transport.abort()

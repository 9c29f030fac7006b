"""The severing proxy in a thread with an event loop of its own, for tests that block."""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.support.severing_proxy import Cut, SeveringProxy

T = TypeVar("T")


class ProxyThread:
    """Listens in `folder` as long as the block lasts."""

    def __init__(self, server_folder: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postern-proxy-"))  # short: a socket's name
        self._proxy = SeveringProxy(server_folder, self.folder)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._proxy.start)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run(self._proxy.stop)
        self._run(_others_ended)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self.folder)

    def cut_next_commit(self, cut: Cut, only_with: bytes = b"") -> None:
        """See `SeveringProxy`."""
        self._proxy.only_with = only_with
        self._proxy.cut_next_commit = cut

    def end_sessions(self) -> None:
        """Cuts every open connection."""
        self._loop.call_soon_threadsafe(self._proxy.end_sessions)

    def _run(self, step: Callable[[], Awaitable[T]]) -> T:
        async def stepped() -> T:
            return await step()

        return asyncio.run_coroutine_threadsafe(stepped(), self._loop).result(20)


async def _others_ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)

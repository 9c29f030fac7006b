"""The carriers of a soak: processes that are killed, started again, and told to misbehave."""

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.process import Child, module, started
from benchmarks.soak.plan import FaultKind

# Fields of `postern.simulator.behaviour.Behaviour`.
MISBEHAVIOUR: dict[FaultKind, Mapping[str, object]] = {
    FaultKind.SMSC_THROTTLES: {"throttle_every": 3},
    FaultKind.HTTP_THROTTLES: {"throttle_every": 3},
    FaultKind.SMSC_SILENT: {"silence_every": 1},
    FaultKind.HTTP_SILENT: {"silence_every": 1},
    FaultKind.SMSC_REPEATS: {"receipt_first": True, "duplicate_receipts": 1, "stray_receipts": 1},
}
OF_HTTP = frozenset({FaultKind.HTTP_KILLED, FaultKind.HTTP_THROTTLES, FaultKind.HTTP_SILENT})


class Carrier:
    """One simulated carrier on a fixed port; `record` is what it took over all its lives."""

    def __init__(self, kind: str, port: int, directory: Path) -> None:
        self.record = directory / f"{kind}.record"
        self._kind = kind
        self._port = port
        self._directory = directory
        self._child: Child | None = None
        self._stack = AsyncExitStack()

    async def start(self, behaviour: Mapping[str, object] | None = None) -> None:
        """Starts it; a good one unless told otherwise.

        Raises:
            BenchmarkError: it could not listen.
        """
        arguments = (
            self._kind,
            f"--port={self._port}",
            f"--record={self.record}",
            f"--behaviour={json.dumps(behaviour or {})}",
        )
        self._child = await self._stack.enter_async_context(
            started(f"{self._kind}-carrier", module("soak.carrier", *arguments), self._directory)
        )
        await self._child.read()

    async def kill(self) -> None:
        """SIGKILL: receipts it has not sent yet are lost with it."""
        if self._child is not None:
            await self._child.kill()
            self._child = None

    async def stop(self) -> None:
        """Ends it as an operator does.  Idempotent."""
        if self._child is not None:
            await self._child.stop()
            self._child = None

    async def close(self) -> None:
        """Ends what still runs."""
        self._child = None
        await self._stack.aclose()

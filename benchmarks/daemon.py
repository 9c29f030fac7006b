"""`postern serve` as a child process that is waited for until it is ready."""

import asyncio
import contextlib
import socket
import sysconfig
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from time import monotonic

from benchmarks.process import BenchmarkError, Child, started

READY_TIMEOUT_S = 30.0
_POLL_S = 0.02


@contextlib.asynccontextmanager
async def serving(file: Path, directory: Path, *ports: int) -> AsyncIterator[Child]:
    """The daemon with the configuration `file`, once it listens on all `ports`.

    Raises:
        BenchmarkError: it ended, or did not listen in time.
    """
    command = [str(Path(sysconfig.get_path("scripts")) / "postern"), "serve", "-c", str(file)]
    async with started("gateway", command, directory) as gateway:
        for port in ports:
            await _wait_until_open(port, gateway)
        yield gateway


async def wait_until_bound(sink: Child, gateway: Child) -> None:
    """Returns once the gateway is bound at the sink.

    Raises:
        BenchmarkError: it ended, or was not bound in time.
    """
    deadline = monotonic() + READY_TIMEOUT_S
    while monotonic() < deadline and not gateway.has_ended:
        if (await sink.ask())["binds"]:
            return
        await asyncio.sleep(_POLL_S)
    raise _not_ready(gateway, "was bound at the sink")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different; taken again by whoever they are given to."""
    with contextlib.ExitStack() as stack:
        sockets: Sequence[socket.socket] = [
            stack.enter_context(socket.socket()) for _ in range(count)
        ]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in sockets]


async def _wait_until_open(port: int, gateway: Child) -> None:
    deadline = monotonic() + READY_TIMEOUT_S
    while monotonic() < deadline and not gateway.has_ended:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(_POLL_S)
        else:
            writer.close()
            return
    raise _not_ready(gateway, f"listened on port {port}")


def _not_ready(gateway: Child, what: str) -> BenchmarkError:
    end = "ended" if gateway.has_ended else f"was given {READY_TIMEOUT_S:.0f} s"
    return gateway.failure(f"{end} before it {what}")

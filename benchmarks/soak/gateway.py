"""The daemon of a soak: the same store and ports over several lives."""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import aiohttp

from benchmarks.daemon import READY_TIMEOUT_S
from benchmarks.process import BenchmarkError, Child, started
from benchmarks.soak.configuration import Places, Terms, render
from postern.commands.control_client import ControlClient

_POLL_S = 0.05
_ASK_TIMEOUT = aiohttp.ClientTimeout(total=2)
_COMMAND_TIMEOUT_S = 120.0


class Metric(NamedTuple):
    """One line of /metrics; `labels` as it stands there, without braces."""

    name: str
    labels: str
    value: float


def parse_metrics(text: str) -> list[Metric]:
    """The samples of a Prometheus exposition."""
    metrics = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name_and_labels, _, value = line.rpartition(" ")
            name, _, labels = name_and_labels.partition("{")
            metrics.append(Metric(name, labels.removesuffix("}"), float(value)))
    return metrics


def total(metrics: list[Metric], name: str, label: str = "") -> float:
    """Sum of all samples of `name` whose labels contain `label`."""
    return sum(each.value for each in metrics if each.name == name and label in each.labels)


class Gateway:
    """Started, killed, reloaded and asked; `lives` counts its starts."""

    def __init__(
        self, directory: Path, places: Places, terms: Terms, session: aiohttp.ClientSession
    ) -> None:
        self.file = directory / "postern.toml"
        self.lives = 0
        self.restart_s: list[float] = []  # from a start to ready, after kills
        self._directory = directory
        self._places = places
        self._terms = terms
        self._session = session
        self._variant = 0
        self._child: Child | None = None
        self._stack = AsyncExitStack()
        self._write()

    def _write(self) -> None:
        self.file.write_text(render(self._places, self._terms, self._variant))

    # -- life ------------------------------------------------------------------------------------

    @property
    def child(self) -> Child:
        """The living process.

        Raises:
            BenchmarkError: it was not started, or has ended by itself.
        """
        if self._child is None:
            raise BenchmarkError("the gateway is not running")
        if self._child.has_ended:
            raise self._child.failure("ended by itself")
        return self._child

    @property
    def is_running(self) -> bool:
        """False between a kill and the start after it."""
        return self._child is not None

    async def start(self) -> None:
        """Starts it and waits until it is ready.

        Raises:
            BenchmarkError: it ended, or was not ready in time.
        """
        command = [sys.executable, "-m", "postern", "serve", "-c", str(self.file)]
        since = monotonic()
        child = await self._stack.enter_async_context(started("gateway", command, self._directory))
        while not await self._is_ready():
            if child.has_ended or monotonic() - since > READY_TIMEOUT_S:
                raise child.failure("was not ready in time")
            await asyncio.sleep(_POLL_S)
        if self.lives:
            self.restart_s.append(monotonic() - since)
        self.lives += 1
        self._child = child

    async def kill(self) -> None:
        """SIGKILL, and gone when this returns."""
        child, self._child = self.child, None
        await child.kill()

    async def stop(self, signal_number: int) -> int:
        """Asks it to end; its exit code."""
        child, self._child = self.child, None
        child.signal(signal_number)
        return await child.wait()

    async def close(self) -> None:
        """Ends what still runs."""
        self._child = None
        await self._stack.aclose()

    def reload(self, signal_number: int) -> None:
        """Writes the next variant of the configuration and has it read."""
        self._variant += 1
        self._write()
        self.child.signal(signal_number)

    # -- asking ----------------------------------------------------------------------------------

    async def metrics(self) -> list[Metric]:
        """What /metrics says now; nothing when nobody answers in time."""
        try:
            async with self._session.get(self._url("metrics"), timeout=_ASK_TIMEOUT) as response:
                return parse_metrics(await response.text())
        except (aiohttp.ClientError, TimeoutError):
            return []

    async def ping_s(self) -> float:
        """How long /healthz takes: a turn of the event loop, and what waits in front of it."""
        since = monotonic()
        try:
            async with self._session.get(self._url("healthz"), timeout=_ASK_TIMEOUT) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError):
            return 0.0
        return monotonic() - since

    async def _is_ready(self) -> bool:
        try:
            async with self._session.get(self._url("readyz"), timeout=_ASK_TIMEOUT) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._places.admin}/{path}"

    async def top_up(self, account: str, amount: str) -> None:
        """Adds to a balance, as `postern account topup` does."""
        control = ControlClient(self.file)
        await asyncio.to_thread(
            control.call, "account.topup", account=account, amount=amount, note="soak"
        )

    async def verify_ledger(self) -> tuple[bool, str]:
        """What `postern ledger verify` says: whether everything agrees, and its words."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "postern", "ledger", "verify", "-c", str(self.file),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(_COMMAND_TIMEOUT_S):
            words, _ = await process.communicate()
        return process.returncode == 0, words.decode(errors="replace").strip()

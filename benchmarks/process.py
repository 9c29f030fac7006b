"""Child processes of a measurement: started, asked over their control line, ended by their pid."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent  # where `python -m benchmarks...` is found
PAGE_OCTETS = os.sysconf("SC_PAGE_SIZE")
ANSWER_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 15.0
_LOG_TAIL = 600


class BenchmarkError(Exception):
    """A measurement could not be made; the text says which process did not do what."""


class Child:
    """One process of ours.  Its stdout is the control line, its stderr goes to `log`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._log = log

    async def read(self, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """The next JSON line it prints.

        Raises:
            BenchmarkError: nothing came in time, or the process ended instead.
        """
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - `started` always makes the pipe
        try:
            async with asyncio.timeout(timeout_s):
                line = await stdout.readline()
        except TimeoutError:
            raise self.failure(f"said nothing for {timeout_s:.0f} s") from None
        if not line:
            raise self.failure("ended before it had answered")
        fields: dict[str, Any] = json.loads(line)
        return fields

    async def ask(self) -> dict[str, Any]:
        """Its counts."""
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - `started` always makes the pipe
        stdin.write(b"\n")
        return await self.read()

    @property
    def has_ended(self) -> bool:
        """Whether it is gone."""
        return self._process.returncode is not None

    def failure(self, what: str) -> BenchmarkError:
        """An error with the end of its log."""
        tail = self._log.read_text(errors="replace")[-_LOG_TAIL:].strip()
        return BenchmarkError(f"{self.name} (pid {self.pid}) {what}: {tail or 'its log is empty'}")

    def cpu_s(self) -> float:
        """CPU seconds used so far, user and system, by all its threads and descendants."""
        return sum(_cpu_s(pid) for pid in _tree(self.pid))

    def rss_mib(self) -> float:
        """Resident memory of it and its descendants."""
        return sum(_rss_octets(pid) for pid in _tree(self.pid)) / 2**20

    async def kill(self) -> None:
        """SIGKILL: it gets no chance to write anything."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def signal(self, number: int) -> None:
        """Sends a signal; nothing happens when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Its exit code.

        Raises:
            BenchmarkError: it did not end in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._process.wait()
        except TimeoutError:
            raise self.failure(f"did not end within {timeout_s:.0f} s") from None

    async def stop(self) -> None:
        """Closes its stdin and asks it to end; kills it when it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        for end in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(end)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await self._process.wait()
                    return


@contextlib.asynccontextmanager
async def started(name: str, argv: Sequence[str], directory: Path) -> AsyncIterator[Child]:
    """A running process, with its log in `directory`; ended when the block is left."""
    log = directory / f"{name.replace(' ', '-')}.log"
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, cwd=ROOT
        )
    child = Child(name, process, log)
    try:
        yield child
    finally:
        await child.stop()


def module(name: str, *arguments: str) -> list[str]:
    """Command line of a module of this package, on the same interpreter."""
    return [sys.executable, "-m", f"benchmarks.{name}", *arguments]


def _tree(pid: int) -> list[int]:
    """`pid` and its living descendants."""
    pids = [pid]
    for parent in pids:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                pids.extend(map(int, children.read_text().split()))
    return pids


def _cpu_s(pid: int) -> float:
    """The process's CPU clock: exact, where /proc/PID/stat counts in ticks of 10 ms.

    The clock id is what clock_getcpuclockid(3) returns, which Python does not offer; children that
    have ended are in no clock, so those come from stat.
    """
    try:
        own_s = time.clock_gettime(~pid << 3 | 2)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0  # it ended meanwhile
    return own_s + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _rss_octets(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_OCTETS
    except OSError:
        return 0

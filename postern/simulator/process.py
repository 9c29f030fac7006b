"""The demo's side of the simulated carriers: a child that ends when its pipe is closed."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process

from postern.simulator.settings import SimulatorPorts, SimulatorSettings

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 3.0


class SimulatorError(Exception):
    """The carriers could not start; the text names the address or what else is wrong."""


class SimulatorProcess:
    """The child process; see `child` for its contract.  Start it once."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """Its process id; 0 before the start."""
        return self._process.pid if self._process else 0

    async def start(self, timeout_s: float = START_TIMEOUT_S) -> SimulatorPorts:
        """Starts the child and waits until everything listens.

        Raises:
            SimulatorError: it could not listen, ended, or said nothing within `timeout_s`.
        """
        # A session of its own: Ctrl-C in the terminal is the gateway's.  -P: whatever lies in the
        # working directory is no module of ours.
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "postern.simulator",
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(timeout_s):
                return await _tell_and_hear(process, self._settings)
        except TimeoutError:
            await self.stop(0.0)
            raise SimulatorError(
                f"the simulated carriers did not start within {timeout_s:g} s"
            ) from None
        except SimulatorError:
            await self.stop()
            raise

    async def wait(self) -> int:
        """Waits for the child's end; its exit code.

        Raises:
            SimulatorError: it was not started.
        """
        if self._process is None:
            raise SimulatorError("the simulated carriers were not started")
        return await self._process.wait()

    async def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Closes the pipe and waits for the child; kills it after `timeout_s`.  Idempotent."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(timeout_s):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _tell_and_hear(process: Process, settings: SimulatorSettings) -> SimulatorPorts:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the child was started with pipes")
    try:
        process.stdin.write(settings.to_json())
        await process.stdin.drain()
        line = await process.stdout.readline()
    except ConnectionError:
        line = b""
    if not line:
        raise SimulatorError("the simulated carriers ended while they started; see their errors")
    facts = json.loads(line)
    if "error" in facts:
        raise SimulatorError(f"the simulated carriers cannot start: {facts['error']}")
    return SimulatorPorts(**facts)

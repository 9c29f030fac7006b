"""The contract of the child process, spoken by hand; `test_process` has the other side of it."""

import asyncio
import json
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from postern.simulator.settings import SimulatorSettings

LIMIT_S = 20.0


@asynccontextmanager
async def child() -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "postern.simulator", stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_it_tells_its_ports_in_one_line_and_ends_with_its_input() -> None:
    async with child() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(SimulatorSettings().to_json())
        ports = json.loads(await process.stdout.readline())
        for port in ports.values():
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
        rest, errors = await process.communicate(b"more input means nothing\n")

    assert sorted(ports) == ["http", "inbox", "smpp"]
    assert (process.returncode, rest, errors) == (0, b"", b"")


async def test_it_says_why_it_cannot_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with child() as process:
            output, errors = await process.communicate(SimulatorSettings(inbox_port=port).to_json())

    assert str(port) in json.loads(output)["error"]
    assert (process.returncode, errors) == (1, b"")


async def test_it_leaves_quietly_when_its_owner_is_gone_at_once() -> None:
    async with child() as process:
        output, errors = await process.communicate(b"")

    assert (process.returncode, output, errors) == (0, b"", b"")

"""node-smpp, an independent stack, as ESME and as SMSC.

Optional: node-smpp is installed from npm into a temporary folder, once per run; without node, npm
or a registry that answers the lane is skipped.
"""

import asyncio
import json
import shutil
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.lifecycle import MessageState
from gateway.domain.outcome import Sent
from gateway.runtime.clock import LoopClock
from protocols.smpp.provider import SmppProvider, SmppProviderOptions
from tests.support.esme import LIMIT_S, PASSWORD
from tests.support.smpp_peers import SmppSink, Tasks, eventually, serving
from tests.support.upstream import make_message

pytestmark = pytest.mark.slow

PACKAGE = "smpp@0.5.1"
SCRIPTS = Path(__file__).parent / "node"
INSTALL_LIMIT_S = 60


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts beside an installed node-smpp."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node or npm is not installed")
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=INSTALL_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry does not answer")
    if done.returncode:
        pytest.skip(f"npm cannot install {PACKAGE}: {done.stderr.decode()[-200:]}")
    return folder


class NodeProcess:
    """A script that tells what it hears as JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def hear(self, event: str) -> dict[str, Any]:
        """The next line, which must be of this event."""
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            line = await self._process.stdout.readline()
        told: dict[str, Any] = json.loads(line)
        assert told["event"] == event, told
        return told

    async def end(self) -> int:
        async with asyncio.timeout(LIMIT_S):
            return await self._process.wait()


@asynccontextmanager
async def running(folder: Path, *command: str) -> AsyncIterator[NodeProcess]:
    process = await asyncio.create_subprocess_exec(
        "node", *command, cwd=folder, stdin=PIPE, stdout=PIPE
    )
    try:
        yield NodeProcess(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_as_esme(node_folder: Path) -> None:
    async with (
        serving() as north,
        running(node_folder, "esme.js", str(north.port), "esme", PASSWORD) as esme,
    ):
        assert (await esme.hear("bound"))["status"] == 0
        await eventually(lambda: len(north.submitter.waiting) == 4)
        messages = [north.submitter.answer() for _ in range(4)]
        ids = [(await esme.hear("sent"))["id"] for _ in messages]
        assert ids == [f"{message.key:016x}" for message in messages]
        texts = [submission.text for submission, _ in north.submitter.submissions]
        assert texts == ["plain € text", "Привет 😀", "long " * 100, None]
        opaque = north.submitter.submissions[3][0].opaque
        assert opaque == (b"\x00\x01\x02\xff", 4, 0, b"")

        messages[0].state = MessageState.DELIVERED
        assert north.server.notify(messages[0])
        receipt = await esme.hear("receipt")
        assert (receipt["esm_class"], receipt["message_state"]) == (4, 2)
        assert receipt["id"] == ids[0]
        assert receipt["text"].startswith(f"id:{ids[0]} sub:001 dlvrd:001 ")
        assert await esme.end() == 0
        await eventually(lambda: north.notifications.done == messages[:1])


async def test_as_smsc(node_folder: Path) -> None:
    tasks, sink = Tasks(), SmppSink()
    async with running(node_folder, "smsc.js") as smsc:
        port = (await smsc.hear("listening"))["port"]
        provider = SmppProvider(
            SmppProviderOptions(
                name="node", host="127.0.0.1", port=port, system_id="gw", password="secret"
            ),
            sink,
            clock=LoopClock(asyncio.get_running_loop()),
            spawn=tasks.spawn,
            draw=lambda: 0.0,
        )
        await provider.start()
        assert await smsc.hear("bound") == {
            "event": "bound", "system_id": "gw", "password": "secret",
        }  # fmt: skip
        await eventually(provider.is_up)

        long = make_message("x" * 200)
        for message, part in [(make_message("5 € [neto]"), 0), (long, 0), (long, 1)]:
            provider.submit(message, part)
            told = await smsc.hear("submit")
            assert told["text"] == (message.part_texts()[part])
            assert told["udh"] == (
                [] if part == 0 and message is not long else [[0, 3, long.reference, 2, part + 1]]
            )
            assert (await smsc.hear("taken"))["status"] == 0
        ids = [o.provider_message_id for _, _, o in sink.outcomes if isinstance(o, Sent)]
        assert ids == ["node-1", "node-2", "node-3"]
        assert [r.provider_message_id for r in sink.receipts] == ids
        await provider.stop(5.0)
        await tasks.check()

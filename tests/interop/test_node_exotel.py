"""`exotel` of npm, an independent client that reads the XML answers.

Optional: it is installed from npm into a temporary folder, once per run; without node, npm or a
registry that answers the lane is skipped.
"""

import asyncio
import json
import shutil
import subprocess
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from protocols.http.listener import HttpListener
from tests.support.exotel_bench import ExotelBench

pytestmark = pytest.mark.slow

PACKAGE = "exotel@1.0.1"
SCRIPTS = Path(__file__).parent / "node_exotel"
INSTALL_LIMIT_S = 120
LIMIT_S = 20
SID, TOKEN = "old1", "s3cret"  # the package takes the SID for the key


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script beside the installed package."""
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


async def test_it_sends_asks_and_understands_a_refusal(node_folder: Path) -> None:
    bench = ExotelBench()
    bench.directory.add_key_pair(SID, SID, TOKEN, bench.account)
    bench.account.senders.add("9999999999")  # the package has no other
    listener = HttpListener(bench.app, "127.0.0.1", 0, drain_s=0.5)
    await listener.start()
    try:
        process = await asyncio.create_subprocess_exec(
            "node", "client.js", str(listener.port), SID, TOKEN, cwd=node_folder, stdout=PIPE
        )
        async with asyncio.timeout(LIMIT_S):
            output, _ = await process.communicate()
    finally:
        await listener.stop()
    sent, details, refused = (json.loads(line) for line in output.splitlines())
    assert (sent["event"], sent["error"]) == ("sent", None)
    assert sent["message"]["Status"] == "queued"
    assert sent["message"]["Body"] == "one\ntwo & <three>"
    assert sent["message"]["DateSent"] == "1970-01-01 05:30:00"
    assert (details["event"], details["message"]["Sid"]) == ("details", sent["message"]["Sid"])
    assert (refused["event"], refused["error"]) == ("refused", "400: Invalid Parameters")

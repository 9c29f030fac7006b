"""kill -9 in the middle of traffic: what was answered is there, and groups are whole."""

import asyncio
import sys
from pathlib import Path
from typing import Any

GROUP = 3
ROOT = Path(__file__).parents[2]


async def killed_after(url: str, groups: int) -> int:
    """Runs a writer, kills it after `groups` answers; returns the last key it was answered."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.crashing_writer", url,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        for _ in range(groups):
            last = await process.stdout.readline()
        process.kill()
        rest = await process.stdout.read()
        await process.wait()
    return int((rest.split() or [last])[-1])


async def test_nothing_answered_is_lost_and_no_group_is_torn(
    open_store: Any, store_url: str
) -> None:
    answered = await killed_after(store_url, 40)
    store = await open_store(store_url)
    [(count, last)] = await store._engine.fetch("SELECT count(*), max(key) FROM message")
    assert last >= answered
    assert count == last  # no hole
    assert count % GROUP == 0
    assert await store.ledger.verify() == []

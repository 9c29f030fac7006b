"""Twenty kills at points and moments drawn from a seed, traffic flowing all the time.

POSTERN_KILL_SEED and POSTERN_KILLS set the seed and how many; `python -m tests.faults.kill_loop`
does the same for longer, with figures.
"""

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.faults.kill_loop import STORES, kill_repeatedly
from tests.support.databases import postgres_server

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("store", STORES)
def test_nothing_is_lost_whenever_the_daemon_dies(store: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("POSTERN_KILL_SEED", str(random.randrange(1 << 31))))
    kills = max(1, int(os.environ.get("POSTERN_KILLS", "20")) // len(STORES))
    if store == "postgresql":
        with postgres_server() as server:
            url = server.url(asyncio.run(server.new_database()))
            verdict = asyncio.run(kill_repeatedly(tmp_path, url, store, kills, seed))
    else:
        url = f"sqlite:///{tmp_path / 'postern.db'}"
        verdict = asyncio.run(kill_repeatedly(tmp_path, url, store, kills, seed))
    assert not verdict.problems, f"POSTERN_KILL_SEED={seed}\n{verdict}"
    assert verdict.kills == kills
    assert verdict.messages >= verdict.accepted > 0

"""Writes to a store until it is killed: ``python -m tests.support.crashing_writer URL``.

Prints the last key of every group once the group is on disk; groups have three messages.
"""

import asyncio
import sys

from gateway.runtime.clock import LoopClock
from gateway.runtime.supervisor import Supervisor
from gateway.store.store import Store
from tests.support.groups import accepting, commit

GROUP = 3


async def main(url: str) -> None:
    store = await Store.open(
        url,
        clock=LoopClock(asyncio.get_running_loop()),
        supervisor=Supervisor(lambda name, error: None),
    )
    acme = (await store.accounts.declare("acme", "EUR", 0, 10**12, 1)).id
    for key in range(1, 10**6, GROUP):
        assert await commit(store, accepting(acme, *range(key, key + GROUP))) is None
        sys.stdout.write(f"{key + GROUP - 1}\n")
        sys.stdout.flush()


asyncio.run(main(sys.argv[1]))

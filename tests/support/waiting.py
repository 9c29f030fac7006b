"""Waiting for what another process or thread does, without sleeping for a guessed time."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[object]], timeout_s: float = 20) -> None:
    """Asks again and again until `condition` is true.

    Raises:
        TimeoutError: it never was.
    """
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110 - nobody here could set an event
            await asyncio.sleep(0)

"""An HTTP endpoint that keeps the JSON posted to it and answers as told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from protocols.http.listener import HttpListener

LIMIT_S = 10.0


class CallbackReceiver:
    """`statuses` are the answers to come; 200 when there are no more."""

    def __init__(self, statuses: list[int]) -> None:
        self._statuses = statuses
        self._calls: asyncio.Queue[object] = asyncio.Queue()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        await self._calls.put(await request.json())
        return web.Response(status=self._statuses.pop(0) if self._statuses else 200)

    async def call(self) -> object:
        """The next body."""
        async with asyncio.timeout(LIMIT_S):
            return await self._calls.get()

    @property
    def is_empty(self) -> bool:
        return self._calls.empty()


@asynccontextmanager
async def receiving(*statuses: int) -> AsyncIterator[CallbackReceiver]:
    receiver = CallbackReceiver(list(statuses))
    app = web.Application()
    app.router.add_post("/callback", receiver.take)
    listener = HttpListener(app, "127.0.0.1", 0, drain_s=0.5)
    await listener.start()
    receiver.url = f"http://127.0.0.1:{listener.port}/callback"
    try:
        yield receiver
    finally:
        await listener.stop()

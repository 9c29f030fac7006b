"""A REST customer that outlives the daemon: it repeats each request until it has an answer.

A request and its repeats carry one Idempotency-Key, so that exactly one message may come of them.
Its server for status webhooks keeps every notification.
"""

import asyncio
from itertools import count
from typing import Any

import aiohttp
from aiohttp import web

from tests.faults.crash_customers import Traffic
from tests.faults.crash_plan import Sms

SENDERS = 2
_PAUSE_S = 0.05
_AGAIN_S = 0.03
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class RestCustomer:
    """One token and one webhook."""

    def __init__(self, token: str, port: int, webhook_port: int, traffic: Traffic) -> None:
        self.accepted: dict[str, Sms] = {}  # by message id
        self.repeats = 0  # requests whose first answer was lost
        self.refused: dict[str, tuple[int, str]] = {}  # by recipient
        self.notifications: dict[str, list[dict[str, Any]]] = {}  # by message id
        self._url = f"http://127.0.0.1:{port}/api/v1/sms/send"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._webhook_port = webhook_port
        self._traffic = traffic
        self._waiting = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listens for notifications and begins to send."""
        app = web.Application()
        app.router.add_post("/status", self._notified)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._webhook_port).start()
        self._tasks = [asyncio.create_task(self._keep_sending()) for _ in range(SENDERS)]

    async def stop(self) -> None:
        """Ends both."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def is_settled(self) -> bool:
        """Whether no request waits for its answer."""
        return not self._waiting

    async def _notified(self, request: web.Request) -> web.Response:
        event = await request.json()
        self.notifications.setdefault(event["id"], []).append(event)
        return web.Response()

    async def _keep_sending(self) -> None:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while True:
                await asyncio.sleep(_PAUSE_S)
                if self._traffic.flows:
                    self._waiting += 1
                    await self._send(session, self._traffic.next())
                    self._waiting -= 1

    async def _send(self, session: aiohttp.ClientSession, message: Sms) -> None:
        headers = {**self._headers, "Idempotency-Key": f"order-{message.number}"}
        body = {"recipient": f"+{message.recipient}", "message": message.text}
        for attempt in count():
            try:
                async with session.post(self._url, json=body, headers=headers) as response:
                    status, text = response.status, await response.text()
                    answer = await response.json() if status == 201 else {}
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(_AGAIN_S)
                continue
            if status == 201:
                self.accepted[answer["data"]["message_id"]] = message
            elif status == 503 or status == 409:
                await asyncio.sleep(_AGAIN_S)
                continue
            else:
                self.refused[message.recipient] = (status, text)
            self.repeats += attempt > 0
            return

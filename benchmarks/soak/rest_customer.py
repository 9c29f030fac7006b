"""The account that sends over REST: single messages with idempotency keys, bulks, webhooks."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiohttp
from aiohttp import web

from benchmarks.soak import numbers
from benchmarks.soak.book import Book
from benchmarks.soak.configuration import REST_TOKEN, SENDER
from benchmarks.soak.traffic import SHORT_TEXT, Mixer

BULK_SIZE = 100
AGAIN_S = 0.5
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_BAD_RECIPIENT = "junk"  # one in each bulk
_CREATED = 201

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]

# It may still be decided, or somebody else decides: the same request again, under the same key.
_ASK_AGAIN = frozenset({409, 429, 500, 503})


class RestCustomer:
    """Sends at a pace until cancelled; what was asked for goes on until `stop`.

    A single message is asked for again under its Idempotency-Key until there is an answer, so that
    a kill leaves none in doubt; a bulk is not, as most customers do.
    """

    def __init__(self, session: aiohttp.ClientSession, port: int, book: Book, mixer: Mixer) -> None:
        self._session = session
        self._url = f"http://127.0.0.1:{port}/api/v1/sms"
        self._book = book
        self._mixer = mixer
        self._keys = count()
        self._requests: set[asyncio.Task[None]] = set()

    async def send_singles(self, rate_per_s: float, spawn: Spawn) -> None:
        """One request after the other, not waiting for answers."""
        while True:
            self._keep(spawn(self._single()))
            await asyncio.sleep(1 / rate_per_s)

    async def send_bulks(self, rate_per_s: float, spawn: Spawn) -> None:
        """The same; the rate is in messages."""
        while True:
            self._keep(spawn(self._bulk()))
            await asyncio.sleep(BULK_SIZE / rate_per_s)

    def _keep(self, request: "asyncio.Task[None]") -> None:
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)

    def stop(self) -> None:
        """Gives up what is not decided yet."""
        for request in list(self._requests):
            request.cancel()

    async def _single(self) -> None:
        number = self._open()
        body = {
            "recipient": "+" + numbers.recipient(number, self._mixer.area()),
            "message": SHORT_TEXT,
            "sender_id": SENDER,
        }
        headers = {"Idempotency-Key": f"soak-{next(self._keys)}"}
        while True:
            status, _ = await self._post("send", body, headers)
            if status == _CREATED:
                self._book.accept(number)
                return
            if status and status not in _ASK_AGAIN:
                self._book.refuse(number, str(status))
                return
            await asyncio.sleep(AGAIN_S)

    async def _bulk(self) -> None:
        opened = [self._open() for _ in range(BULK_SIZE - 1)]
        recipients = ["+" + numbers.recipient(number, self._mixer.area()) for number in opened]
        body = {
            "recipients": [*recipients, _BAD_RECIPIENT],
            "message": SHORT_TEXT,
            "sender_id": SENDER,
        }
        status, answer = await self._post("send-bulk", body, {})
        if status == _CREATED:
            invalid = answer["data"]["invalid_recipients"]
            self._book.refused_as_expected(invalid == [_BAD_RECIPIENT], "invalid_recipients")
            for number in opened:
                self._book.accept(number)
        elif status:
            for number in opened:
                self._book.refuse(number, str(status))

    def _open(self) -> int:
        return self._book.open(parts=1, wants_notice=True, is_timed=True)

    async def _post(
        self, path: str, body: Mapping[str, object], headers: dict[str, str]
    ) -> tuple[int, dict[str, dict[str, object]]]:
        """Status and body; (0, {}) without an answer."""
        headers = headers | {"Authorization": f"Bearer {REST_TOKEN}"}
        url = f"{self._url}/{path}"
        try:
            async with self._session.post(
                url, json=body, headers=headers, timeout=_TIMEOUT
            ) as response:
                return response.status, await response.json()
        except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
            return 0, {}


class WebhookReceiver:
    """Writes the notifications into the book; while `is_refusing` it answers 503."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.is_refusing = False

    async def take(self, request: web.Request) -> web.Response:
        """One notification."""
        if self.is_refusing:
            return web.Response(status=503)
        event = await request.json()
        self._book.notice(event["recipient"], event["status"])
        return web.Response(status=204)


@asynccontextmanager
async def receiving(book: Book, port: int) -> AsyncIterator[WebhookReceiver]:
    """A receiver that listens on `port`."""
    receiver = WebhookReceiver(book)
    app = web.Application()
    app.router.add_post("/status", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield receiver
    finally:
        await runner.cleanup()

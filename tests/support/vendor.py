"""A vendor for tests of southbound dialects: a plain API, and a server whose answers are the test's."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web

from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from gateway.domain.receipt import Receipt
from protocols.http.dialect import Awaited, HttpCall, PollRead, ReceiptsRead
from protocols.http.listener import HttpListener
from protocols.http.outgoing import HttpAnswer

LIMIT_S = 10.0


class Asked(NamedTuple):
    """One request as the vendor got it."""

    method: str
    path: str  # with its query
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Vendor:
    """Keeps every request; `answer` makes the answers, and `gate` may hold them back."""

    def __init__(self) -> None:
        self.answer: Callable[[Asked], web.Response] = lambda _asked: web.Response()
        self.asked: list[Asked] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""
        self._came = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        asked = Asked(request.method, request.path_qs, request.headers, await request.read())
        self.asked.append(asked)
        self._came.set()
        await self.gate.wait()
        return self.answer(asked)

    async def requests(self, count: int) -> list[Asked]:
        """Waits for `count` requests in all."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.asked) < count:
                self._came.clear()
                await self._came.wait()
        return self.asked


@asynccontextmanager
async def selling() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", vendor.take)
    listener = HttpListener(app, "127.0.0.1", 0, drain_s=0.1)
    await listener.start()
    vendor.url = f"http://127.0.0.1:{listener.port}"
    try:
        yield vendor
    finally:
        vendor.gate.set()
        await listener.stop()


class Line:
    """`HttpLink` as services see it, without a network: a vendor's answers at once."""

    def __init__(self) -> None:
        self.answer: Callable[[Asked], web.Response] = lambda _asked: web.Response()
        self.asked: list[Asked] = []
        self.is_up = True
        self.loses_answers = False

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer | Unknown:
        assert self.is_up, "nothing may be sent while the link is down"
        asked = Asked(method, url, headers, body or b"")
        self.asked.append(asked)
        if self.loses_answers:
            return Unknown("answer_lost")
        answer = self.answer(asked)
        assert isinstance(answer.body, bytes | None)
        return HttpAnswer(answer.status, answer.headers, answer.body or b"")


class PlainDialect:
    """`protocols.http.dialect.Dialect` of a vendor that does everything in the plainest way.

    A send is answered with ids or errors by recipient; a poll names ids and is answered with states
    by id, and perhaps with the path of a further page.
    """

    def __init__(self, url: str, *, most_together: int = 3, polls: bool = True) -> None:
        self.origin = url
        self.most_together = most_together
        self.polls = polls
        self.has_callbacks = True
        self.ids_in_a_poll = 100
        self.has_balance = True

    def unfit(self, message: Message) -> Refused | None:
        return Refused("bad_sender") if message.sender == "BAD" else None

    def together(self, message: Message) -> object:
        return message.sender, message.text

    def send(self, messages: Sequence[Message], callback_url: str) -> HttpCall:
        body = {"text": messages[0].text, "to": [m.recipient for m in messages]}
        if callback_url:
            body["callback"] = callback_url
        return HttpCall("POST", f"{self.origin}/send", {}, json.dumps(body).encode())

    def read_sent(
        self, messages: Sequence[Message], status: int, headers: Mapping[str, str], body: bytes
    ) -> Sequence[Outcome]:
        if status == 429:
            return [Deferred("http_429", throttled=True)] * len(messages)
        if status != 200:
            return [Unknown(f"http_{status}")] * len(messages)
        ids = json.loads(body)
        return [Sent(id) if (id := ids.get(m.recipient)) else Refused("no_id") for m in messages][
            : ids.get("most")
        ]

    def read_callback(self, query: str, headers: Mapping[str, str], body: bytes) -> ReceiptsRead:
        return ReceiptsRead(_receipts(json.loads(body)))

    def poll(self, awaited: Sequence[Awaited]) -> Sequence[HttpCall]:
        ids = [item.provider_message_id for item in awaited]
        return [
            self._status(",".join(ids[at : at + self.ids_in_a_poll]))
            for at in range(0, len(ids), self.ids_in_a_poll)
        ]

    def read_poll(
        self, call: HttpCall, awaited: Sequence[Awaited], status: int, body: bytes
    ) -> PollRead:
        if status != 200:
            return PollRead((), retry_after_s=7 if status == 503 else 0)
        told = json.loads(body)
        further = told.pop("further", None)
        return PollRead(_receipts(told), [self._status(further)] if further else ())

    def balance(self) -> HttpCall | None:
        return HttpCall("GET", f"{self.origin}/balance", {}, None) if self.has_balance else None

    def read_balance(self, status: int, body: bytes) -> int | None:
        return int(body) if status == 200 else None

    def _status(self, ids: str) -> HttpCall:
        return HttpCall("GET", f"{self.origin}/status?ids={ids}", {}, None)


def _receipts(told: Mapping[str, str]) -> list[Receipt]:
    return [Receipt(id, MessageState[state]) for id, state in told.items()]

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import pytest
from aiohttp import TCPConnector, web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from gateway.domain.errors import StoreUnavailable
from gateway.domain.lifecycle import MessageState
from gateway.runtime.supervisor import Supervisor
from protocols.http.guard import UrlGuard
from protocols.http.notice import Notice, NoticeRefused, NoticeSubject
from protocols.http.webhook import (
    BATCH,
    CONCURRENCY,
    PER_HOST,
    WebhookNotifier,
)
from protocols.http.webhook_event import RETRY_WAITS_S, SignedForm, sign
from tests.support.clock import START_MS, FakeClock, settle
from tests.support.raw_http import raw_server, refusing_url

SECRET = "hunter2"


class Row(NamedTuple):
    """`WebhookDelivery`."""

    id: int
    message_key: int
    account_id: int
    url: str
    attempts: int
    kind: int = 0
    door_text: str = ""


class FakeDeliveries:
    """`WebhookDeliveries` in a dict; `unavailable` names the methods that fail."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.due_at_ms: dict[int, int] = {}
        self.rows: dict[int, Row] = {}
        self.done_ids: list[int] = []
        self.retries: list[tuple[int, int, str]] = []
        self.abandoned: list[tuple[int, str]] = []
        self.reads = 0
        self.unavailable: set[str] = set()
        self.changed = asyncio.Event()

    def owe(self, url: str, *, id: int = 0, attempts: int = 0, message_key: int = 7) -> int:
        id = id or len(self.rows) + 1
        self.rows[id] = Row(id, message_key, 1, url, attempts)
        self.due_at_ms[id] = self._clock.now_ms()
        return id

    async def due(self, now_ms: int, limit: int) -> Sequence[Row]:
        self._check("due")
        self.reads += 1
        ids = [id for id, at in sorted(self.due_at_ms.items(), key=lambda item: item[1])]
        rows = [self.rows[id] for id in ids if self.due_at_ms[id] <= now_ms][:limit]
        await asyncio.sleep(0)  # what was read may be stale when it arrives
        self.changed.set()
        return rows

    async def done(self, ids: Sequence[int]) -> None:
        self._check("done")
        self.done_ids += ids
        for id in ids:
            del self.due_at_ms[id]
        self.changed.set()

    async def retry(self, delivery_id: int, due_at_ms: int, error: str) -> None:
        self._check("retry")
        self.retries.append((delivery_id, due_at_ms - self._clock.now_ms(), error))
        row = self.rows[delivery_id]
        self.rows[delivery_id] = row._replace(attempts=row.attempts + 1)
        self.due_at_ms[delivery_id] = due_at_ms
        self.changed.set()

    async def abandon(self, delivery_id: int, error: str) -> None:
        self._check("abandon")
        self.abandoned.append((delivery_id, error))
        del self.due_at_ms[delivery_id]
        self.changed.set()

    def _check(self, method: str) -> None:
        self.changed.set()
        if method in self.unavailable:
            raise StoreUnavailable(f"{method}: disk full")


class SignedNotices:
    """`Notices` of our own form about one message; `gone` makes it purged."""

    def __init__(self, clock: FakeClock) -> None:
        self.gone = False
        self.unavailable = False
        self.forgotten_urls: set[str] = set()
        self._clock = clock
        self._form = SignedForm(lambda _, url: None if url in self.forgotten_urls else SECRET)

    def url(self, delivery: Row) -> str:
        return self._form.url(delivery)

    def waits_s(self, delivery: Row) -> Sequence[int]:
        return self._form.waits_s

    async def notice(self, delivery: Row) -> Notice:
        if self.unavailable:
            raise StoreUnavailable("connection lost")
        if self.gone:
            raise NoticeRefused("the message is no longer kept")
        subject = NoticeSubject(
            f"uuid-{delivery.message_key}", MessageState.DELIVERED, "37120000001", "ACME", 1,
            35_000, "EUR", "", START_MS, START_MS, START_MS,
        )  # fmt: skip
        return self._form.notice(delivery, subject, self._clock.now_ms())


class Customer:
    """A customer's server.  Its answers wait while `gate` is closed."""

    def __init__(self) -> None:
        self.status = 204
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls: list[tuple[Any, bytes]] = []
        self.open_calls = 0
        self.most_open = 0
        self.changed = asyncio.Event()
        app = web.Application()
        app.add_routes([web.post("/{path:.*}", self._take)])
        self.server = TestServer(app)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return str(self.server.make_url(path)).replace("127.0.0.1", host)

    async def _take(self, request: web.Request) -> web.Response:
        self.calls.append((request.headers, await request.read()))
        self.open_calls += 1
        self.most_open = max(self.most_open, self.open_calls)
        self.changed.set()
        try:
            await self.gate.wait()
        finally:
            self.open_calls -= 1
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


class EveryNameIsLocal(AbstractResolver):
    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]  # fmt: skip

    async def close(self) -> None:
        pass


class LocalGuard(UrlGuard):
    """The real guard in a world where every name leads to this machine."""

    def connector(
        self, keepalive_s: float, resolver: AbstractResolver | None = None
    ) -> TCPConnector:
        return super().connector(keepalive_s, EveryNameIsLocal())


class Bench:
    """A running notifier with its store, its messages and one customer."""

    def __init__(self, *, allow_private: bool = True) -> None:
        self.clock = FakeClock()
        self.deliveries = FakeDeliveries(self.clock)
        self.notices = SignedNotices(self.clock)
        self.customer = Customer()
        self.deaths: list[BaseException] = []
        self.supervisor = Supervisor(lambda name, error: self.deaths.append(error))
        self.notifier = WebhookNotifier(
            self.deliveries, self.notices, LocalGuard(allow_private=allow_private), self.clock,
            self.supervisor, "Postern/1.2", lambda: 0.0,
        )  # fmt: skip
        self.service: asyncio.Task[None] | None = None

    def run(self) -> None:
        self.service = self.supervisor.spawn(self.notifier.run(), "webhooks")

    async def until(self, holds: Any) -> None:
        """Waits for the store or the customer to show it."""
        async with asyncio.timeout(10):
            while not holds():
                waits = [
                    asyncio.ensure_future(event.wait())
                    for event in (self.deliveries.changed, self.customer.changed)
                ]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
                self.deliveries.changed.clear()
                self.customer.changed.clear()

    async def stop(self) -> None:
        if self.service is not None:
            self.service.cancel()
            await asyncio.wait([self.service])
        self.customer.gate.set()
        await self.customer.server.close()
        await self.supervisor.stop()
        assert self.deaths == []


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    await made.customer.server.start_server()
    yield made
    await made.stop()


# --- one delivery -------------------------------------------------------------------------------


async def test_a_delivery_is_posted_signed_and_noted(bench: Bench):
    id = bench.deliveries.owe(bench.customer.url("/hook?x=1"))
    bench.run()
    await bench.until(lambda: bench.deliveries.done_ids == [id])
    ((headers, body),) = bench.customer.calls
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "Postern/1.2"
    assert headers["Postern-Delivery"] == str(id)
    assert headers["Postern-Timestamp"] == str(START_MS // 1000)
    assert headers["Postern-Signature"] == sign(SECRET, START_MS // 1000, body)
    assert b'"id":"uuid-7"' in body


@pytest.mark.parametrize("status", [301, 400, 404, 410, 429, 500])
async def test_any_other_answer_is_tried_again(bench: Bench, status: int):
    bench.customer.status = status
    id = bench.deliveries.owe(bench.customer.url())
    bench.run()
    await bench.until(lambda: bench.deliveries.retries)
    assert bench.deliveries.retries == [(id, 10_000, f"answered {status}")]
    assert len(bench.customer.calls) == 1


async def test_the_waits_grow_until_it_is_abandoned(bench: Bench):
    bench.customer.status = 500
    bench.deliveries.owe(bench.customer.url())
    bench.run()
    for number, wait_s in enumerate(RETRY_WAITS_S, 1):
        await bench.until(lambda number=number: len(bench.deliveries.retries) == number)
        assert bench.deliveries.retries[-1][1] == wait_s * 1000
        bench.clock.advance(wait_s - 1)
        await bench.until(lambda: bench.deliveries.due_at_ms[1] > bench.clock.now_ms())
        assert len(bench.customer.calls) == number
        bench.clock.advance(1)
        bench.notifier.wake()
    await bench.until(lambda: bench.deliveries.abandoned)
    assert bench.deliveries.abandoned == [(1, "answered 500")]
    assert len(bench.customer.calls) == len(RETRY_WAITS_S) + 1


async def test_nobody_there_is_tried_again(bench: Bench):
    with refusing_url() as url:
        bench.deliveries.owe(url)
        bench.run()
        await bench.until(lambda: bench.deliveries.retries)
    assert "ConnectionRefusedError" in bench.deliveries.retries[0][2]


async def test_an_answer_that_is_no_http_is_tried_again(bench: Bench):
    async with raw_server(b"garbage\r\n\r\n") as server:
        bench.deliveries.owe(server.url)
        bench.run()
        await bench.until(lambda: bench.deliveries.retries)


async def test_what_has_no_webhook_or_message_any_more_is_abandoned(bench: Bench):
    bench.notices.forgotten_urls.add(bench.customer.url("/old"))
    bench.deliveries.owe(bench.customer.url("/old"))
    bench.run()
    await bench.until(lambda: bench.deliveries.abandoned)
    bench.notices.gone = True
    bench.deliveries.owe(bench.customer.url())
    bench.notifier.wake()
    await bench.until(lambda: len(bench.deliveries.abandoned) == 2)
    assert bench.deliveries.abandoned == [
        (1, "the webhook is no longer configured"), (2, "the message is no longer kept"),
    ]  # fmt: skip
    assert bench.customer.calls == []


# --- the guard ----------------------------------------------------------------------------------


async def test_private_addresses_are_not_called():
    bench = Bench(allow_private=False)
    await bench.customer.server.start_server()
    bench.deliveries.owe(bench.customer.url(), id=1)  # 127.0.0.1 in the URL: for ever
    bench.deliveries.owe(bench.customer.url(host="hooks.example"), id=2)  # a name may change
    bench.deliveries.owe("ftp://hooks.example/", id=3)
    bench.run()
    await bench.until(
        lambda: len(bench.deliveries.abandoned) == 2 and len(bench.deliveries.retries) == 1
    )
    assert {id for id, _ in bench.deliveries.abandoned} == {1, 3}
    assert bench.deliveries.retries[0][0] == 2
    assert "not a public one" in bench.deliveries.retries[0][2]
    assert bench.customer.calls == []
    await bench.stop()


# --- polling and bounds -------------------------------------------------------------------------


async def test_wake_finds_a_new_delivery_and_so_does_the_poll(bench: Bench):
    bench.run()
    await bench.until(lambda: bench.deliveries.reads == 1)
    bench.deliveries.owe(bench.customer.url())
    bench.notifier.wake()
    await bench.until(lambda: bench.deliveries.done_ids == [1])
    bench.deliveries.owe(bench.customer.url())
    bench.clock.advance(1.1)
    await bench.until(lambda: bench.deliveries.done_ids == [1, 2])


async def test_a_slow_host_holds_up_only_its_own(bench: Bench):
    bench.customer.gate.clear()
    for _ in range(3 * BATCH):
        bench.deliveries.owe(bench.customer.url())
    async with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as other:
        quick = bench.deliveries.owe(other.url.replace("127.0.0.1", "other.example"))
        bench.run()
        await bench.until(lambda: bench.deliveries.done_ids == [quick])
    await bench.until(lambda: bench.customer.open_calls == PER_HOST)
    bench.customer.gate.set()
    await bench.until(lambda: len(bench.deliveries.done_ids) == 3 * BATCH + 1)
    assert bench.customer.most_open == PER_HOST
    assert len(bench.customer.calls) == 3 * BATCH


async def test_a_delivery_on_its_way_is_not_started_again(bench: Bench):
    bench.customer.gate.clear()
    slow = bench.deliveries.owe(bench.customer.url())
    async with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as other:
        quick = bench.deliveries.owe(other.url)
        bench.run()
        await bench.until(lambda: bench.deliveries.done_ids == [quick])
    for _ in range(2):
        reads = bench.deliveries.reads
        bench.notifier.wake()
        await bench.until(lambda reads=reads: bench.deliveries.reads > reads)
    bench.customer.gate.set()
    await bench.until(lambda: bench.deliveries.done_ids == [quick, slow])
    assert len(bench.customer.calls) == 1


async def test_no_more_than_so_many_at_the_same_time(bench: Bench):
    bench.customer.gate.clear()
    for number in range(2 * CONCURRENCY):
        bench.deliveries.owe(bench.customer.url(host=f"host-{number}.example"))
    bench.run()
    await bench.until(lambda: bench.customer.open_calls == CONCURRENCY)
    reads = bench.deliveries.reads
    bench.notifier.wake()
    await bench.until(lambda: bench.deliveries.reads > reads)
    bench.customer.gate.set()
    await bench.until(lambda: len(bench.deliveries.done_ids) == 2 * CONCURRENCY)
    assert bench.customer.most_open == CONCURRENCY


async def test_a_full_read_is_followed_by_another(bench: Bench):
    for _ in range(BATCH + 10):
        bench.deliveries.owe(bench.customer.url())
    bench.run()
    await bench.until(lambda: len(bench.deliveries.done_ids) == BATCH + 10)
    assert sorted(bench.deliveries.done_ids) == list(range(1, BATCH + 11))
    assert len(bench.customer.calls) == BATCH + 10


# --- an unavailable store -----------------------------------------------------------------------


async def test_a_store_that_cannot_be_read_is_asked_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
):
    bench.deliveries.unavailable = {"due"}
    bench.deliveries.owe(bench.customer.url())
    bench.run()
    with caplog.at_level(logging.WARNING):
        await bench.until(lambda: "webhook.store_unavailable" in caplog.messages)
        for _ in range(3):
            bench.clock.advance(1.1)
            await settle()
    assert caplog.messages == ["webhook.store_unavailable"]  # said once
    bench.deliveries.unavailable = set()
    bench.clock.advance(1.1)
    await bench.until(lambda: bench.deliveries.done_ids == [1])
    bench.deliveries.unavailable = {"due"}
    with caplog.at_level(logging.WARNING):
        bench.clock.advance(1.1)
        await bench.until(lambda: len(caplog.messages) == 2)  # the next outage


@pytest.mark.parametrize("status", [204, 500])
async def test_a_fate_that_cannot_be_noted_is_noted_later_and_not_sent_again(
    bench: Bench, status: int
):
    bench.customer.status = status
    bench.deliveries.unavailable = {"done", "retry"}
    bench.deliveries.owe(bench.customer.url())
    bench.run()
    await bench.until(lambda: bench.customer.calls)
    for _ in range(3):
        reads = bench.deliveries.reads
        bench.clock.advance(1.1)
        await bench.until(lambda reads=reads: bench.deliveries.reads > reads)
    bench.deliveries.unavailable = set()
    bench.clock.advance(1.1)
    await bench.until(lambda: bench.deliveries.done_ids or bench.deliveries.retries)
    assert len(bench.customer.calls) == 1


async def test_a_message_that_cannot_be_read_is_looked_for_again(bench: Bench):
    bench.notices.unavailable = True
    bench.deliveries.owe(bench.customer.url())
    bench.run()
    await bench.until(lambda: bench.deliveries.reads == 1)
    bench.notices.unavailable = False
    bench.clock.advance(1.1)
    await bench.until(lambda: bench.deliveries.done_ids == [1])


# --- stopping -----------------------------------------------------------------------------------


async def test_a_drain_begins_nothing_and_waits_for_what_is_on_its_way(bench: Bench):
    bench.customer.gate.clear()
    first = bench.deliveries.owe(bench.customer.url())
    bench.run()
    await bench.until(lambda: bench.customer.calls)
    draining = bench.supervisor.spawn(bench.notifier.drain(5.0), "drain")
    await settle()
    bench.deliveries.owe(bench.customer.url())
    bench.notifier.wake()
    bench.customer.gate.set()
    await bench.until(lambda: bench.deliveries.done_ids == [first])
    bench.clock.advance(0.1)
    await draining
    bench.clock.advance(5.0)
    await settle()
    assert len(bench.customer.calls) == 1


async def test_a_drain_does_not_wait_for_ever(bench: Bench):
    bench.customer.gate.clear()
    bench.deliveries.owe(bench.customer.url())
    bench.run()
    await bench.until(lambda: bench.customer.calls)
    draining = bench.supervisor.spawn(bench.notifier.drain(2.0), "drain")
    await settle()
    assert not draining.done()
    bench.clock.advance(2.1)
    await draining
    bench.customer.gate.set()


async def test_a_stop_notes_what_was_delivered_and_drops_the_rest(bench: Bench):
    bench.deliveries.unavailable = {"done"}
    bench.deliveries.owe(bench.customer.url())
    bench.run()
    await bench.until(lambda: bench.customer.calls)
    bench.clock.advance(1.1)
    await bench.until(lambda: bench.deliveries.reads == 2)
    bench.customer.gate.clear()
    bench.deliveries.owe(bench.customer.url())
    bench.notifier.wake()
    await bench.until(lambda: bench.customer.open_calls == 1)
    bench.deliveries.unavailable = set()
    assert bench.service is not None
    bench.service.cancel()
    await asyncio.wait([bench.service])
    assert bench.deliveries.done_ids == [1]
    assert bench.deliveries.retries == []
    assert list(bench.deliveries.due_at_ms) == [2]

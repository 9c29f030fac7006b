import asyncio
from contextlib import asynccontextmanager
from random import Random

import aiohttp
import pytest
from aiohttp import web

from benchmarks.soak import rest_customer
from benchmarks.soak.book import Arrivals, Book
from benchmarks.soak.numbers import Area, recipient
from benchmarks.soak.rest_customer import BULK_SIZE, RestCustomer, WebhookReceiver, receiving
from benchmarks.soak.traffic import SHORT, Mixer
from tests.support.processes import free_port
from tests.support.waiting import until


class Api:
    """Answers as told, 201 when nothing is left to say; keeps what was asked."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.requests = []

    async def take(self, request):
        body = await request.json()
        self.requests.append((request.path, request.headers.get("Idempotency-Key"), body))
        status = self.statuses.pop(0) if self.statuses else 201
        if status == 0:
            request.transport.abort()
        return web.json_response(
            {"data": {"invalid_recipients": ["junk"] if "recipients" in body else []}},
            status=status or 500,
        )


@asynccontextmanager
async def customer(api, monkeypatch):
    monkeypatch.setattr(rest_customer, "AGAIN_S", 0.0)
    app = web.Application()
    app.router.add_post("/api/v1/sms/{what}", api.take)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        async with aiohttp.ClientSession() as session:
            yield RestCustomer(session, port, Book(), Mixer(((SHORT, 1),), Random(1)))
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("trouble", [0, 409, 429, 503])
async def test_a_single_is_asked_for_under_the_same_key_until_it_is_decided(monkeypatch, trouble):
    api = Api(trouble, trouble)
    async with customer(api, monkeypatch) as sending:
        await sending._single()
        assert sending._book.accepted == 1
    assert len({(key, str(body)) for _, key, body in api.requests}) == 1
    assert len(api.requests) == 3


async def test_what_is_never_decided_is_given_up_at_the_end(monkeypatch):
    api = Api(*[503] * 10_000)
    async with customer(api, monkeypatch) as sending:
        requests = []

        def spawn(coroutine):
            requests.append(asyncio.get_running_loop().create_task(coroutine))
            return requests[-1]

        pace = asyncio.get_running_loop().create_task(sending.send_singles(1_000.0, spawn))

        async def are_several():
            return len(api.requests) > 5

        await until(are_several)
        pace.cancel()
        sending.stop()
        await asyncio.gather(*requests, return_exceptions=True)
        assert requests
        assert all(request.cancelled() for request in requests)


async def test_a_single_that_is_refused_stays_so(monkeypatch):
    async with customer(Api(402), monkeypatch) as sending:
        await sending._single()
        assert dict(sending._book.refusals) == {"402": 1}


async def test_a_bulk_is_accepted_without_its_bad_number(monkeypatch):
    api = Api()
    async with customer(api, monkeypatch) as sending:
        await sending._bulk()
        book = sending._book
        assert (book.accepted, book.expected_refusals, book.refusals_missed) == (
            BULK_SIZE - 1, 1, 0,
        )  # fmt: skip
    [(path, key, body)] = api.requests
    assert (path, key, len(body["recipients"])) == ("/api/v1/sms/send-bulk", None, BULK_SIZE)


@pytest.mark.parametrize(("status", "refused"), [(402, BULK_SIZE - 1), (0, 0)])
async def test_a_bulk_without_an_answer_is_left_in_doubt(monkeypatch, status, refused):
    async with customer(Api(status), monkeypatch) as sending:
        await sending._bulk()
        findings = sending._book.findings(Arrivals(BULK_SIZE))
        assert (findings.refused, findings.unanswered) == (refused, BULK_SIZE - 1 - refused)


async def test_a_webhook_is_noted_unless_it_is_refused():
    book, port = Book(), free_port()
    book.accept(book.open(parts=1, wants_notice=True, is_timed=True))
    event = {"recipient": "+" + recipient(0, Area.SMSC), "status": "delivered"}
    async with receiving(book, port) as receiver, aiohttp.ClientSession() as session:
        assert isinstance(receiver, WebhookReceiver)
        url = f"http://127.0.0.1:{port}/status"
        receiver.is_refusing = True
        async with session.post(url, json=event) as response:
            assert (response.status, book.home) == (503, 0)
        receiver.is_refusing = False
        async with session.post(url, json=event) as response:
            assert (response.status, book.home) == (204, 1)

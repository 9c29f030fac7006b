import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.domain.lifecycle import MessageState
from protocols.http.app import build_app
from protocols.http.callbacks import (
    BODY_LIMIT,
    CallbackTarget,
    callback_path,
    callback_routes,
    template_target,
)
from tests.support.http_templates import make_template
from tests.support.upstream import RecordingSink

RECEIPT: dict[str, Any] = {
    "id": "id", "state": "state", "states": {"delivered": ("ok",)}, "token": "s3cret/ü",
    "answer": {"status": 202, "body": "thanks"},
}  # fmt: skip
PATH = callback_path("carrier", "s3cret/ü")
ONE = b'{"id":"a","state":"ok"}'

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def calling(sink: RecordingSink, **receipt: Any) -> AsyncIterator[Client]:
    """A client of the application with one provider that sends receipts and one that does not."""
    targets = {
        "carrier": template_target(make_template(receipt={**RECEIPT, **receipt}), sink),
        "mute": template_target(make_template(), sink),
    }
    server = TestServer(build_app([], callback_routes(targets)))
    async with TestClient(server) as client:
        yield client


def test_the_path_is_encoded():
    assert PATH == "/callbacks/carrier/s3cret%2F%C3%BC"


async def test_a_stored_receipt_is_answered_as_configured():
    sink = RecordingSink()
    async with calling(sink) as client:
        answer = await client.post(PATH, data=ONE)
        assert (answer.status, await answer.text()) == (202, "thanks")
    assert [(r.provider_message_id, r.state) for r in sink.receipts] == [
        ("a", MessageState.DELIVERED)
    ]


async def test_receipts_in_the_query():
    sink = RecordingSink()
    async with calling(sink, format="query") as client:
        answer = await client.get(PATH + "?id=a%2Bb&state=ok")
        assert answer.status == 202
    assert sink.receipts[0].provider_message_id == "a+b"


async def test_nothing_is_answered_before_every_receipt_is_stored():
    sink = RecordingSink()
    sink.store_ok = None
    body = b'[{"id":"a","state":"ok"},{"id":"b","state":"ok"}]'
    async with calling(sink, many="$") as client:
        async with asyncio.TaskGroup() as group:
            calls = group.create_task(client.post(PATH, data=body))
            await _receipts(sink, 2)
            (first, first_token), (second, second_token) = sink.unanswered
            second(second_token, True)
            await asyncio.sleep(0)
            assert not calls.done()
            first(first_token, True)
        assert calls.result().status == 202


@pytest.mark.parametrize("fates", [[False, True], [True, False], [False, False]])
async def test_one_receipt_that_is_not_stored_makes_the_provider_call_again(fates: list[bool]):
    sink = RecordingSink()
    sink.store_ok = None
    body = b'[{"id":"a","state":"ok"},{"id":"b","state":"ok"}]'
    async with calling(sink, many="$") as client:
        async with asyncio.TaskGroup() as group:
            calls = group.create_task(client.post(PATH, data=body))
            await _receipts(sink, 2)
            for (stored, token), fate in zip(sink.unanswered, fates, strict=True):
                stored(token, fate)
        assert calls.result().status == 503
        assert "Retry-After" in calls.result().headers


async def test_an_empty_list_is_fine():
    sink = RecordingSink()
    async with calling(sink, many="$") as client:
        assert (await client.post(PATH, data=b"[]")).status == 202
    assert sink.receipts == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"id":"a"}', b"\xff\x00"])
async def test_what_cannot_be_read_is_a_bad_request(body: bytes):
    sink = RecordingSink()
    async with calling(sink) as client:
        assert (await client.post(PATH, data=body)).status == 400
    assert sink.receipts == []


async def test_one_bad_receipt_does_not_stop_the_others(caplog: pytest.LogCaptureFixture):
    sink = RecordingSink()
    with caplog.at_level(logging.WARNING):
        async with calling(sink, many="$") as client:
            answer = await client.post(PATH, data=b'[{"id":"a","state":"ok"},{"no":"id"}]')
            assert answer.status == 202
    assert len(sink.receipts) == 1
    (record,) = [r for r in caplog.records if r.name == "postern.http.callbacks"]
    assert record.__dict__["fields"] == {"provider": "carrier", "unreadable": 1, "readable": 1}


@pytest.mark.parametrize(
    "path",
    [
        callback_path("carrier", "wrong"),
        callback_path("carrier", "s3cret/u"),
        callback_path("nobody", "s3cret/ü"),
        callback_path("mute", "s3cret/ü"),
        callback_path("mute", "x"),
        "/callbacks/carrier/",
        "/callbacks/carrier",
        "/callbacks/carrier/%ED%A0%80",
    ],
)
async def test_who_does_not_know_the_token_learns_nothing(path: str):
    sink = RecordingSink()
    async with calling(sink) as client:
        answer = await client.post(path, data=ONE)
        assert (answer.status, await answer.text()) == (404, "Not Found")
    assert sink.receipts == []


async def test_other_verbs_are_not_allowed():
    async with calling(RecordingSink()) as client:
        assert (await client.put(PATH, data=ONE)).status == 405


async def test_a_body_over_the_limit_is_refused():
    sink = RecordingSink()
    async with calling(sink) as client:
        fits = ONE.ljust(BODY_LIMIT)
        assert (await client.post(PATH, data=fits)).status == 202
        assert (await client.post(PATH, data=fits + b" ")).status == 413
    assert len(sink.receipts) == 1


async def test_a_provider_added_by_a_reload_is_known_at_once():
    targets: dict[str, CallbackTarget] = {}
    async with TestClient(TestServer(build_app([], callback_routes(targets)))) as client:
        assert (await client.post(PATH, data=ONE)).status == 404
        targets["carrier"] = template_target(make_template(receipt=RECEIPT), RecordingSink())
        assert (await client.post(PATH, data=ONE)).status == 202


async def test_a_provider_that_hangs_up_loses_nothing():
    sink = RecordingSink()
    sink.store_ok = None
    targets = {"carrier": template_target(make_template(receipt=RECEIPT), sink)}
    server = TestServer(build_app([], callback_routes(targets)))
    await server.start_server()
    async with aiohttp.ClientSession() as session:
        call = asyncio.ensure_future(session.post(server.make_url(PATH), data=ONE))
        await _receipts(sink, 1)
        call.cancel()
        await asyncio.wait([call])
    await server.close()
    ((stored, token),) = sink.unanswered
    stored(token, True)


async def _receipts(sink: RecordingSink, count: int) -> None:
    """Waits until `count` receipts have come."""
    async with asyncio.timeout(10):
        while len(sink.receipts) < count:
            await sink.changed.wait()
            sink.changed.clear()


async def test_a_vendor_may_try_the_url_by_head():
    sink = RecordingSink()
    async with calling(sink, format="query") as client:
        assert (await client.head(PATH + "?id=a&state=ok")).status == 200
        assert (await client.head(callback_path("carrier", "guess"))).status == 404
    assert sink.receipts == []

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.domain.lookup import HlrRecord, LookupFailure, NumberKind, Subscriber
from protocols.http.hlr import HlrOptions, HttpHlr
from tests.support.clock import settle
from tests.support.raw_http import raw_server, refusing_url

NUMBER = "37129200000"
PATHS = {
    name: name for name in ("state", "country", "operator", "type", "mccmnc", "roaming", "ported")
}
STATES = {
    Subscriber.LIVE: ("live", "ACTIVE"),
    Subscriber.DEAD: ("dead",),
    Subscriber.ABSENT: ("27",),
}


def options(url: str, **given: Any) -> HlrOptions:
    return HlrOptions(
        **{
            "url": url, "headers": {}, "secrets": {}, "user_agent": "Postern/1.2", "timeout_s": 5.0,
            "window": 20, "paths": PATHS, "states": STATES, **given,
        }
    )  # fmt: skip


@asynccontextmanager
async def connected(url: str, **given: Any) -> AsyncIterator[HttpHlr]:
    hlr = HttpHlr(options(url, **given))
    life = asyncio.ensure_future(hlr.run())
    try:
        yield hlr
    finally:
        await settle(2)
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)


@asynccontextmanager
async def peer(answer: Any, status: int = 200) -> AsyncIterator[tuple[str, list[web.Request]]]:
    asked: list[web.Request] = []

    async def take(request: web.Request) -> web.Response:
        asked.append(request)
        if isinstance(answer, bytes):
            return web.Response(status=status, body=answer)
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_get("/{tail:.*}", take)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}", asked


async def test_a_query_and_its_answer() -> None:
    answer = {
        "state": "Active", "country": "Latvia", "operator": "LMT", "type": "MOBILE", "mccmnc": "24701",
        "roaming": True, "ported": "False",
    }  # fmt: skip
    headers = {"X-Key": "{secret.KEY}", "X-To": "{to_plus}"}
    async with peer(answer) as (url, asked):
        secrets = {"KEY": "s3/cret"}
        async with connected(
            url + "/q/{to}?k={secret.KEY}&n={to_plus}", headers=headers, secrets=secrets
        ) as hlr:
            record = await hlr.look_up(NUMBER)
    assert record == HlrRecord(
        NUMBER, Subscriber.LIVE, "Latvia", "LMT", NumberKind.MOBILE, "24701", True, False
    )
    [request] = asked
    assert request.raw_path == f"/q/{NUMBER}?k=s3%2Fcret&n=%2B{NUMBER}"
    assert request.headers["X-Key"] == "s3/cret"
    assert request.headers["X-To"] == f"+{NUMBER}"
    assert request.headers["User-Agent"] == "Postern/1.2"


async def test_paths_and_missing_fields() -> None:
    paths = {**PATHS, "state": "data.0.code", "operator": "data.0.net.name"}
    answer = {"data": [{"code": 27, "net": {"name": "x" * 100}}]}
    async with peer(answer) as (url, _), connected(url + "/{to}", paths=paths) as hlr:
        record = await hlr.look_up(NUMBER)
    assert record == HlrRecord(NUMBER, Subscriber.ABSENT, operator="x" * 64)


@pytest.mark.parametrize("kind", ["landline", "Fixed", "fixed_line"])
async def test_kinds(kind: str) -> None:
    answer = {"state": "dead", "type": kind}
    async with peer(answer) as (url, _), connected(url + "/{to}") as hlr:
        record = await hlr.look_up(NUMBER)
    assert record == HlrRecord(NUMBER, Subscriber.DEAD, kind=NumberKind.FIXED)


@pytest.mark.parametrize("answer", [b"", b"junk", b"[]", {}, {"state": "asleep"}, {"state": None}])
async def test_answers_that_make_no_sense(answer: Any) -> None:
    async with peer(answer) as (url, _), connected(url + "/{to}") as hlr:
        assert await hlr.look_up(NUMBER) is LookupFailure.UNREADABLE


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
async def test_errors_of_the_peer(status: int) -> None:
    async with peer({"state": "live"}, status) as (url, _), connected(url + "/{to}") as hlr:
        assert await hlr.look_up(NUMBER) is LookupFailure.UNAVAILABLE


async def test_a_peer_that_is_not_there() -> None:
    with refusing_url() as url:
        async with connected(url + "/{to}") as hlr:
            assert await hlr.look_up(NUMBER) is LookupFailure.UNAVAILABLE


async def test_a_peer_that_hangs_up() -> None:
    async with raw_server(b"") as server, connected(server.url + "/{to}") as hlr:
        assert await hlr.look_up(NUMBER) is LookupFailure.UNAVAILABLE


async def test_queries_beyond_the_window_wait() -> None:
    release = asyncio.Event()
    running = most = 0

    async def take(request: web.Request) -> web.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1
        return web.json_response({"state": "live"})

    app = web.Application()
    app.router.add_get("/{to}", take)
    async with (
        TestServer(app) as server,
        connected(f"{server.make_url('/')}{{to}}", window=2) as hlr,
    ):
        queries = [asyncio.ensure_future(hlr.look_up(NUMBER)) for _ in range(5)]
        async with asyncio.timeout(10):
            while running < 2:
                await settle(1)
        release.set()
        records = await asyncio.gather(*queries)
    assert most == 2
    assert [record.subscriber for record in records if isinstance(record, HlrRecord)] == [
        Subscriber.LIVE
    ] * 5


async def test_a_row_of_failures_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    answers = [{"x": 1}, {"x": 1}, {"state": "live"}, {"x": 1}]

    async def take(request: web.Request) -> web.Response:
        return web.json_response(answers.pop(0))

    app = web.Application()
    app.router.add_get("/{to}", take)
    async with TestServer(app) as server, connected(f"{server.make_url('/')}{{to}}") as hlr:
        with caplog.at_level(logging.WARNING):
            for _ in range(4):
                await hlr.look_up(NUMBER)
    assert [record.message for record in caplog.records] == ["hlr.failed"] * 2
    assert NUMBER not in caplog.text


@pytest.mark.parametrize(
    "given", [{"url": "http://x/{nobody}"}, {"paths": {**PATHS, "state": "a..b"}}]
)
async def test_mistakes_are_found_when_it_is_made(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"nobody|a\.\.b"):
        HttpHlr(options(**{"url": "http://x/{to}", **given}))

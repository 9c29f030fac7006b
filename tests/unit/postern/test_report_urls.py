import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.runtime.supervisor import Supervisor
from postern.report_urls import ReportUrls
from protocols.http.guard import UrlGuard
from tests.support.raw_http import refusing_url


@asynccontextmanager
async def customer(get: int = 200, head: int = 200) -> AsyncIterator[tuple[str, list[str]]]:
    asked: list[str] = []

    async def take(request: web.Request) -> web.Response:
        asked.append(request.method)
        return web.Response(status=get if request.method == "GET" else head)

    app = web.Application()
    app.router.add_route("*", "/dlr", take)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}/dlr?secret=s3cret", asked


async def checked(
    url: str, caplog: pytest.LogCaptureFixture, *, allow_private: bool = True
) -> list[str]:
    """The reasons in the log."""
    deaths: list[str] = []
    supervisor = Supervisor(lambda name, _: deaths.append(name))
    urls = ReportUrls(UrlGuard(allow_private=allow_private), supervisor, "Postern/1.2")
    with caplog.at_level(logging.WARNING):
        await urls.run([url])
    assert deaths == []
    assert "s3cret" not in caplog.text
    assert all("s3cret" not in str(record.fields) for record in caplog.records)
    return [record.fields["reason"] for record in caplog.records]


async def test_a_url_that_answers_both(caplog: pytest.LogCaptureFixture) -> None:
    async with customer() as (url, asked):
        assert await checked(url, caplog) == []
    assert asked == ["GET", "HEAD"]


@pytest.mark.parametrize(
    ("get", "head", "reason"),
    [
        (405, 200, "GET was answered 405, not 200"),
        (200, 404, "HEAD was answered 404, not 200"),
        (204, 204, "GET was answered 204, not 200"),
        (302, 200, "GET was answered 302, not 200"),
    ],
)
async def test_a_url_that_fails(
    get: int, head: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with customer(get, head) as (url, _):
        assert await checked(url, caplog) == [reason]


async def test_a_url_that_nobody_answers(caplog: pytest.LogCaptureFixture) -> None:
    with refusing_url() as url:
        [reason] = await checked(url, caplog)
    assert "Refused" in reason


async def test_a_url_into_our_own_network(caplog: pytest.LogCaptureFixture) -> None:
    async with customer() as (url, asked):
        assert await checked(url, caplog, allow_private=False) == [
            "the URL's address is not a public one"
        ]
    assert asked == []


async def test_the_check_is_a_task_of_its_own() -> None:
    supervisor = Supervisor(lambda *_: None)
    urls = ReportUrls(UrlGuard(allow_private=True), supervisor, "Postern/1.2")
    async with customer() as (url, asked):
        urls.check([])
        urls.check([url])
        assert asked == []
        [task] = supervisor._tasks
        await task
    assert asked == ["GET", "HEAD"]

from collections.abc import AsyncIterator

import pytest
from aiohttp import TCPConnector, web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from protocols.http.outgoing import ANSWER_LIMIT, AnswerLost, NotSent, OutgoingSession
from tests.support.raw_http import raw_server, refusing_url

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
async def session() -> AsyncIterator[OutgoingSession]:
    made = OutgoingSession("Postern/1.2", timeout_s=5.0)
    yield made
    await made.close()


async def test_a_request_arrives_as_given_and_nothing_is_added(session: OutgoingSession):
    async with raw_server(OK) as server:
        url = server.url + "/a%2Fb?x=%2B1&y=%20"
        answer = await session.exchange("POST", url, {"X-Key": "k"}, b"body")
    assert (answer.status, answer.body) == (200, b"ok")
    head = server.requests[0].decode().split("\r\n")
    assert head[0] == "POST /a%2Fb?x=%2B1&y=%20 HTTP/1.1"
    names = {line.partition(":")[0].lower() for line in head[1:] if line}
    assert names == {"host", "x-key", "user-agent", "accept", "accept-encoding", "content-length"}
    assert "User-Agent: Postern/1.2" in head


async def test_user_and_password_of_the_url_are_basic_authentication(session: OutgoingSession):
    async with raw_server(OK) as server:
        url = server.url.replace("//", "//us%40er:p%3Aw@")
        await session.exchange("GET", url, {}, None)
    assert b"Authorization: Basic dXNAZXI6cDp3\r\n" in server.requests[0]


async def test_redirects_are_not_followed_and_cookies_not_kept(session: OutgoingSession):
    seen: list[str | None] = []

    async def moved(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        return web.Response(status=302, headers={"Location": "/", "Set-Cookie": "a=b"})

    app = web.Application()
    app.add_routes([web.get("/", moved)])
    async with TestServer(app) as server:
        url = f"http://localhost:{server.port}/"  # a bare address would have no cookies anyway
        for _ in range(2):
            assert (await session.exchange("GET", url, {}, None)).status == 302
    assert seen == [None, None]


async def test_the_body_is_read_up_to_its_limit(session: OutgoingSession):
    async def much(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * (ANSWER_LIMIT * 3))

    app = web.Application()
    app.add_routes([web.get("/", much)])
    async with TestServer(app) as server:
        answer = await session.exchange("GET", str(server.make_url("/")), {}, None)
    assert answer.body == b"x" * ANSWER_LIMIT


async def test_nobody_listens(session: OutgoingSession):
    with refusing_url() as url, pytest.raises(NotSent, match="ConnectionRefusedError"):
        await session.exchange("POST", url, {}, None)


class NoNames(AbstractResolver):
    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        raise OSError(None, "Name or service not known")

    async def close(self) -> None:
        pass


async def test_a_name_that_does_not_resolve():
    connector = TCPConnector(resolver=NoNames())
    session = OutgoingSession("Postern/1.2", timeout_s=5.0, connector=connector)
    with pytest.raises(NotSent, match="not known"):
        await session.exchange("POST", "http://hunter2.invalid/", {}, None)
    await session.close()


async def test_tls_that_is_none(session: OutgoingSession):
    async with raw_server(OK, until=b"\x03") as server:  # in the head of a ClientHello
        with pytest.raises(NotSent):
            await session.exchange("POST", server.url.replace("http:", "https:"), {}, b"x")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    ],
    ids=["closed", "no HTTP", "half a body", "broken chunks", "endless header", "no gzip"],
)
async def test_an_answer_that_is_lost(session: OutgoingSession, answer: bytes):
    async with raw_server(answer) as server:
        with pytest.raises(AnswerLost) as raised:
            await session.exchange("POST", server.url, {}, b"x")
    assert not raised.value.timed_out


async def test_silence_is_a_lost_answer():
    session = OutgoingSession("Postern/1.2", timeout_s=0.05)
    async with raw_server(silent=True) as server:
        with pytest.raises(AnswerLost, match="Timeout") as raised:
            await session.exchange("POST", server.url, {}, b"x")
    assert raised.value.timed_out
    await session.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_request_is_never_repeated_by_itself(session: OutgoingSession, method: str):
    async with raw_server(OK, keep_open=True) as server:
        await session.exchange(method, server.url, {}, None)
        with pytest.raises(AnswerLost):
            await session.exchange(method, server.url, {}, None)
        assert len(server.requests) == 2
        assert server.connections == 1


async def test_closing_twice_is_harmless(session: OutgoingSession):
    await session.close()
    await session.close()


async def test_an_error_never_shows_the_url(session: OutgoingSession):
    async with raw_server(b"") as server:
        for url in (f"{server.url}/?key=hunter2", "http://[hunter2/"):
            with pytest.raises((NotSent, AnswerLost)) as raised:
                await session.exchange("POST", url, {}, None)
            assert "hunter2" not in str(raised.value)

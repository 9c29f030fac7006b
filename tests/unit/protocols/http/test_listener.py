import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from protocols.http.listener import HttpListener
from tests.support.certificates import write_certificate


def app_with(handler: object = None) -> web.Application:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", handler or hello)  # type: ignore[arg-type]
    return app


async def test_serves_on_a_free_port_until_stopped() -> None:
    listener = HttpListener(app_with(), "127.0.0.1", 0)
    await listener.start()
    await listener.start()
    url = f"http://127.0.0.1:{listener.port}/"
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            assert await response.text() == "hello"
        await listener.stop()
        await listener.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(url)


async def test_serves_https(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    certificate = tmp_path / "cert.pem"
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, tmp_path / "key.pem")
    listener = HttpListener(app_with(), "127.0.0.1", 0, tls=tls)
    await listener.start()
    trust = ssl.create_default_context(cafile=certificate)
    url = f"https://127.0.0.1:{listener.port}/"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=trust) as response:
        assert await response.text() == "hello"
    await listener.stop()


async def test_a_taken_port_is_an_error() -> None:
    first = HttpListener(app_with(), "127.0.0.1", 0)
    await first.start()
    second = HttpListener(app_with(), "127.0.0.1", first.port)
    with pytest.raises(OSError, match=r"(?i)address already in use"):
        await second.start()
    await first.stop()


async def test_a_running_request_may_end_after_stop_began() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        entered.set()
        await release.wait()
        return web.Response(text="done")

    listener = HttpListener(app_with(slow), "127.0.0.1", 0)
    await listener.start()
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{listener.port}/"
        asking = asyncio.ensure_future(session.get(url))
        await entered.wait()
        stopping = asyncio.ensure_future(listener.stop())
        await asyncio.sleep(0)
        release.set()
        response = await asking
        assert await response.text() == "done"
        await stopping


async def test_a_connection_that_does_not_finish_its_headers_is_closed() -> None:
    listener = HttpListener(app_with(), "127.0.0.1", 0, idle_timeout_s=0.01)
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert await reader.read() == b""
    writer.close()
    await listener.stop()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: 1\r\n" * 100 + b"\r\n",
        b"\x00\x01garbage\r\n\r\n",
    ],
    ids=["long line", "long field", "many fields", "garbage"],
)
async def test_heads_over_the_limits_are_refused(head: bytes) -> None:
    listener = HttpListener(app_with(), "127.0.0.1", 0)
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(head)
    answer = await reader.read()
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    writer.close()
    await listener.stop()

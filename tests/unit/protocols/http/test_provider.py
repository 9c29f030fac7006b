import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.runtime.supervisor import Supervisor
from protocols.http.provider import HttpProvider, HttpProviderOptions
from tests.support.clock import FakeClock, settle
from tests.support.http_templates import make_template
from tests.support.raw_http import bound_socket, raw_server, refusing_url
from tests.support.upstream import RecordingSink, make_message

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"id":"x"}'


class Bench:
    """A provider with everything around it faked but the network."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sink = RecordingSink()
        self.deaths: list[str] = []
        self.supervisor = Supervisor(lambda name, error: self.deaths.append(name))
        self.providers: list[HttpProvider] = []

    async def provider(self, url: str, **given: Any) -> HttpProvider:
        """A started one."""
        options = {name: given.pop(name) for name in list(given) if name in OPTIONS}
        template = make_template(url=url, id={"path": "id"}, **given)
        made = HttpProvider(
            HttpProviderOptions(name="carrier", user_agent="Postern/1.2", **options),
            template, self.sink, self.clock, self.supervisor, lambda: 0.0,
        )  # fmt: skip
        self.providers.append(made)
        await made.start()
        return made

    async def outcomes(self, count: int) -> list[str]:
        """Waits for `count` outcomes in all."""
        async with asyncio.timeout(10):
            while len(self.sink.outcomes) < count:
                await self.sink.changed.wait()
                self.sink.changed.clear()
        await settle()
        assert len(self.sink.outcomes) == count
        return [repr(outcome) for _, _, outcome in self.sink.outcomes]


OPTIONS = {"window", "timeout_s", "connect_timeout_s", "down_after", "callback_url"}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    for provider in made.providers:
        await provider.stop(0.0)
        made.clock.advance(1.0)
    await made.supervisor.stop()
    assert made.deaths == []


@pytest.fixture
def refusing() -> Iterator[str]:
    """A URL that refuses connections."""
    with refusing_url() as url:
        yield url


# --- one message --------------------------------------------------------------------------------


async def test_a_message_is_sent_and_its_id_kept(bench: Bench):
    async with raw_server(OK) as server:
        provider = await bench.provider(server.url, fields={"to": "{to}", "text": "{text}"})
        message = make_message("hello")
        provider.submit(message, 0)
        assert await bench.outcomes(1) == ["Sent('x')"]
    assert bench.sink.outcomes[0][:2] == (message, 0)
    assert b"User-Agent: Postern/1.2\r\n" in server.requests[0]


async def test_the_callback_url_is_sent(bench: Bench):
    receipt = {"id": "id", "state": "s", "states": {"delivered": ("ok",)}, "token": "t"}
    async with raw_server(OK) as server:
        url = "https://gw.example/callbacks/carrier/t"
        provider = await bench.provider(
            server.url, query={"cb": "{callback_url}"}, receipt=receipt, callback_url=url
        )
        provider.submit(make_message(), 0)
        await bench.outcomes(1)
    assert b"cb=https%3A%2F%2Fgw.example%2Fcallbacks%2Fcarrier%2Ft" in server.requests[0]


async def test_a_template_that_sends_a_callback_url_needs_one(bench: Bench):
    receipt = {"id": "id", "state": "s", "states": {"delivered": ("ok",)}, "token": "t"}
    with pytest.raises(ValueError, match=r"carrier.*\{callback_url\}"):
        await bench.provider("https://x.example/", query={"cb": "{callback_url}"}, receipt=receipt)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 429 Slow Down\r\nContent-Length: 0\r\n\r\n", "Deferred('http_429', throttled=True)"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "Deferred('http_503', throttled=False)"),
        (b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", "Refused('http_400', everywhere=False)"),
        (b"HTTP/1.1 302 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "Deferred('http_302', throttled=False)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "Unknown('answer_unreadable')"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "Sent('')"),
        (b"garbage\r\n\r\n", "Unknown('answer_lost')"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "Unknown('answer_lost')"),
        (b"", "Unknown('answer_lost')"),
    ],
    ids=["throttled", "unavailable", "refused", "redirect", "garbage body", "missing id", "garbage", "cut", "closed"],
)  # fmt: skip
async def test_each_misbehaviour_has_its_outcome(bench: Bench, answer: bytes, outcome: str):
    async with raw_server(answer) as server:
        provider = await bench.provider(server.url)
        provider.submit(make_message(), 0)
        assert await bench.outcomes(1) == [outcome]
        assert provider.is_up()


async def test_a_slow_answer_is_unknown(bench: Bench):
    async with raw_server(silent=True) as server:
        provider = await bench.provider(server.url, timeout_s=0.05)
        provider.submit(make_message(), 0)
        assert await bench.outcomes(1) == ["Unknown('answer_lost', silent=True)"]


async def test_a_refused_connection_is_deferred(bench: Bench, refusing: str):
    provider = await bench.provider(refusing)
    provider.submit(make_message(), 0)
    assert await bench.outcomes(1) == ["Deferred('connect_failed', throttled=False)"]


async def test_a_message_without_text_is_for_another_provider(bench: Bench):
    provider = await bench.provider("https://carrier.example/")
    provider.submit(make_message(None), 0)
    assert bench.sink.outcomes == []  # not before submit has returned
    bench.clock.turn()
    assert await bench.outcomes(1) == ["Refused('no_text', everywhere=False)"]


async def test_whether_the_provider_takes_whole_texts(bench: Bench):
    assert (await bench.provider("https://carrier.example/")).whole_text
    assert not (await bench.provider("https://carrier.example/", split="gateway")).whole_text


async def test_each_part_is_a_request_of_its_own(bench: Bench):
    texts: list[str] = []

    async def take(request: web.Request) -> web.Response:
        texts.append((await request.json())["text"])
        return web.json_response({"id": str(len(texts))})

    app = web.Application()
    app.add_routes([web.post("/", take)])
    async with TestServer(app) as server:
        provider = await bench.provider(
            str(server.make_url("/")), split="gateway", fields={"text": "{text}"}
        )
        message = make_message("x" * 200)
        provider.submit(message, 0)
        provider.submit(message, 1)
        await bench.outcomes(2)
    assert sorted(len(text) for text in texts) == [47, 153]
    assert {part for _, part, _ in bench.sink.outcomes} == {0, 1}


# --- the window ---------------------------------------------------------------------------------


async def test_room_is_the_free_window_and_its_return_is_told(bench: Bench):
    async with raw_server(OK, silent=True) as server:
        provider = await bench.provider(server.url, window=2)
        assert bench.sink.room_changes == 1
        provider.submit(make_message(), 0)
        assert provider.room() == 1
        provider.submit(make_message(), 0)
        assert provider.room() == 0
        provider.submit(make_message(), 0)  # beyond the window: a further part of a message
        assert provider.room() == 0
        assert provider.is_up()
        assert bench.sink.room_changes == 1
        server.released.set()
        assert await bench.outcomes(3) == ["Sent('x')"] * 3
        assert provider.room() == 2
        assert bench.sink.room_changes == 2


async def test_room_that_was_never_spent_is_not_told(bench: Bench):
    async with raw_server(OK) as server:
        provider = await bench.provider(server.url, window=2)
        provider.submit(make_message(), 0)
        await bench.outcomes(1)
        assert bench.sink.room_changes == 1


# --- up and down --------------------------------------------------------------------------------


async def fail(bench: Bench, provider: HttpProvider, times: int) -> None:
    for _ in range(times):
        provider.submit(make_message(), 0)
        await bench.outcomes(len(bench.sink.outcomes) + 1)


async def test_failures_to_connect_in_a_row_take_it_down(bench: Bench, refusing: str):
    provider = await bench.provider(refusing + "/send?key=secret", down_after=3)
    await fail(bench, provider, 2)
    assert provider.is_up()
    assert provider.room() == 20
    changes = bench.sink.room_changes
    await fail(bench, provider, 1)
    assert not provider.is_up()
    assert provider.room() == 0
    assert bench.sink.room_changes == changes + 1
    live = provider.describe()
    assert "ConnectionRefusedError" in str(live["last_error"])
    assert live == {
        "wire": "http", "url": refusing, "state": "down", "window": 20, "outstanding": 0,
        "connect_failures": 3, "last_error": live["last_error"],
    }  # fmt: skip


async def test_after_the_backoff_one_request_probes(bench: Bench, refusing: str):
    provider = await bench.provider(refusing, down_after=1)
    await fail(bench, provider, 1)
    bench.clock.advance(0.19)
    assert not provider.is_up()
    bench.clock.advance(0.02)
    assert provider.is_up()
    assert provider.room() == 1
    await fail(bench, provider, 1)
    assert not provider.is_up()
    bench.clock.advance(0.39)  # the second backoff is twice as long
    assert not provider.is_up()
    bench.clock.advance(0.02)
    assert provider.room() == 1
    provider.submit(make_message(), 0)
    assert provider.room() == 0
    await bench.outcomes(3)


async def test_a_probe_that_is_answered_brings_it_up(bench: Bench):
    bound = bound_socket()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
    provider = await bench.provider(url, down_after=1)
    await fail(bench, provider, 1)
    bench.clock.advance(1.0)
    async with raw_server(OK, bound=bound):
        provider.submit(make_message(), 0)
        assert (await bench.outcomes(2))[1] == "Sent('x')"
    assert provider.room() == 20
    assert provider.describe()["connect_failures"] == 0


async def test_a_probe_waits_for_what_was_on_its_way(bench: Bench):
    async with raw_server(OK, silent=True) as server:
        provider = await bench.provider(server.url, down_after=1)
        provider.submit(make_message(), 0)
        await server.asked.wait()
        server.stop_listening()
        await fail(bench, provider, 1)
        assert not provider.is_up()
        bench.clock.advance(1.0)
        assert provider.is_up()
        assert provider.room() == 0
        server.released.set()
        await bench.outcomes(2)
        assert provider.room() == 20


async def test_errors_that_were_answered_do_not_take_it_down(bench: Bench):
    answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(answer) as server:
        provider = await bench.provider(server.url, down_after=1)
        await fail(bench, provider, 3)
        assert provider.room() == 20


# --- start and stop -----------------------------------------------------------------------------


async def test_once_stopped_nothing_is_taken_until_the_next_start(bench: Bench):
    async with raw_server(OK) as server:
        provider = await bench.provider(server.url)
        await provider.stop(1.0)
        await provider.stop(1.0)
        assert not provider.is_up()
        assert provider.room() == 0
        provider.submit(make_message(), 0)
        bench.clock.turn()
        assert await bench.outcomes(1) == ["Deferred('not_connected', throttled=False)"]
        assert server.connections == 0
        await provider.start()
        await provider.start()
        provider.submit(make_message(), 0)
        assert (await bench.outcomes(2))[1] == "Sent('x')"
    assert bench.sink.room_changes == 2


async def test_stop_waits_for_answers(bench: Bench):
    async with raw_server(OK, silent=True) as server:
        provider = await bench.provider(server.url)
        provider.submit(make_message(), 0)
        await server.asked.wait()
        stopping = bench.supervisor.spawn(provider.stop(5.0), "stopping")
        await settle()
        assert provider.room() == 0
        assert not stopping.done()
        server.released.set()
        await stopping
        assert await bench.outcomes(1) == ["Sent('x')"]


async def test_stop_gives_up_at_its_deadline(bench: Bench):
    async with raw_server(OK, silent=True) as server:
        provider = await bench.provider(server.url)
        provider.submit(make_message(), 0)
        await server.asked.wait()
        provider.submit(make_message(), 0)  # cancelled before its task has begun
        stopping = bench.supervisor.spawn(provider.stop(5.0), "stopping")
        await settle(1)
        bench.clock.advance(5.1)
        await stopping
        assert await bench.outcomes(2) == ["Unknown('stopped')"] * 2


async def test_a_stop_while_down_ends_the_backoff(bench: Bench, refusing: str):
    provider = await bench.provider(refusing, down_after=1)
    await fail(bench, provider, 1)
    await provider.stop(1.0)
    bench.clock.advance(60.0)
    assert not provider.is_up()

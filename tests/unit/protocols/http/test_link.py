import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.domain.outcome import Deferred, Unknown
from gateway.runtime.supervisor import Supervisor
from protocols.http.link import HttpLink, HttpLinkOptions, LinkState
from protocols.http.outgoing import HttpAnswer
from tests.support.clock import FakeClock, settle
from tests.support.raw_http import bound_socket, raw_server, refusing_url

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
OPTIONS = HttpLinkOptions(name="carrier", user_agent="Postern/1.2", window=2, down_after=2)


class Bench:
    """A link with everything around it faked but the network."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.deaths: list[str] = []
        self.supervisor = Supervisor(lambda name, error: self.deaths.append(name))
        self.changes = 0
        self.ends: list[object] = []
        self.link = HttpLink(
            OPTIONS, "http://carrier", self.clock, self.supervisor, lambda: 0.0, self.changed
        )

    def changed(self) -> None:
        self.changes += 1

    def begin(self, url: str) -> None:
        self.link.begin(self.link.exchange("GET", url, {}, None), self.ends.append)

    async def ended(self, count: int) -> list[object]:
        """Waits for `count` ends in all."""
        async with asyncio.timeout(10):
            while len(self.ends) < count:  # noqa: ASYNC110 - an end sets no event
                await asyncio.sleep(0)
        return self.ends

    async def go_down(self) -> None:
        """By refused connections."""
        with refusing_url() as url:
            for _ in range(OPTIONS.down_after):
                await self.link.exchange("GET", url, {}, None)
        assert self.link.state is LinkState.DOWN


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    made.link.start()
    yield made
    await made.link.stop(0.0)
    await made.supervisor.stop()


async def test_an_answer_is_read_up_to_the_limit(bench: Bench):
    async with raw_server(OK) as server:
        answer = await bench.link.exchange("GET", server.url, {"X-Key": "k"}, None)
        assert isinstance(answer, HttpAnswer)
        assert (answer.status, answer.body) == (200, b"fine")
        bench.link.adopt(replace(OPTIONS, answer_limit=2), "http://carrier")
        answer = await bench.link.exchange("GET", server.url, {}, None)
        assert isinstance(answer, HttpAnswer)
        assert answer.body == b"fi"
    assert b"X-Key: k\r\n" in server.requests[0]


async def test_what_has_no_answer_says_whether_it_can_have_left(bench: Bench):
    with refusing_url() as url:
        answer = await bench.link.exchange("GET", url, {}, None)
    assert repr(answer) == repr(Deferred("connect_failed"))
    async with raw_server(b"garbage\r\n\r\n") as server:
        answer = await bench.link.exchange("GET", server.url, {}, None)
    assert repr(answer) == repr(Unknown("answer_lost"))


async def test_room_is_the_free_window(bench: Bench):
    async with raw_server(OK, silent=True) as server:
        assert bench.link.room() == 2
        for left in (1, 0, 0):  # begins beyond the room, too
            bench.begin(server.url)
            assert bench.link.room() == left
        assert bench.link.under_way == 3
        changes = bench.changes
        server.released.set()
        await bench.ended(3)
        assert (bench.link.room(), bench.link.under_way) == (2, 0)
        assert bench.changes == changes + 1  # once, when it grew from 0


async def test_down_after_failures_to_connect_and_up_after_an_answer(bench: Bench):
    await bench.go_down()
    assert (bench.link.is_up, bench.link.room(), bench.changes) == (False, 0, 2)
    bench.clock.advance(1.0)
    assert bench.link.state is LinkState.PROBING
    assert (bench.link.is_up, bench.link.room(), bench.changes) == (True, 1, 3)
    async with raw_server(OK) as server:
        await bench.link.exchange("GET", server.url, {}, None)
    assert (bench.link.state, bench.link.room(), bench.changes) == (LinkState.UP, 2, 4)
    assert bench.link.describe() == {
        "url": "http://carrier", "state": "up", "window": 2, "outstanding": 0,
        "connect_failures": 0, "last_error": bench.link.describe()["last_error"],
    }  # fmt: skip


async def test_another_address_is_not_blamed(bench: Bench):
    await bench.go_down()
    bench.link.adopt(OPTIONS, "http://carrier")
    assert bench.link.state is LinkState.DOWN
    bench.link.adopt(OPTIONS, "http://spare")
    assert bench.link.state is LinkState.UP


async def test_a_request_that_is_given_up_or_dies_is_unknown(bench: Bench):
    async def dies() -> None:
        raise ValueError("a defect")

    bench.link.begin(dies(), bench.ends.append)
    await bench.ended(1)
    assert bench.deaths == ["http-provider-carrier"]
    async with raw_server(OK, silent=True) as server:
        bench.begin(server.url)
        await server.asked.wait()
        stopping = bench.supervisor.spawn(bench.link.stop(5.0), "stopping")
        await settle()
        assert not stopping.done()
        bench.clock.advance(5.1)
        await stopping
    assert [repr(end) for end in bench.ends] == ["Unknown('internal_error')", "Unknown('stopped')"]


async def test_a_halt_ends_the_backoff_and_lets_requests_end(bench: Bench):
    async with raw_server(OK, silent=True) as server:
        bench.begin(server.url)
        await server.asked.wait()
        await bench.go_down()
        bench.link.halt()
        bench.clock.advance(60.0)
        assert (bench.link.state, bench.link.room()) == (LinkState.STOPPED, 0)
        server.released.set()
        [end] = await bench.ended(1)
        assert isinstance(end, HttpAnswer)
    bench.link.start()
    bench.link.start()
    assert bench.link.room() == 2


async def test_a_request_keeps_its_session_when_the_options_change(bench: Bench):
    async with raw_server(OK, silent=True, bound=bound_socket()) as server:
        bench.begin(server.url)
        await server.asked.wait()
        bench.link.adopt(replace(OPTIONS, timeout_s=1.0), "http://carrier")
        server.released.set()
        [end] = await bench.ended(1)
        assert isinstance(end, HttpAnswer)

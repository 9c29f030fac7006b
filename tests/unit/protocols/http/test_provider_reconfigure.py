"""Another template or other options for an HTTP provider that runs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.runtime.supervisor import Supervisor
from protocols.http.provider import HttpProvider, HttpProviderOptions
from protocols.http.template import HttpTemplate
from tests.support.clock import FakeClock, settle
from tests.support.http_templates import make_template
from tests.support.raw_http import raw_server, refusing_url
from tests.support.upstream import RecordingSink, make_message

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"id":"x"}'
OPTIONS = HttpProviderOptions(name="carrier", user_agent="Postern/1.2")


def template(url: str, **given: Any) -> HttpTemplate:
    return make_template(url=url, id={"path": "id"}, **given)


class Bench:
    """Makes providers; everything around them is faked but the network."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sink = RecordingSink()
        self.deaths: list[str] = []
        self.supervisor = Supervisor(lambda name, error: self.deaths.append(name))
        self.providers: list[HttpProvider] = []

    async def provider(
        self, made: HttpTemplate, options: HttpProviderOptions = OPTIONS
    ) -> HttpProvider:
        """A started one."""
        provider = HttpProvider(options, made, self.sink, self.clock, self.supervisor, lambda: 0.0)
        self.providers.append(provider)
        await provider.start()
        return provider

    async def outcomes(self, count: int) -> list[str]:
        """Waits for `count` outcomes in all; their kinds."""
        async with asyncio.timeout(10):
            while len(self.sink.outcomes) < count:
                await self.sink.changed.wait()
                self.sink.changed.clear()
        await settle()
        return [type(outcome).__name__ for _, _, outcome in self.sink.outcomes]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    for provider in made.providers:
        await provider.stop(0.0)
        made.clock.advance(1.0)
    await made.supervisor.stop()
    assert made.deaths == []


async def test_the_next_message_goes_by_the_new_template(bench: Bench) -> None:
    async with raw_server(OK) as server:
        provider = await bench.provider(template(server.url, query={"v": "old"}))
        provider.submit(make_message(key=1), 0)
        await bench.outcomes(1)
        provider.reconfigure(OPTIONS, template(server.url, query={"v": "new"}))
        provider.submit(make_message(key=2), 0)
        assert await bench.outcomes(2) == ["Sent", "Sent"]
    assert [b"v=new" in request for request in server.requests] == [False, True]


async def test_a_request_under_way_ends_as_it_began(bench: Bench) -> None:
    async with raw_server(OK, silent=True) as silent, raw_server(OK) as server:
        provider = await bench.provider(
            template(silent.url), replace(OPTIONS, timeout_s=30.0, window=2)
        )
        provider.submit(make_message(key=1), 0)
        await silent.asked.wait()
        provider.reconfigure(replace(OPTIONS, timeout_s=5.0, window=2), template(server.url))
        assert provider.room() == 1  # it counts in the new window
        provider.submit(make_message(key=2), 0)
        assert await bench.outcomes(1) == ["Sent"]
        silent.released.set()
        assert await bench.outcomes(2) == ["Sent", "Sent"]
    assert bench.sink.outcomes[1][0].key == 1


async def test_a_new_timeout_counts_for_the_next_request(bench: Bench) -> None:
    async with raw_server(OK, silent=True) as server:
        provider = await bench.provider(template(server.url))
        provider.reconfigure(replace(OPTIONS, timeout_s=0.05), template(server.url))
        provider.submit(make_message(), 0)
        assert await bench.outcomes(1) == ["Unknown"]


async def test_a_wider_window_has_room_at_once(bench: Bench) -> None:
    async with raw_server(OK, silent=True) as server:
        made = template(server.url)
        provider = await bench.provider(made, replace(OPTIONS, window=1))
        provider.submit(make_message(), 0)
        assert provider.room() == 0
        changes = bench.sink.room_changes
        provider.reconfigure(replace(OPTIONS, window=3), made)
        assert provider.room() == 2
        assert bench.sink.room_changes > changes


async def test_who_splits_long_texts_changes_once_nothing_is_under_way(bench: Bench) -> None:
    async with raw_server(OK, silent=True) as silent:
        provider = await bench.provider(template(silent.url, split="provider"))
        provider.submit(make_message("x" * 200), 0)
        await silent.asked.wait()
        provider.reconfigure(OPTIONS, template(silent.url, split="gateway"))
        assert provider.whole_text
        assert (provider.room(), provider.is_up()) == (0, True)
        changes = bench.sink.room_changes
        silent.released.set()
        assert await bench.outcomes(1) == ["Sent"]
        assert not provider.whole_text
        assert provider.room() == OPTIONS.window
        assert bench.sink.room_changes > changes


async def test_a_change_of_mind_while_waiting_counts(bench: Bench) -> None:
    async with raw_server(OK, silent=True) as silent:
        provider = await bench.provider(template(silent.url, split="provider"))
        provider.submit(make_message(), 0)
        await silent.asked.wait()
        provider.reconfigure(OPTIONS, template(silent.url, split="gateway"))
        provider.reconfigure(replace(OPTIONS, window=4), template(silent.url, split="provider"))
        assert (provider.whole_text, provider.room()) == (True, 3)
        silent.released.set()
        await bench.outcomes(1)
        assert (provider.whole_text, provider.room()) == (True, 4)


async def test_another_address_is_not_blamed_for_the_last_one(bench: Bench) -> None:
    with refusing_url() as refusing:
        provider = await bench.provider(template(refusing), replace(OPTIONS, down_after=1))
        provider.submit(make_message(), 0)
        assert await bench.outcomes(1) == ["Deferred"]
        assert not provider.is_up()
        provider.reconfigure(replace(OPTIONS, window=9), template(refusing))
        assert not provider.is_up()  # the same address
        async with raw_server(OK) as server:
            provider.reconfigure(OPTIONS, template(server.url))
            assert provider.is_up()
            provider.submit(make_message(key=2), 0)
            assert await bench.outcomes(2) == ["Deferred", "Sent"]


async def test_a_template_without_its_callback_url_changes_nothing(bench: Bench) -> None:
    receipt = {"id": "id", "state": "s", "states": {"delivered": ("ok",)}, "token": "t"}
    async with raw_server(OK) as server:
        provider = await bench.provider(template(server.url))
        with pytest.raises(ValueError, match=r"\{callback_url\}"):
            provider.reconfigure(
                replace(OPTIONS, window=1),
                template(server.url, query={"cb": "{callback_url}"}, receipt=receipt),
            )
        assert provider.room() == OPTIONS.window

"""The provider that speaks a dialect: what goes together, what becomes of each, when there is room."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web

from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from gateway.domain.receipt import AwaitedReceipt
from gateway.runtime.supervisor import Supervisor
from protocols.http.dialect_provider import (
    SETTLED_AT_ONCE,
    DialectProvider,
    DialectProviderOptions,
)
from protocols.http.receipt_poll import PollPlan
from tests.support.clock import FakeClock, settle
from tests.support.raw_http import raw_server, refusing_url
from tests.support.upstream import RecordingSink, make_message
from tests.support.vendor import Asked, PlainDialect, Vendor, selling

OPTIONS = DialectProviderOptions(name="carrier", wire="plain", user_agent="Postern/1.2", window=2)


def takes(asked: Asked) -> web.Response:
    """An id for every recipient."""
    return web.json_response({to: f"id-{to}" for to in asked.json["to"]})


class Bench:
    """A provider with everything around it faked but the network."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.clock = FakeClock()
        self.sink = RecordingSink()
        self.deaths: list[str] = []
        self.supervisor = Supervisor(lambda name, error: self.deaths.append(name))
        self.dialect = PlainDialect(vendor.url)
        self.providers: list[DialectProvider] = []
        self.passes = 0  # of the poll
        self.owed: list[AwaitedReceipt] = []
        vendor.answer = takes

    async def provider(self, options: DialectProviderOptions = OPTIONS) -> DialectProvider:
        """A started one."""
        made = DialectProvider(
            options, self.dialect, self.sink, self.awaited, self.clock, self.supervisor,
            lambda: 0.0,
        )  # fmt: skip
        self.providers.append(made)
        await made.start()
        await settle()  # its services sleep now
        return made

    async def awaited(self, position: tuple[str, int], limit: int) -> list[AwaitedReceipt]:
        self.passes += 1
        return self.owed

    async def outcomes(self, count: int) -> dict[str, str]:
        """Waits for `count` outcomes in all; by recipient."""
        async with asyncio.timeout(10):
            while len(self.sink.outcomes) < count:
                self.sink.changed.clear()
                await self.sink.changed.wait()
        await settle()
        assert len(self.sink.outcomes) == count
        assert {part for _, part, _ in self.sink.outcomes} <= {0}
        return {message.recipient: repr(outcome) for message, _, outcome in self.sink.outcomes}

    def sent_to(self) -> list[list[str]]:
        """The recipients of each request."""
        return [asked.json["to"] for asked in self.vendor.asked]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with selling() as vendor:
        made = Bench(vendor)
        yield made
        for provider in made.providers:
            await provider.stop(0.0)
            made.clock.advance(1.0)
        await made.supervisor.stop()
        assert made.deaths == []


def submit(provider: DialectProvider, *recipients: str, text: str = "hello") -> list[Message]:
    messages = [make_message(text, recipient=recipient) for recipient in recipients]
    for message in messages:
        provider.submit(message, 0)
    return messages


# --- together -----------------------------------------------------------------------------------


async def test_equal_messages_of_one_turn_go_in_one_request(bench: Bench):
    provider = await bench.provider()
    submit(provider, "1", "2")
    submit(provider, "3", text="other")
    assert bench.sink.outcomes == []
    assert provider.in_flight() == 3
    bench.clock.turn()
    assert await bench.outcomes(3) == {n: f"Sent('id-{n}')" for n in "123"}
    assert bench.sent_to() == [["1", "2"], ["3"]]
    assert bench.vendor.asked[0].headers["User-Agent"] == "Postern/1.2"
    assert provider.in_flight() == 0


async def test_each_message_has_its_own_outcome(bench: Bench):
    bench.vendor.answer = lambda _asked: web.json_response({"1": "a", "3": "b"})
    provider = await bench.provider()
    submit(provider, "1", "2", "3")
    bench.clock.turn()
    assert await bench.outcomes(3) == {
        "1": "Sent('a')", "2": "Refused('no_id', everywhere=False)", "3": "Sent('b')",
    }  # fmt: skip


async def test_no_more_go_together_than_the_vendor_takes(bench: Bench):
    provider = await bench.provider()
    submit(provider, "1", "2", "3", "4")
    bench.clock.turn()
    await bench.outcomes(4)
    assert sorted(bench.sent_to()) == [["1", "2", "3"], ["4"]]


async def test_what_comes_while_all_requests_are_busy_goes_together(bench: Bench):
    bench.vendor.gate.clear()
    provider = await bench.provider()
    submit(provider, "1", text="a")
    submit(provider, "2", text="b")
    bench.clock.turn()
    await bench.vendor.requests(2)
    for recipient in "345":
        submit(provider, recipient, text="c")
        bench.clock.turn()
    assert provider.in_flight() == 5
    bench.vendor.gate.set()
    await bench.outcomes(5)
    assert bench.sent_to()[2:] == [["3", "4", "5"]]


async def test_two_messages_to_one_number_are_two_requests(bench: Bench):
    provider = await bench.provider()
    submit(provider, "1", "1")
    bench.clock.turn()
    await bench.outcomes(2)
    assert bench.sent_to() == [["1"], ["1"]]


async def test_a_large_answer_does_not_hold_up_the_loop(bench: Bench):
    bench.dialect.most_together = 1000
    provider = await bench.provider()
    numbers = [str(n) for n in range(3 * SETTLED_AT_ONCE + 1)]
    submit(provider, *numbers)
    bench.clock.turn()
    told: list[int] = []
    async with asyncio.timeout(10):
        while len(bench.sink.outcomes) < len(numbers):
            before = len(bench.sink.outcomes)
            await asyncio.sleep(0)
            told.append(len(bench.sink.outcomes) - before)
    assert max(told) == SETTLED_AT_ONCE
    assert provider.in_flight() == 0


# --- what goes wrong ----------------------------------------------------------------------------


async def test_a_lost_answer_leaves_all_of_them_unknown(bench: Bench):
    async with raw_server(b"garbage\r\n\r\n", until=b"}") as server:
        bench.dialect.origin = server.url
        provider = await bench.provider()
        submit(provider, "1", "2")
        bench.clock.turn()
        assert await bench.outcomes(2) == dict.fromkeys("12", "Unknown('answer_lost')")


async def test_a_silent_request_is_one_failure_whatever_it_carried(bench: Bench):
    bench.vendor.gate.clear()
    provider = await bench.provider(replace(OPTIONS, timeout_s=0.05))
    submit(provider, "1", "2")
    bench.clock.turn()
    assert await bench.outcomes(2) == {
        "1": "Unknown('answer_lost', silent=True)", "2": "Unknown('answer_lost')",
    }  # fmt: skip


async def test_without_a_connection_all_of_them_are_deferred(bench: Bench):
    with refusing_url() as url:
        bench.dialect.origin = url
        provider = await bench.provider()
        submit(provider, "1", "2")
        bench.clock.turn()
        deferred = "Deferred('connect_failed', throttled=False)"
        assert await bench.outcomes(2) == dict.fromkeys("12", deferred)


async def test_a_throttled_request_throttles_all_of_them(bench: Bench):
    bench.vendor.answer = lambda _asked: web.Response(status=429)
    provider = await bench.provider()
    submit(provider, "1", "2")
    bench.clock.turn()
    assert await bench.outcomes(2) == dict.fromkeys("12", "Deferred('http_429', throttled=True)")


async def test_what_the_vendor_never_takes_is_not_sent(bench: Bench):
    provider = await bench.provider()
    provider.submit(make_message(None, recipient="1"), 0)
    provider.submit(make_message(sender="BAD", recipient="2"), 0)
    assert bench.sink.outcomes == []  # not before submit has returned
    bench.clock.turn()
    assert await bench.outcomes(2) == {
        "1": "Refused('no_text', everywhere=False)", "2": "Refused('bad_sender', everywhere=False)",
    }  # fmt: skip
    assert bench.vendor.asked == []


async def test_a_dialect_that_miscounts_is_a_defect_and_loses_no_message(bench: Bench):
    bench.vendor.answer = lambda _asked: web.json_response({"1": "a", "2": "b", "most": 1})
    provider = await bench.provider()
    submit(provider, "1", "2")
    bench.clock.turn()
    assert await bench.outcomes(2) == dict.fromkeys("12", "Unknown('internal_error')")
    assert bench.deaths == ["http-provider-carrier"]
    bench.deaths.clear()


# --- room ---------------------------------------------------------------------------------------


async def test_room_follows_what_requests_carry(bench: Bench):
    bench.dialect.most_together = 8
    bench.vendor.gate.clear()
    provider = await bench.provider(replace(OPTIONS, window=5))
    assert (provider.room(), provider.capacity()) == (5, 40)
    submit(provider, *"12345")
    assert provider.room() == 0
    changes = bench.sink.room_changes
    bench.clock.turn()  # all five in one request: room for eight in each of the others
    assert provider.room() == 4 * 8
    assert bench.sink.room_changes == changes + 1
    for n in range(4):  # texts of their own: room for two in each free request
        submit(provider, "1", text=f"text {n}")
    bench.clock.turn()
    assert provider.room() == 0
    bench.vendor.gate.set()
    await bench.outcomes(9)
    assert provider.room() == 5 * 2


async def test_without_bulk_sends_room_is_the_window(bench: Bench):
    bench.dialect.most_together = 1
    bench.vendor.gate.clear()
    provider = await bench.provider()
    submit(provider, "1")
    bench.clock.turn()
    assert (provider.room(), provider.in_flight()) == (1, 1)
    submit(provider, "2", "3")  # beyond it
    bench.clock.turn()
    assert (provider.room(), provider.in_flight()) == (0, 3)
    bench.vendor.gate.set()
    await bench.outcomes(3)
    assert provider.room() == 2


# --- up and down --------------------------------------------------------------------------------


async def test_what_waits_when_the_link_goes_down_is_given_back(bench: Bench):
    bench.vendor.gate.clear()
    provider = await bench.provider(replace(OPTIONS, window=1, down_after=1))
    submit(provider, "1")
    bench.clock.turn()
    await bench.vendor.requests(1)
    submit(provider, "2", "3")
    bench.clock.turn()
    with refusing_url() as url:
        bench.dialect = PlainDialect(url)
        provider.reconfigure(replace(OPTIONS, window=2, down_after=1), bench.dialect)
        bench.clock.turn()  # the second request fails
        submit(provider, "4", text="other")
        async with asyncio.timeout(10):
            while provider.is_up():  # noqa: ASYNC110 - the link sets no event
                await asyncio.sleep(0)
        submit(provider, "5")  # the news has not reached everybody
        bench.clock.turn()
        outcomes = await bench.outcomes(4)
    assert outcomes.pop("2") == outcomes.pop("3") == "Deferred('connect_failed', throttled=False)"
    assert set(outcomes.values()) == {"Deferred('not_connected', throttled=False, unsent=True)"}
    bench.vendor.gate.set()  # the first request is answered: the link stands after all
    await bench.outcomes(5)
    assert provider.is_up()


async def test_one_message_is_on_trial_after_a_backoff(bench: Bench):
    provider = await bench.provider(replace(OPTIONS, down_after=1))
    submit(provider, "1", "2")
    bench.clock.turn()
    await bench.outcomes(2)
    assert provider.room() == 2 * 3  # two requests that carry what the last one did
    with refusing_url() as url:
        provider.reconfigure(replace(OPTIONS, down_after=1), PlainDialect(url))
        submit(provider, "3")
        bench.clock.turn()
        await bench.outcomes(3)
        assert (provider.is_up(), provider.room()) == (False, 0)
        bench.clock.advance(1.0)
        assert (provider.is_up(), provider.room()) == (True, 1)
        submit(provider, "4")
        assert provider.room() == 0
        bench.clock.turn()
        await bench.outcomes(4)
        assert not provider.is_up()


async def test_once_stopped_nothing_is_taken_until_the_next_start(bench: Bench):
    provider = await bench.provider()
    submit(provider, "1")
    await provider.stop(1.0)
    await provider.stop(1.0)
    submit(provider, "2")
    bench.clock.turn()
    assert await bench.outcomes(2) == {
        "1": "Deferred('not_connected', throttled=False, unsent=True)",
        "2": "Deferred('not_connected', throttled=False)",
    }
    assert not provider.is_up()
    await provider.start()
    await provider.start()
    submit(provider, "3")
    bench.clock.turn()
    assert (await bench.outcomes(3))["3"] == "Sent('id-3')"


async def test_stop_waits_for_answers_and_gives_up_at_its_deadline(bench: Bench):
    bench.vendor.gate.clear()
    provider = await bench.provider()
    submit(provider, "1", "2")
    bench.clock.turn()
    await bench.vendor.requests(1)
    stopping = bench.supervisor.spawn(provider.stop(5.0), "stopping")
    await settle()
    assert not stopping.done()
    bench.clock.advance(5.1)
    await stopping
    assert await bench.outcomes(2) == dict.fromkeys("12", "Unknown('stopped')")
    assert provider.in_flight() == 0


# --- other settings -----------------------------------------------------------------------------


async def test_what_waits_goes_by_the_new_dialect(bench: Bench):
    provider = await bench.provider()
    submit(provider, "1", "2")
    spare = PlainDialect(bench.vendor.url + "/spare")
    provider.reconfigure(replace(OPTIONS, callback_url="http://gw/cb"), spare)
    bench.clock.turn()
    await bench.outcomes(2)
    [asked] = bench.vendor.asked
    assert (asked.path, asked.json["callback"]) == ("/spare/send", "http://gw/cb")


async def test_a_wider_window_has_room_at_once(bench: Bench):
    provider = await bench.provider()
    changes = bench.sink.room_changes
    provider.reconfigure(replace(OPTIONS, window=7), bench.dialect)
    assert provider.room() == 7
    assert bench.sink.room_changes > changes


async def test_what_it_says_of_itself(bench: Bench):
    bench.vendor.answer = lambda _asked: web.Response(body=b"12500000")
    bench.vendor.gate.clear()
    provider = await bench.provider(replace(OPTIONS, balance_every_s=60.0))
    assert provider.whole_text
    expected = {
        "wire": "plain", "url": bench.vendor.url, "state": "up", "window": 2, "outstanding": 0,
        "requests": 0, "polls": 0, "connect_failures": 0, "last_error": "", "balance": None,
    }  # fmt: skip
    assert provider.describe() == expected
    bench.vendor.gate.set()
    [asked] = await bench.vendor.requests(1)
    assert (asked.method, asked.path) == ("GET", "/balance")
    async with asyncio.timeout(10):
        while provider.describe()["balance"] is None:  # noqa: ASYNC110 - the probe sets no event
            await asyncio.sleep(0)
    assert provider.describe() == {**expected, "balance": "12.5"}


async def test_services_follow_the_settings(bench: Bench):
    bench.vendor.answer = lambda _asked: web.Response(body=b"1")
    provider = await bench.provider()
    await settle()
    assert bench.vendor.asked == []  # no balance is asked for
    provider.reconfigure(replace(OPTIONS, balance_every_s=60.0), bench.dialect)
    await bench.vendor.requests(1)
    provider.reconfigure(replace(OPTIONS, balance_every_s=30.0), bench.dialect)
    await bench.vendor.requests(2)
    other = PlainDialect(bench.vendor.url + "/other")
    provider.reconfigure(replace(OPTIONS, balance_every_s=30.0, window=9), other)
    await settle()
    await bench.clock.advance_async(30.0, step=10.0)
    assert (await bench.vendor.requests(3))[2].path == "/other/balance"


async def test_receipts_are_asked_for_by_plan(bench: Bench):
    provider = await bench.provider(replace(OPTIONS, poll=PollPlan((10,), 60)))
    await bench.clock.advance_async(4.0, step=1.0)
    assert bench.passes == 0
    await bench.clock.advance_async(1.0, step=1.0)
    assert bench.passes == 1
    provider.reconfigure(replace(OPTIONS, poll=PollPlan((2,), 60)), bench.dialect)
    await settle()
    await bench.clock.advance_async(1.0, step=1.0)
    assert bench.passes == 2
    provider.reconfigure(OPTIONS, bench.dialect)
    await bench.clock.advance_async(60.0, step=10.0)
    assert bench.passes == 2


async def test_a_receipt_that_was_asked_for_reaches_the_heart(bench: Bench):
    bench.vendor.answer = lambda _asked: web.json_response({"id-1": "DELIVERED"})
    bench.owed = [AwaitedReceipt(("id-1", 1), "id-1", "1", bench.clock.now_ms())]
    provider = await bench.provider(replace(OPTIONS, poll=PollPlan((2,), 60)))
    await bench.clock.advance_async(2.0, step=1.0)
    [asked] = await bench.vendor.requests(1)
    assert (asked.method, asked.path) == ("GET", "/status?ids=id-1")
    async with asyncio.timeout(10):
        while not bench.sink.receipts:
            bench.sink.changed.clear()
            await bench.sink.changed.wait()
    [receipt] = bench.sink.receipts
    assert (receipt.provider_message_id, receipt.state) == ("id-1", MessageState.DELIVERED)
    assert provider.describe()["polls"] == 1


async def test_a_dialect_that_has_no_polls_is_not_asked(bench: Bench):
    bench.dialect.polls = False
    await bench.provider(replace(OPTIONS, poll=PollPlan((10,), 60)))
    await bench.clock.advance_async(60.0, step=10.0)
    assert bench.passes == 0

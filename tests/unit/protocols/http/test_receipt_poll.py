import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from gateway.domain.errors import StoreUnavailable
from gateway.domain.lifecycle import MessageState
from gateway.domain.receipt import AwaitedReceipt
from gateway.runtime.supervisor import Supervisor
from protocols.http import receipt_poll
from protocols.http.receipt_poll import RETRY_S, PollPlan, ReceiptPoll
from tests.support.clock import FakeClock, settle
from tests.support.upstream import RecordingSink
from tests.support.vendor import Line, PlainDialect

PLAN = PollPlan((5, 15, 60), 60)  # one request a second


class Bench:
    """A poll over a store that is a list and a vendor that answers at once."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sink = RecordingSink()
        self.deaths: list[str] = []
        self.supervisor = Supervisor(lambda name, error: self.deaths.append(name))
        self.line = Line()
        self.dialect = PlainDialect("http://vendor")
        self.awaited: list[AwaitedReceipt] = []
        self.reads: list[tuple[str, int]] = []
        self.store_is_away = False
        self.reading_s = 0.0
        self.poll = ReceiptPoll(
            self.dialect, PLAN, self.line, self.sink, self.read_awaited, self.clock
        )
        self.tells({})

    async def read_awaited(self, position: tuple[str, int], limit: int) -> list[AwaitedReceipt]:
        if self.store_is_away:
            raise StoreUnavailable("away")
        self.reads.append(position)
        self.clock.advance(self.reading_s)
        return [item for item in self.awaited if item.position > position][:limit]

    def sent(self, *ids: str) -> None:
        """These have just been sent."""
        for id in ids:
            position = (id, len(self.awaited))
            self.awaited.append(AwaitedReceipt(position, id, "66800000000", self.clock.now_ms()))
        self.awaited.sort()

    def tells(self, told: dict[str, str]) -> None:
        """What the vendor says to every question."""
        self.line.answer = lambda _asked: web.json_response(told)

    async def pass_time(self, seconds: float, step: float = 0.5) -> None:
        await self.clock.advance_async(seconds, step)

    def questions(self) -> list[str]:
        return [asked.path.partition("ids=")[2] for asked in self.line.asked]

    def receipts(self) -> list[tuple[str, MessageState]]:
        return [(r.provider_message_id, r.state) for r in self.sink.receipts]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    made.supervisor.spawn(made.poll.run(), "poll")
    await settle()
    yield made
    await made.supervisor.stop()
    assert made.deaths == []


# --- the plan -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_s", "marks"),
    [(-1, 0), (0, 0), (4.9, 0), (5, 1), (14, 1), (15, 2), (59, 2), (60, 3), (119, 3), (120, 4), (600, 12)],
)  # fmt: skip
def test_marks_that_an_age_has_passed(age_s: float, marks: int):
    assert PLAN.marks_passed(age_s) == marks


async def test_a_message_is_asked_about_at_growing_intervals(bench: Bench):
    bench.sent("a")
    times = []
    for _ in range(200):
        before = len(bench.line.asked)
        await bench.pass_time(1.0)
        if len(bench.line.asked) > before:
            times.append(round(bench.clock.monotonic() - 1000))
    # A pass every 2.5 s.
    assert all(0 <= a - b <= 3 for a, b in zip(times, (5, 15, 60, 120, 180), strict=True))


# --- what is asked ------------------------------------------------------------------------------


async def test_receipts_reach_the_heart(bench: Bench):
    bench.sent("a", "b")
    bench.tells({"a": "DELIVERED", "b": "FAILED"})
    await bench.pass_time(8)
    assert bench.questions() == ["a,b"]
    assert bench.receipts() == [("a", MessageState.DELIVERED), ("b", MessageState.FAILED)]
    assert bench.poll.requests == 1


async def test_what_was_sent_before_a_restart_is_asked_about_once(bench: Bench):
    bench.sent("old")
    bench.clock.advance(3600)  # the daemon was away
    await bench.pass_time(5)
    assert bench.questions() == ["old"]


async def test_every_page_of_the_store_is_read(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(receipt_poll, "PAGE", 2)
    bench.sent("a", "b", "c", "d", "e")
    await bench.pass_time(12)
    assert bench.questions() == ["a,b", "c,d", "e"]
    assert bench.reads[-3:] == [("", 0), ("b", 1), ("d", 3)]


async def test_further_pages_come_before_the_next_question(bench: Bench):
    bench.dialect.ids_in_a_poll = 1
    bench.sent("a", "b")
    pages = {
        "a": {"a": "DELIVERED", "further": "a2"},
        "a2": {"further": "a3"},
        "a3": {"x": "FAILED"},
        "b": {"b": "DELIVERED"},
    }
    bench.line.answer = lambda asked: web.json_response(pages[asked.path.partition("=")[2]])
    await bench.pass_time(12)
    assert bench.questions() == ["a", "a2", "a3", "b"]
    assert [id for id, _ in bench.receipts()] == ["a", "x", "b"]


async def test_pages_without_end_are_left(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(receipt_poll, "MOST_FURTHER", 3)
    bench.sent("a")
    bench.tells({"further": "a"})
    await bench.pass_time(12)
    assert bench.questions() == ["a"] * 4


# --- how fast -----------------------------------------------------------------------------------


async def test_requests_keep_to_the_rate(bench: Bench):
    bench.dialect.ids_in_a_poll = 1
    bench.sent(*"abcdefghij")
    await bench.pass_time(5)
    before = len(bench.line.asked)
    await bench.pass_time(4)
    assert len(bench.line.asked) - before == 4


async def test_a_slow_store_is_read_seldom(bench: Bench):
    bench.reading_s = 2.0
    await bench.pass_time(5, step=2.5)
    first = len(bench.reads)
    await bench.pass_time(16)
    assert (first, len(bench.reads)) == (1, 1)
    await bench.pass_time(3)
    assert len(bench.reads) == 2


@pytest.mark.parametrize(
    ("answer", "patience_s"),
    [
        (lambda: web.Response(status=429), 60),
        (lambda: web.Response(status=429, headers={"Retry-After": "9"}), 9),
        (lambda: web.Response(status=429, headers={"Retry-After": "soon"}), 60),
        (lambda: web.Response(status=429, headers={"Retry-After": "99999"}), 3600),
        (lambda: web.Response(status=503), 7),
    ],
    ids=["429", "with its time", "in words", "for ever", "by the dialect"],
)
async def test_patience_is_had_and_the_question_put_again(
    bench: Bench, answer: Callable[[], web.Response], patience_s: int
):
    bench.sent("a")
    bench.line.answer = lambda _asked: answer()
    await bench.pass_time(7.5)
    assert bench.questions() == ["a"]
    bench.tells({"a": "DELIVERED"})
    since = bench.clock.monotonic()
    async with asyncio.timeout(10):
        while len(bench.line.asked) == 1:
            await bench.pass_time(1.0, step=1.0)
            bench.clock.advance(patience_s // 60)  # nobody waits an hour
    waited = bench.clock.monotonic() - since
    assert patience_s - 4 <= waited <= patience_s + 2 + patience_s // 60
    assert bench.receipts()[0] == ("a", MessageState.DELIVERED)


# --- what goes wrong ----------------------------------------------------------------------------


async def test_a_lost_answer_is_asked_again_at_the_next_mark(bench: Bench):
    bench.line.loses_answers = True
    bench.sent("a")
    bench.tells({"a": "DELIVERED"})
    await bench.pass_time(9)
    assert (bench.questions(), bench.receipts()) == (["a"], [])
    bench.line.loses_answers = False
    await bench.pass_time(9)
    assert bench.receipts() == [("a", MessageState.DELIVERED)]


async def test_nothing_is_asked_while_the_link_is_down(bench: Bench):
    bench.line.is_up = False
    bench.sent("a")
    await bench.pass_time(20)
    assert bench.line.asked == []
    bench.line.is_up = True
    await bench.pass_time(RETRY_S + 1)
    assert bench.questions() == ["a"]


async def test_a_store_that_is_away_is_waited_for(bench: Bench):
    bench.sent("a")
    bench.store_is_away = True
    await bench.pass_time(20)
    assert bench.line.asked == []
    bench.store_is_away = False
    await bench.pass_time(RETRY_S + 1)
    assert bench.questions() == ["a"]


async def test_a_receipt_that_cannot_be_stored_is_handed_over_again(bench: Bench):
    bench.sent("a")
    bench.tells({"a": "DELIVERED"})
    bench.sink.store_ok = False
    await bench.pass_time(8)
    bench.sink.store_ok = True
    await bench.pass_time(RETRY_S + 1)
    assert len(bench.line.asked) == 1
    bench.awaited.clear()
    assert bench.receipts()[0] == bench.receipts()[-1] == ("a", MessageState.DELIVERED)
    told = len(bench.sink.receipts)
    await bench.pass_time(4)
    assert len(bench.sink.receipts) == told


async def test_many_receipts_do_not_hold_up_the_loop(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(receipt_poll, "STORED_AT_ONCE", 2)
    bench.sent("a")
    bench.tells(dict.fromkeys("abcde", "DELIVERED"))
    taken: list[int] = []
    bench.clock.advance(8)
    async with asyncio.timeout(10):
        while len(bench.sink.receipts) < 5:
            before = len(bench.sink.receipts)
            await asyncio.sleep(0)
            taken.append(len(bench.sink.receipts) - before)
    assert max(taken) == 2


async def test_other_settings_count_at_once(bench: Bench):
    bench.poll.plan = PollPlan((1,), 60)
    bench.poll.dialect = PlainDialect("http://other")
    bench.sent("a")
    await bench.pass_time(4)
    paths = {asked.path.partition("?")[0] for asked in bench.line.asked}
    assert paths == {"http://other/status"}

"""Asks a vendor for the receipts it does not bring.

Theory of operation.  What is awaited stands in the store and nowhere else, so that a restart loses
nothing: the poll goes through it again and again, page by page, in the order of the provider's ids,
which brings the recipients of one bulk send together.  A message is asked about when its age has
passed one of the plan's marks since the pass before; a pass that takes long, because requests are
few, asks about every message once.  Requests go one at a time and evenly spaced.  What a vendor did
not answer is asked again at the next mark.
"""

import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.domain.errors import StoreUnavailable
from gateway.domain.receipt import AwaitedReceipt, Receipt
from gateway.ports import Clock, ProviderSink
from protocols.http.dialect import Awaited, Dialect, HttpCall, PollRead
from protocols.http.link import HttpLink
from protocols.http.outgoing import HttpAnswer
from protocols.http.stored_receipts import store_receipts

PAGE = 1000  # awaited receipts read at a time
STORED_AT_ONCE = 100  # receipts handed over in one loop turn
MOST_FURTHER = 200  # pages after the first of one request
RETRY_S = 5.0  # while the link or the store is away
THROTTLED_S = 60  # when a 429 does not say for how long
MOST_PATIENCE_S = 3600
_SECONDS = re.compile("[0-9]{1,9}")
_TIMES_READING = 10  # the pause between two passes, in times of what reading the store took

# The next awaited receipts past a position, at most so many.
ReadAwaited = Callable[[tuple[str, int], int], Awaitable[Sequence[AwaitedReceipt]]]


@dataclass(frozen=True, slots=True)
class PollPlan:
    """When messages are asked about, and how many requests may be made.

    `ages_s`: seconds after a message was sent, ascending, not empty; the last repeats.
    """

    ages_s: tuple[int, ...]
    per_min: int

    def marks_passed(self, age_s: float) -> int:
        """How often a message of this age should have been asked about."""
        last = self.ages_s[-1]
        if age_s < last:
            return sum(age_s >= mark for mark in self.ages_s)
        return len(self.ages_s) - 1 + int(age_s // last)


class ReceiptPoll:
    """The poll of one provider; `run` is its service.  `dialect` and `plan` may be replaced."""

    def __init__(
        self,
        dialect: Dialect,
        plan: PollPlan,
        link: HttpLink,
        sink: ProviderSink,
        read_awaited: ReadAwaited,
        clock: Clock,
    ) -> None:
        self.dialect = dialect
        self.plan = plan
        self.requests = 0
        self._link = link
        self._sink = sink
        self._read_awaited = read_awaited
        self._clock = clock
        self._last_pass_ms = 0
        self._reading_s = 0.0  # in the last pass
        self._next_request_at = 0.0  # monotonic seconds

    async def run(self) -> None:
        """For ever."""
        while True:
            soon = max(0.5, self.plan.ages_s[0] / 2)
            await self._clock.sleep(max(soon, self._reading_s * _TIMES_READING))
            await self._pass()

    async def _pass(self) -> None:
        """Asks once about everything that is due."""
        now_ms = self._clock.now_ms()
        self._reading_s = 0.0
        position = ("", 0)
        while True:
            page = await self._page(position)
            due = self._due(page, now_ms)
            if due:
                await self._ask(due)
            if len(page) < PAGE:
                break
            position = page[-1].position
        self._last_pass_ms = now_ms

    async def _page(self, position: tuple[str, int]) -> Sequence[AwaitedReceipt]:
        while True:
            began = self._clock.monotonic()
            try:
                page = await self._read_awaited(position, PAGE)
            except StoreUnavailable:
                await self._clock.sleep(RETRY_S)
                continue
            self._reading_s += self._clock.monotonic() - began
            return page

    def _due(self, page: Sequence[AwaitedReceipt], now_ms: int) -> list[Awaited]:
        passed, last_ms = self.plan.marks_passed, self._last_pass_ms
        return [
            Awaited(item.provider_message_id, item.recipient, item.sent_at_ms)
            for item in page
            if passed((now_ms - item.sent_at_ms) / 1000)
            > passed((last_ms - item.sent_at_ms) / 1000)
        ]

    async def _ask(self, due: Sequence[Awaited]) -> None:
        dialect = self.dialect
        calls = deque((call, 0) for call in dialect.poll(due))
        while calls:
            call, pages_before = calls.popleft()
            answer = await self._request(call)
            if not isinstance(answer, HttpAnswer):
                continue
            read = dialect.read_poll(call, due, answer.status, answer.body)
            await self._keep(read.receipts)
            if answer.status == 429 or read.retry_after_s:
                self._next_request_at = self._clock.monotonic() + _patience_s(answer, read)
                calls.appendleft((call, pages_before))
            elif pages_before < MOST_FURTHER:
                calls.extendleft((further, pages_before + 1) for further in reversed(read.further))

    async def _request(self, call: HttpCall) -> object:
        """The answer, in its turn and once the link stands."""
        await self._clock.sleep(max(0.0, self._next_request_at - self._clock.monotonic()))
        while not self._link.is_up:
            await self._clock.sleep(RETRY_S)
        self._next_request_at = self._clock.monotonic() + 60.0 / self.plan.per_min
        self.requests += 1
        return await self._link.exchange(*call)

    async def _keep(self, receipts: Sequence[Receipt]) -> None:
        """Returns once all of them are on disk."""
        for at in range(0, len(receipts), STORED_AT_ONCE):
            some = receipts[at : at + STORED_AT_ONCE]
            while not await store_receipts(some, self._sink):
                await self._clock.sleep(RETRY_S)
            await self._clock.sleep(0)


def _patience_s(answer: HttpAnswer, read: PollRead) -> int:
    """For how long a vendor wants no more questions."""
    asked = answer.headers.get("Retry-After", "")
    seconds = read.retry_after_s or (int(asked) if _SECONDS.fullmatch(asked) else THROTTLED_S)
    return min(max(1, seconds), MOST_PATIENCE_S)

"""The webhook notifier: tells customers over HTTP what became of their messages.

A delivery is owed in the store until it is done or abandoned; this service polls for what is due,
sends it in the form of its kind, and writes back how it went.  It may tell the same thing twice
(after a crash, or when the store could not note the success).  A slow host holds up only its own
deliveries: at most PER_HOST of them run at the same time, and those that wait for it (up to
KNOWN_LIMIT) are set aside while other hosts' go on.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from gateway.domain.errors import StoreUnavailable
from gateway.policy.retry import retry_delay_s
from gateway.ports import Clock, Timer
from gateway.runtime.supervisor import Supervisor
from protocols.http.guard import UrlGuard, UrlRefused
from protocols.http.notice import Notice, NoticeRefused, WebhookDelivery
from protocols.http.outgoing import KEEPALIVE_S, AnswerLost, NotSent, OutgoingSession

CONCURRENCY = 20  # deliveries at the same time
PER_HOST = 4  # of them to one URL host
TIMEOUT_S = 10.0
POLL_S = 1.0
BATCH = 100  # deliveries asked of the store beyond those already known
KNOWN_LIMIT = 10_000  # deliveries held in memory, waiting or running

log = logging.getLogger("postern.webhook")


class WebhookDeliveries(Protocol):
    """The durable deliveries.  Every method raises `StoreUnavailable` when the store is away."""

    async def due(self, now_ms: int, limit: int) -> Sequence[WebhookDelivery]:
        """Those due by now that are neither done nor abandoned, the longest due first."""

    async def done(self, ids: Sequence[int]) -> None:
        """The customer has them."""

    async def retry(self, delivery_id: int, due_at_ms: int, error: str) -> None:
        """It failed once more and is due again at `due_at_ms`."""

    async def abandon(self, delivery_id: int, error: str) -> None:
        """It will not be tried again."""


class Notices(Protocol):
    """Where deliveries become requests."""

    def url(self, delivery: WebhookDelivery) -> str:
        """Where it goes; empty when that is no longer known."""

    async def notice(self, delivery: WebhookDelivery) -> Notice:
        """The request.

        Raises:
            NoticeRefused: it is to be given up.
            StoreUnavailable: the message cannot be read now.
        """

    def waits_s(self, delivery: WebhookDelivery) -> Sequence[int]:
        """Waits after each failure, in seconds; when they are used up it is given up."""


class WebhookNotifier:
    """The service.  `run` is its life; `wake` tells it that a delivery may be due now.

    `draw` gives a number in [0, 1) that spreads retries.
    """

    def __init__(
        self,
        deliveries: WebhookDeliveries,
        notices: Notices,
        guard: UrlGuard,
        clock: Clock,
        supervisor: Supervisor,
        user_agent: str,
        draw: Callable[[], float],
    ) -> None:
        self._deliveries = deliveries
        self._notices = notices
        self._guard = guard
        self._clock = clock
        self._supervisor = supervisor
        self._user_agent = user_agent
        self._draw = draw
        self._queue = _HostQueue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._delivered: list[int] = []  # not yet noted in the store, nor are the failed
        self._failed: deque[_Failure] = deque()
        self._woken = asyncio.Event()
        self._look = True  # read the store in the next round
        self._more = False  # the last read was full
        self._is_store_away = False  # and the log knows it
        self._is_draining = False
        self._poll: Timer | None = None

    def wake(self) -> None:
        """Looks for due deliveries at once rather than at the next poll."""
        self._look = True
        self._woken.set()

    async def drain(self, deadline_s: float) -> None:
        """Begins no further delivery and waits up to `deadline_s` for those on their way."""
        self._is_draining = True
        end = self._clock.monotonic() + deadline_s
        while self._tasks and self._clock.monotonic() < end:
            await self._clock.sleep(0.02)

    async def run(self) -> None:
        """Delivers until cancelled; then notes what was delivered and drops what is on its way."""
        session = OutgoingSession(
            self._user_agent,
            timeout_s=TIMEOUT_S,
            connector=self._guard.connector(KEEPALIVE_S),
        )
        try:
            while True:
                self._woken.clear()
                await self._note()
                self._start_waiting(session)
                looking = self._look
                while looking or self._wants_more():
                    looking = False
                    await self._refill()
                    self._start_waiting(session)
                await self._woken.wait()
        finally:
            if self._poll is not None:
                self._poll.cancel()
            for task in self._tasks:
                task.cancel()
            await self._note()
            await session.close()

    def _wants_more(self) -> bool:
        """Whether to read on at once: all that waits is held up by its host, and there is more."""
        return (
            self._more
            and not self._is_draining
            and len(self._tasks) < CONCURRENCY
            and len(self._queue.known) < KNOWN_LIMIT
        )

    async def _refill(self) -> None:
        """Reads what is due.

        A delivery is forgotten by `_note`, never while this reads: a row read before its fate was
        written is not taken for a new one.
        """
        self._look = self._more = False
        if self._poll is not None:
            self._poll.cancel()
        self._poll = self._clock.call_later(POLL_S, self.wake)
        limit = min(KNOWN_LIMIT, len(self._queue.known) + BATCH)
        try:
            due = await self._deliveries.due(self._clock.now_ms(), limit)
        except StoreUnavailable as error:
            self._store_went_away(error)
            return
        if not self._delivered and not self._failed:
            self._is_store_away = False
        self._more = len(due) == limit
        for delivery in due:
            self._queue.add(self._host(delivery), delivery)

    def _start_waiting(self, session: OutgoingSession) -> None:
        while len(self._tasks) < CONCURRENCY and not self._is_draining:
            taken = self._queue.take()
            if taken is None:
                return
            host, delivery = taken
            task = self._supervisor.spawn(
                self._deliver(session, host, delivery), f"webhook-{delivery.id}"
            )
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    async def _deliver(
        self, session: OutgoingSession, host: str, delivery: WebhookDelivery
    ) -> None:
        try:
            failure = await self._attempt(session, delivery)
            if failure is None:
                self._delivered.append(delivery.id)
            else:
                self._failed.append(failure)
        except StoreUnavailable:
            self._queue.known.discard(delivery.id)  # still due: the next poll finds it again
            self._more = False
        finally:
            self._queue.release(host)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._woken.set()

    async def _attempt(
        self, session: OutgoingSession, delivery: WebhookDelivery
    ) -> "_Failure | None":
        """Sends one delivery; None when the customer has taken it."""
        try:
            notice = await self._notices.notice(delivery)
            url = str(self._guard.check_url(notice.url))
        except (NoticeRefused, UrlRefused) as error:
            return _Failure(delivery.id, None, str(error))
        try:
            answer = await session.exchange("POST", url, notice.headers, notice.body)
        except (NotSent, AnswerLost) as error:
            return self._failure(delivery, str(error))
        if 200 <= answer.status <= 299:
            return None
        return self._failure(delivery, f"answered {answer.status}")

    def _failure(self, delivery: WebhookDelivery, error: str) -> "_Failure":
        """To be tried again, or given up when the waits are used up."""
        waits_s = self._notices.waits_s(delivery)
        wait_s = retry_delay_s(waits_s, delivery.attempts + 1, self._draw())
        due_at_ms = None if wait_s is None else self._clock.now_ms() + int(wait_s * 1000)
        return _Failure(delivery.id, due_at_ms, error)

    async def _note(self) -> None:
        """Writes the fates; what the store does not take now stays known and is noted later."""
        try:
            if self._delivered:
                ids = self._delivered.copy()
                await self._deliveries.done(ids)
                self._is_store_away = False
                del self._delivered[: len(ids)]
                self._queue.known.difference_update(ids)
            while self._failed:
                failure = self._failed[0]
                await self._note_failure(failure)
                self._is_store_away = False
                self._failed.popleft()
                self._queue.known.discard(failure.id)
        except StoreUnavailable as error:
            self._store_went_away(error)

    def _store_went_away(self, error: StoreUnavailable) -> None:
        """Said once, until it takes again what it is asked."""
        if not self._is_store_away:
            log.warning("webhook.store_unavailable", extra={"fields": {"reason": str(error)}})
        self._is_store_away = True

    async def _note_failure(self, failure: "_Failure") -> None:
        if failure.due_at_ms is not None:
            await self._deliveries.retry(failure.id, failure.due_at_ms, failure.error)
            return
        await self._deliveries.abandon(failure.id, failure.error)
        log.warning(
            "webhook.abandoned",
            extra={"fields": {"delivery": failure.id, "reason": failure.error}},
        )

    def _host(self, delivery: WebhookDelivery) -> str:
        """Whose turn a delivery takes; refused URLs share one."""
        try:
            return self._guard.check_url(self._notices.url(delivery)).host or ""
        except UrlRefused:
            return ""


class _Failure(NamedTuple):
    """A failed delivery: due again at `due_at_ms`, or given up when that is None."""

    id: int
    due_at_ms: int | None
    error: str


class _HostQueue:
    """Deliveries by host: hosts take turns, and none has more than PER_HOST running.

    `known` holds the ids of all that wait, run, or whose fate is not yet in the store.
    """

    __slots__ = ("_running", "_waiting", "known")

    def __init__(self) -> None:
        self.known: set[int] = set()
        self._waiting: dict[str, deque[WebhookDelivery]] = {}  # in the order of their turns
        self._running: dict[str, int] = {}

    def add(self, host: str, delivery: WebhookDelivery) -> None:
        """Lets `delivery` wait, unless it is known already."""
        if delivery.id not in self.known:
            self.known.add(delivery.id)
            self._waiting.setdefault(host, deque()).append(delivery)

    def take(self) -> tuple[str, WebhookDelivery] | None:
        """The next delivery that may run now; `release` its host when it ended."""
        for host, queue in self._waiting.items():
            running = self._running.get(host, 0)
            if running < PER_HOST:
                self._running[host] = running + 1
                delivery = queue.popleft()
                del self._waiting[host]
                if queue:
                    self._waiting[host] = queue  # behind the others
                return host, delivery
        return None

    def release(self, host: str) -> None:
        """A delivery to `host` ended."""
        self._running[host] -= 1
        if not self._running[host]:
            del self._running[host]

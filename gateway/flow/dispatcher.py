"""Dispatch: from committed message to provider, and from outcome to the next step.

Ready messages wait in their provider's fair queue; when no provider of the route is up they wait in
the route's own queue, and move within one loop turn of a link coming up.  A missing bind or a spent
window is no attempt.  Nothing here touches the disk: changes go to the journal, overflow to
`Backlogs`.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from gateway.domain.commit_group import EventKind
from gateway.domain.keys import key_time_ms
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Channel, Message, Part
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from gateway.domain.receipt import combined_parts
from gateway.domain.route import Route
from gateway.flow.backlog import Backlogs
from gateway.flow.fates import Fates
from gateway.flow.journal import Journal
from gateway.flow.lane import Lane
from gateway.flow.switchboard import Switchboard
from gateway.policy.fair_queue import FairQueue
from gateway.policy.receipt_policy import asks_for_receipt
from gateway.policy.retry import retry_delay_s
from gateway.policy.routing import choose_provider
from gateway.ports import Clock, Timer
from gateway.runtime.metrics import Counters

# Bound once: reaching a member through its class costs eight times a global.
_HANDED_OVER = MessageState.HANDED_OVER

_QUEUED, _ATTEMPTED, _SENT = MessageState.QUEUED, MessageState.ATTEMPTED, MessageState.SENT
MOVE_AT_ONCE = 512  # messages re-queued per loop turn when a link comes up
_NO_ROUTE = Route("(no route)", Channel.SMS, "", ())


class Dispatcher:
    """Owns the lanes; fits `ports.ProviderSink` through `gateway.flow.provider_sink.LaneSink`."""

    def __init__(
        self,
        journal: Journal,
        fates: Fates,
        backlogs: Backlogs,
        switchboard: Switchboard,
        clock: Clock,
        counters: Counters,
        draw: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._fates = fates
        self._backlogs = backlogs
        self._switchboard = switchboard
        self._clock = clock
        self._counters = counters
        self._draw = draw
        self._waiting: dict[Route, FairQueue] = {}
        self._later: list[tuple[int, int, Message]] = []  # heap of (due_at_ms, key, message)
        self._later_timer: Timer | None = None
        self._later_due_ms = 0
        self.lanes: dict[int, Lane] = {}
        self.stopping = False
        # Receipts that came before their answer: set by the receipts flow.
        self.take_parked: Callable[[Lane, Message | Part, str], None] = lambda *_: None
        self.note_handover: Callable[[int], None] = lambda _key: None

    # -- in --------------------------------------------------------------------------------------

    def accepted(self, messages: Iterable[Message]) -> None:
        """Messages whose commit group is on disk."""
        now_ms = self._clock.now_ms()
        now = self._clock.monotonic()
        touched: set[Lane] = set()
        route: Route | None = None
        lane, room = None, 0
        for message in messages:
            if not self._backlogs.enter(message, now_ms):
                continue
            if message.due_at_ms > now_ms and _is_scheduled(message):
                self._backlogs.waits(message)
                self._postpone(message)
                continue
            if message.route is not route:
                route = message.route
                lane, room = self._idle_lane(route)
            parts = message.part_count
            if parts > 1 and lane is not None:
                parts = _cost(lane, parts)
            if (
                lane is not None
                and room > 0
                and message.expires_at_ms > now_ms
                and not lane.pace.delay_s(parts, now)
            ):
                room -= parts
                self._start(lane, message)
                continue
            lane = None  # from here on the order of the queue counts
            self._backlogs.waits(message)
            self._place(message, touched)
        for touched_lane in touched:
            self.pump(touched_lane)

    def _idle_lane(self, route: Route | None) -> tuple[Lane | None, int]:
        """The lane of a route's only provider and its room, when nothing waits for it.

        Its messages need no queue: the usual case, and half the price.
        """
        if route is None or self.stopping or len(route.tiers) != 1 or len(route.tiers[0]) != 1:
            return None, 0
        lane = self.lanes.get(route.tiers[0][0][0])
        if lane is None or lane.queue.size or lane.pump_timer is not None or not lane.is_open:
            return None, 0
        return lane, lane.wire.room() - lane.committing

    def readmitted(self, message: Message) -> None:
        """A message read back from disk; `Backlogs` has counted it."""
        lane = self.lanes.get(message.provider_id or 0)
        if message.parts is not None and lane is not None:
            lane.await_parts(message)
        if message.due_at_ms > self._clock.now_ms() and _is_scheduled(message):
            self._postpone(message)
            return
        touched: set[Lane] = set()
        self._place(message, touched)
        for lane in touched:
            # Not at once: a thousand rows may be read back in one turn.
            self._pump_later(lane, 0.0)

    def _place(self, message: Message, touched: set[Lane]) -> None:
        """Into the queue of the provider that is next for it, or of its route when none is up."""
        provider_id = self._choose(message, message.route or self._find_route(message))
        if provider_id is None:
            # A reload may have replaced the route since it was chosen.
            route = self._find_route(message)
            provider_id = self._choose(message, route)
        if provider_id is None:
            waiting = self._waiting.get(route)
            if waiting is None:
                waiting = self._waiting[route] = FairQueue()
            waiting.push(message)
            return
        lane = self.lanes[provider_id]
        lane.queue.push(message)
        touched.add(lane)

    def _choose(self, message: Message, route: Route) -> int | None:
        bound = self._bound_provider(message)
        if bound is None:
            return choose_provider(route, self._is_open, message.tried, self._draw)
        return bound if self._is_open(bound) else None

    def _find_route(self, message: Message) -> Route:
        found = self._switchboard.routes.find(
            message.channel, message.account.id, message.sender, message.recipient
        )
        message.route = found or _NO_ROUTE
        return message.route

    def _bound_provider(self, message: Message) -> int | None:
        """Once a part of it has left, the rest goes by the same provider."""
        if message.parts is not None and any(p.state != _QUEUED for p in message.parts):
            return message.provider_id
        return None

    def _is_open(self, provider_id: int) -> bool:
        lane = self.lanes.get(provider_id)
        return lane is not None and lane.is_open

    # -- time ------------------------------------------------------------------------------------

    def _postpone(self, message: Message) -> None:
        heappush(self._later, (message.due_at_ms, message.key, message))
        self._set_later_timer()

    def _set_later_timer(self) -> None:
        due_ms = self._later[0][0]
        if self._later_timer is not None:
            if self._later_due_ms <= due_ms:
                return
            self._later_timer.cancel()
        self._later_due_ms = due_ms
        wait_s = min(3600.0, max(0.0, (due_ms - self._clock.now_ms()) / 1000))
        self._later_timer = self._clock.call_later(wait_s, self._come_due)

    def _come_due(self) -> None:
        self._later_timer = None
        now_ms = self._clock.now_ms()
        touched: set[Lane] = set()
        while self._later and self._later[0][0] <= now_ms:
            message = heappop(self._later)[2]
            if message.state == _QUEUED:
                message.route = None  # routes may have been replaced since
                self._place(message, touched)
        for lane in touched:
            self.pump(lane)
        if self._later:
            self._set_later_timer()

    # -- out -------------------------------------------------------------------------------------

    def pump(self, lane: Lane) -> None:
        """Hands messages over while the provider has room and the pace allows."""
        queue = lane.queue
        if not queue.size or lane.pump_timer is not None or self.stopping or not lane.is_open:
            return
        room = lane.wire.room() - lane.committing
        now_ms = self._clock.now_ms()
        now = self._clock.monotonic()
        while room > 0:
            message = queue.pop()
            if message is None:
                return
            if message.state != _QUEUED:
                continue  # ended while it waited
            if message.expires_at_ms <= now_ms:
                self.expire(message)
                continue
            parts = message.part_count
            if parts > 1:
                parts = _cost(lane, parts)
            delay_s = lane.pace.delay_s(parts, now)
            if delay_s:
                queue.push_front(message)
                self._pump_later(lane, delay_s)
                return
            self._backlogs.taken(message)
            self._start(lane, message)
            room -= parts

    def _pump_later(self, lane: Lane, delay_s: float) -> None:
        if lane.pump_timer is None:
            lane.pump_timer = self._clock.call_later(delay_s, self._pump_again, lane)

    def _pump_again(self, lane: Lane) -> None:
        lane.pump_timer = None
        self.pump(lane)

    def _start(self, lane: Lane, message: Message) -> None:
        message.provider_id = lane.id
        message.in_flight = 1
        if lane.spec.unknown == "hold":
            lane.committing += message.part_count
            message.state = _ATTEMPTED
            self._journal.change_now(message, self._attempt_stored, message)
        else:
            self._submit(lane, message)

    def _attempt_stored(self, token: object, _stored: bool) -> None:
        message = token
        assert isinstance(message, Message) and message.provider_id is not None  # noqa: S101, PT018
        lane = self.lanes[message.provider_id]
        lane.committing -= message.part_count
        self._submit(lane, message)

    def _submit(self, lane: Lane, message: Message) -> None:
        self.note_handover(message.key)
        if message.part_count == 1 or lane.wire.whole_text:
            lane.wire.submit(message, 0)
            return
        missing = [part.n for part in message.split_parts() if part.state == _QUEUED]
        message.in_flight = len(missing)
        if not missing:
            # A crash kept the parts' rows and lost the message's own.
            self._mark_sent(message)
            self._conclude(lane, message, None)
        for n in missing:
            lane.wire.submit(message, n)

    # -- outcomes --------------------------------------------------------------------------------

    def settled(self, lane: Lane, message: Message, n: int, outcome: Outcome) -> None:
        """The provider's answer to one part."""
        if message.part_count > 1 and not lane.wire.whole_text:
            self._part_settled(lane, message, n, outcome)
        elif type(outcome) is Sent:
            message.in_flight = 0
            self._sent(lane, message, outcome.provider_message_id)
        else:
            message.in_flight = 0
            self._not_sent(lane, message, outcome)
        if lane.queue.size and not lane.pump_soon:
            # Once for all the answers of this loop turn.
            lane.pump_soon = True
            self._clock.call_soon(self._pump_soon, lane)

    def _pump_soon(self, lane: Lane) -> None:
        lane.pump_soon = False
        self.pump(lane)

    def _sent(self, lane: Lane, message: Message, provider_message_id: str) -> None:
        self._counters.parts_sent[lane.name] += 1
        self._backlogs.leave(message)
        message.provider_message_id = provider_message_id
        message.sent_at_ms = self._clock.now_ms()
        message.tried = None
        if message.error:
            message.error = ""  # of an earlier attempt
        self._fates.sent(message)
        if not asks_for_receipt(message, lane.spec.receipts):
            self._fates.finish(message, _HANDED_OVER)
            return
        message.state = _SENT
        self._journal.change(message)
        if provider_message_id:
            lane.await_receipt(provider_message_id, message)
            if lane.parked:
                self.take_parked(lane, message, provider_message_id)

    def _not_sent(self, lane: Lane, message: Message, outcome: Outcome) -> None:
        if isinstance(outcome, Deferred):
            if outcome.throttled:
                self._counters.outcomes[lane.name, "throttled"] += 1
                self._throttled(lane, message)
            else:
                self._counters.outcomes[lane.name, "deferred"] += 1
                self._try_again(lane, message, outcome.error)
        elif isinstance(outcome, Refused):
            self._counters.outcomes[lane.name, "refused"] += 1
            self._refused(lane, message, outcome)
        elif isinstance(outcome, Unknown):
            self._counters.outcomes[lane.name, "unknown"] += 1
            self._unknown(lane, message, outcome)

    def _throttled(self, lane: Lane, message: Message) -> None:
        """Slows the provider down; costs the message nothing but time."""
        lane.pace.throttled(self._clock.monotonic())
        self._requeue(message)
        lane.queue.push_front(message)
        self._pump_later(lane, lane.pace.delay_s(0, self._clock.monotonic()))

    def _try_again(self, lane: Lane, message: Message, error: str) -> None:
        """Deferred: the next provider at once when one is up, else later."""
        message.error = error
        message.attempts += 1
        self._requeue(message)
        tried = message.tried or set()
        tried.add(lane.id)
        message.tried = tried
        if self._fall_through(lane, message, error):
            return
        message.tried = None
        self._retry_later(lane, message, error)

    def _fall_through(self, lane: Lane, message: Message, error: str) -> bool:
        if self._bound_provider(message) is not None:
            return False
        route = self._find_route(message)
        if choose_provider(route, self._is_open, message.tried, self._draw) is None:
            return False
        self._fates.event(message, EventKind.FALL_THROUGH, f"{lane.name}: {error}")
        self._journal.change(message)
        touched: set[Lane] = set()
        self._place(message, touched)
        for other in touched:
            self._pump_later(other, 0.0)
        return True

    def _retry_later(self, lane: Lane, message: Message, error: str) -> None:
        delay_s = retry_delay_s(lane.spec.retry_s, message.attempts, self._draw())
        if delay_s is None:
            self._end(message, MessageState.FAILED, error)
            return
        message.due_at_ms = self._clock.now_ms() + int(delay_s * 1000)
        self._fates.event(message, EventKind.RETRY, f"{lane.name}: {error}")
        self._journal.change(message)
        self._postpone(message)

    def _refused(self, lane: Lane, message: Message, outcome: Refused) -> None:
        self._requeue(message)
        message.error = outcome.error
        message.attempts += 1
        if not outcome.everywhere:
            tried = message.tried or set()
            tried.add(lane.id)
            message.tried = tried
            if self._fall_through(lane, message, outcome.error):
                return
        self._end(message, MessageState.REJECTED, outcome.error)

    def _unknown(self, lane: Lane, message: Message, outcome: Unknown) -> None:
        self._fates.event(message, EventKind.UNKNOWN_OUTCOME, f"{lane.name}: {outcome.error}")
        if lane.spec.unknown == "hold":
            # Stays ATTEMPTED until a receipt, a late answer, or the receipt window's end.
            message.error = outcome.error
            self._backlogs.leave(message)
            self._journal.change(message)
            return
        message.error = outcome.error
        message.attempts += 1
        self._requeue(message)
        if message.attempts == 1:
            self._journal.change(message)
            self._place_and_pump(message)
        else:
            self._retry_later(lane, message, outcome.error)

    def _requeue(self, message: Message) -> None:
        message.in_flight = 0
        message.route = None  # each attempt chooses again
        if message.state == _ATTEMPTED:
            message.state = _QUEUED
            self._journal.change(message)
        self._backlogs.waits(message)

    def _place_and_pump(self, message: Message) -> None:
        touched: set[Lane] = set()
        self._place(message, touched)
        for lane in touched:
            self._pump_later(lane, 0.0)

    def late(self, lane: Lane, message: Message, n: int, outcome: Outcome) -> None:
        """An answer after the time-out: it settles the Unknown when nothing else has yet."""
        if type(outcome) is not Sent or message.part_count > 1 or message.in_flight:
            return
        if message.state not in (_QUEUED, _ATTEMPTED) or message.provider_id != lane.id:
            return
        self._fates.event(message, EventKind.LATE_ANSWER, f"{lane.name}: part {n}")
        if message.key in self._backlogs.live and message.state == _QUEUED:
            self._backlogs.taken(message)
        self._sent(lane, message, outcome.provider_message_id)

    # -- long messages ---------------------------------------------------------------------------

    def _part_settled(self, lane: Lane, message: Message, n: int, outcome: Outcome) -> None:
        part = message.split_parts()[n]
        message.in_flight -= 1
        if type(outcome) is Sent:
            self._counters.parts_sent[lane.name] += 1
            self._part_sent(lane, message, part, outcome.provider_message_id)
        else:
            worst = lane.verdicts.get(message.key)
            if worst is None or _severity(outcome) > _severity(worst):
                lane.verdicts[message.key] = outcome
        if message.in_flight == 0:
            verdict = lane.verdicts.pop(message.key, None)
            if message.state in (_QUEUED, _ATTEMPTED):
                self._conclude(lane, message, verdict)

    def _part_sent(self, lane: Lane, message: Message, part: Part, provider_id: str) -> None:
        asks = asks_for_receipt(message, lane.spec.receipts)
        part.state = _SENT if asks else _HANDED_OVER
        part.provider_id = lane.id
        part.provider_message_id = provider_id
        self._journal.change_part(part)
        self._mark_sent(message)
        if asks and provider_id:
            lane.await_receipt(provider_id, part)
            if lane.parked:
                self.take_parked(lane, part, provider_id)

    def _mark_sent(self, message: Message) -> None:
        """Some of it has left."""
        if not message.sent_at_ms:
            message.sent_at_ms = self._clock.now_ms()
            self._fates.sent(message)

    def _conclude(self, lane: Lane, message: Message, verdict: Outcome | None) -> None:
        """Every part that went out has its answer; `verdict` is the worst of them, None if sent."""
        if verdict is not None:
            self._not_sent(lane, message, verdict)
            return
        self._backlogs.leave(message)
        message.tried = None
        message.error = ""
        # Receipts may have come before the last answer; without any, the parts are handed over.
        fate = combined_parts([part.state for part in message.split_parts()])
        if fate is None:
            message.state = _SENT
            self._journal.change(message)
        else:
            self._fates.finish(message, fate)

    # -- ends ------------------------------------------------------------------------------------

    def expire(self, message: Message) -> None:
        """Its validity is over and it is not with a provider."""
        self._fates.event(message, EventKind.EXPIRED, "validity over before it left")
        self._end(message, MessageState.EXPIRED, "")

    def _end(self, message: Message, state: MessageState, error: str) -> None:
        self._backlogs.ended(message)
        if state == MessageState.REJECTED and message.sent_at_ms:
            state = MessageState.FAILED  # some parts had left
        self._fates.finish(message, state, error)

    # -- links -----------------------------------------------------------------------------------

    def room_changed(self, lane: Lane) -> None:
        """A link came up or went down, room appeared, or the operator paused or resumed."""
        is_open = lane.is_open
        if is_open and not lane.was_open:
            lane.was_open = True
            for route in list(self._waiting):
                if lane.id in route.provider_ids() or not route.tiers:
                    self._wake(route)
        elif not is_open and lane.was_open:
            lane.was_open = False
            for message in lane.queue.drain():
                self._place_and_pump(message)
        if is_open:
            self.pump(lane)

    def wake_all(self) -> None:
        """After a reload: routes may have changed, so everything that waits chooses again."""
        for route in list(self._waiting):
            self._wake(route)

    def _wake(self, route: Route) -> None:
        """Moves what waits for a provider of `route`, some at a time."""
        waiting = self._waiting.pop(route, None)
        if waiting is None:
            return
        touched: set[Lane] = set()
        moved = 0
        while moved < MOVE_AT_ONCE and (message := waiting.pop()) is not None:
            if message.state == _QUEUED:
                message.route = None  # routes may have been replaced since
                self._place(message, touched)
            moved += 1
        for lane in touched:
            self.pump(lane)
        if waiting.size:
            back = self._waiting.get(route)
            # When all of them came back (bound to a provider that is down) the rest can wait too.
            has_moved = back is None or back.size < moved
            self._merge_waiting(route, waiting)
            if has_moved and any(self._is_open(id) for id in route.provider_ids()):
                self._clock.call_soon(self._wake, route)

    def _merge_waiting(self, route: Route, rest: FairQueue) -> None:
        fresh = self._waiting.get(route)
        if fresh is not None:
            for message in fresh.drain():
                rest.push(message)
        self._waiting[route] = rest

    def queued(self, lane: Lane) -> int:
        """Messages waiting in this lane's own queue."""
        return lane.queue.size

    def waiting_for_any(self) -> int:
        """Messages that wait because no provider of their route is up."""
        return sum(queue.size for queue in self._waiting.values())


def _cost(lane: Lane, parts: int) -> int:
    """Parts as the provider counts them: a wire that takes whole texts knows only one."""
    return 1 if lane.wire.whole_text else parts


def _is_scheduled(message: Message) -> bool:
    """Whether its due time was asked for or is a retry's; else it only ran ahead of the clock."""
    return message.due_at_ms > key_time_ms(message.key)


def _severity(outcome: Outcome) -> int:
    """Which of several parts' outcomes decides: a refusal over doubt over delay."""
    if isinstance(outcome, Refused):
        return 3
    if isinstance(outcome, Unknown):
        return 2
    return 0 if isinstance(outcome, Deferred) and outcome.throttled else 1

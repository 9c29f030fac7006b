"""Dispatch: from committed message to provider.

Ready messages wait in their provider's fair queue; when no provider of the route is open they are
stranded in the route's own queue, and move within one loop turn of a link coming up.  A missing
bind or a spent window is no attempt.  What providers answer is `Outcomes`' affair.  Nothing here
touches the disk: changes go to the journal, overflow to `Backlogs`.
"""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush

from gateway.domain.commit_group import EventKind, StoredMessage
from gateway.domain.keys import key_time_ms
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Channel, Message
from gateway.domain.route import Route
from gateway.flow.backlog import Backlogs
from gateway.flow.fates import Fates
from gateway.flow.journal import Journal
from gateway.flow.lane import Lane
from gateway.flow.switchboard import Switchboard
from gateway.policy.fair_queue import FairQueue
from gateway.policy.routing import choose_provider
from gateway.ports import Clock, Timer

# Bound once: reaching a member through its class costs eight times a global.
_QUEUED, _ATTEMPTED = MessageState.QUEUED, MessageState.ATTEMPTED

MOVE_AT_ONCE = 512  # messages re-queued per loop turn when a link comes up
MOST_ENDED = 5_000  # messages that ended while they waited, before the queues are swept of them
_NO_ROUTE = Route("(no route)", Channel.SMS, "", ())


class Dispatcher:
    """Owns the lanes and every queue of messages in memory."""

    def __init__(
        self,
        journal: Journal,
        fates: Fates,
        backlogs: Backlogs,
        switchboard: Switchboard,
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._fates = fates
        self._backlogs = backlogs
        self._switchboard = switchboard
        self._clock = clock
        self._waiting: dict[Route, FairQueue] = {}
        self._later: list[tuple[int, int, Message]] = []  # heap of (due_at_ms, key, message)
        self._later_timer: Timer | None = None
        self._later_due_ms = 0
        self._ended_waiting = 0  # still in a queue
        self.draw = draw
        self.lanes: dict[int, Lane] = {}
        self.stopping = False
        self.note_handover: Callable[[int], None] = lambda _key: None
        # A long message of which every part has left before: set by the outcomes flow.
        self.on_nothing_left: Callable[[Lane, Message], None] = lambda _lane, _message: None

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
                self._push_later(message)
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
        return lane, lane.room()

    def readmitted(self, message: Message) -> None:
        """A message read back from disk; `Backlogs` has counted it."""
        if message.state != _QUEUED:
            return  # ended since it was read
        lane = self.lanes.get(message.provider_id or 0)
        if message.parts is not None and lane is not None:
            lane.await_parts(message)
        if message.due_at_ms > self._clock.now_ms() and _is_scheduled(message):
            self._push_later(message)
            return
        # Not at once: a thousand rows may be read back in one turn.
        self.place_soon(message)

    def place_soon(self, message: Message) -> None:
        """Into its queue now; handed over in the next loop turn at the soonest."""
        touched: set[Lane] = set()
        self._place(message, touched)
        for lane in touched:
            self.pump_later(lane, 0.0)

    def _place(self, message: Message, touched: set[Lane]) -> None:
        """Into the queue of the provider that is next for it, or of its route when none is open."""
        route = message.route or self.find_route(message)
        provider_id = self._choose(message, route)
        if provider_id is None:
            # A reload may have replaced the route since it was chosen.
            route = self.find_route(message)
            provider_id = self._choose(message, route)
        if provider_id is not None:
            lane = self.lanes[provider_id]
            lane.queue.push(message)
            touched.add(lane)
        elif self._backlogs.strand(message, self._freed_by(message, route)):
            waiting = self._waiting.get(route)
            if waiting is None:
                waiting = self._waiting[route] = FairQueue()
            waiting.push(message)

    def _choose(self, message: Message, route: Route) -> int | None:
        bound = bound_provider(message)
        if bound is None:
            return choose_provider(route, self.is_open, message.tried, self.draw)
        return bound if self.is_open(bound) else None

    def _freed_by(self, message: Message, route: Route) -> list[int]:
        bound = bound_provider(message)
        return route.provider_ids() if bound is None else [bound]

    def find_route(self, message: Message) -> Route:
        """The route by today's table; the message remembers it."""
        found = self._switchboard.routes.find(
            message.channel, message.account.id, message.sender, message.recipient
        )
        message.route = found or _NO_ROUTE
        return message.route

    def stranded_providers(self, row: StoredMessage) -> list[int] | None:
        """Whose opening would free a row that nobody can take now; None when one of them is open.

        A message of which parts have left is never left aside: the rest is owed.
        """
        if row.parts:
            return None
        route = self._switchboard.routes.find(
            row.channel, row.account_id, row.sender, row.recipient
        )
        provider_ids = [] if route is None else route.provider_ids()
        return None if any(map(self.is_open, provider_ids)) else provider_ids

    def is_open(self, provider_id: int) -> bool:
        """Whether this provider may be given a message now."""
        lane = self.lanes.get(provider_id)
        return lane is not None and lane.is_open

    def is_any_open(self) -> bool:
        """Whether anything can leave at all."""
        return any(lane.is_open for lane in self.lanes.values())

    # -- time ------------------------------------------------------------------------------------

    def postpone(self, message: Message) -> None:
        """Until its due time, which has been moved; in memory only when that is near."""
        if not self._backlogs.put_off(message):
            self._push_later(message)

    def _push_later(self, message: Message) -> None:
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
        if not self._journal.available:
            return  # its outcome could not be kept: `resume` follows
        room = lane.room()
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
                self.pump_later(lane, delay_s)
                return
            self._backlogs.taken(message)
            self._start(lane, message)
            room -= parts

    def resume(self) -> None:
        """The store takes writes again: what waited for that leaves."""
        for lane in self.lanes.values():
            self.pump(lane)

    def pump_later(self, lane: Lane, delay_s: float) -> None:
        """Pumps once `delay_s` is over; a pump that is due already stays."""
        if lane.pump_timer is None:
            lane.pump_timer = self._clock.call_later(delay_s, self._pump_again, lane)

    def _pump_again(self, lane: Lane) -> None:
        lane.pump_timer = None
        self.pump(lane)

    def pump_soon(self, lane: Lane) -> None:
        """Once for everything that makes room in this loop turn."""
        if lane.queue.size and not lane.pump_soon:
            lane.pump_soon = True
            self._clock.call_soon(self._pump_now, lane)

    def _pump_now(self, lane: Lane) -> None:
        lane.pump_soon = False
        self.pump(lane)

    def _start(self, lane: Lane, message: Message) -> None:
        message.provider_id = lane.id
        message.in_flight = 1
        if lane.is_strained:
            self._probe(lane)
        if lane.spec.unknown == "hold":
            lane.committing += message.part_count
            message.state = _ATTEMPTED
            self._journal.change_now(message, self._attempt_stored, message)
        else:
            self._submit(lane, message)

    def _probe(self, lane: Lane) -> None:
        """A half-open circuit lets one message pass; what else waits for it looks elsewhere."""
        lane.breaker.probing()
        if lane.breaker.is_probing:
            self._clock.call_soon(self.room_changed, lane)

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
            self.on_nothing_left(lane, message)
        for n in missing:
            lane.wire.submit(message, n)

    # -- ends ------------------------------------------------------------------------------------

    def expire(self, message: Message) -> None:
        """Its validity is over and it is not with a provider."""
        self._fates.event(message, EventKind.EXPIRED, "validity over before it left")
        self.end(message, MessageState.EXPIRED, "")

    def cancel(self, message: Message) -> bool:
        """Ends a message that waits; False when it is with a provider, has left, or has ended."""
        if message.state != _QUEUED or message.in_flight or bound_provider(message) is not None:
            return False
        self._fates.event(message, EventKind.CANCELLED, "")
        self.end(message, MessageState.CANCELLED, "")
        return True

    def end(self, message: Message, state: MessageState, error: str) -> None:
        """Gives a message its final state that is not (any more) with a provider."""
        if message.key in self._backlogs.live:
            self._ended_waiting += 1
        self._backlogs.ended(message)
        if state == MessageState.REJECTED and message.sent_at_ms:
            state = MessageState.FAILED  # some parts had left
        self._fates.finish(message, state, error)
        if self._ended_waiting >= MOST_ENDED:
            self._sweep()

    def _sweep(self) -> None:
        """Queues drop what has ended when its turn comes; a provider that stays down has no turns.

        Else messages that expire behind it would stay in memory for good.
        """
        self._ended_waiting = 0
        for queue in (*self._waiting.values(), *(lane.queue for lane in self.lanes.values())):
            queue.keep(_waits)
        self._later = [entry for entry in self._later if _waits(entry[2])]
        heapify(self._later)

    # -- links -----------------------------------------------------------------------------------

    def room_changed(self, lane: Lane) -> None:
        """A link came up or went down, room appeared, or the operator paused or resumed."""
        is_open = lane.is_open
        if is_open and not lane.was_open:
            lane.was_open = True
            for route in list(self._waiting):
                if lane.id in route.provider_ids() or not route.tiers:
                    self._wake(route)
            self._backlogs.opened(lane.id)
        elif not is_open and lane.was_open:
            lane.was_open = False
            for message in lane.queue.drain():
                if message.state == _QUEUED:
                    self.place_soon(message)
        if is_open:
            self.pump(lane)

    def wake_all(self) -> None:
        """After a reload: routes may have changed, so everything that waits chooses again."""
        for route in list(self._waiting):
            self._wake(route)
        self._backlogs.reopened()

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
                self._backlogs.rescued(message)
                self._place(message, touched)
            moved += 1
        for lane in touched:
            self.pump(lane)
        if waiting.size:
            back = self._waiting.get(route)
            # When all of them came back (bound to a provider that is down) the rest can wait too.
            has_moved = back is None or back.size < moved
            self._merge_waiting(route, waiting)
            if has_moved and any(self.is_open(id) for id in route.provider_ids()):
                self._clock.call_soon(self._wake, route)

    def _merge_waiting(self, route: Route, rest: FairQueue) -> None:
        fresh = self._waiting.get(route)
        if fresh is not None:
            for message in fresh.drain():
                rest.push(message)
        self._waiting[route] = rest

    def waiting_for_any(self) -> int:
        """Messages in memory that wait because no provider of their route is open."""
        return sum(queue.size for queue in self._waiting.values())


def bound_provider(message: Message) -> int | None:
    """Once a part of it has left, the rest goes by the same provider."""
    if message.parts is not None and any(p.state != _QUEUED for p in message.parts):
        return message.provider_id
    return None


def _cost(lane: Lane, parts: int) -> int:
    """Parts as the provider counts them: a wire that takes whole texts knows only one."""
    return 1 if lane.wire.whole_text else parts


def _is_scheduled(message: Message) -> bool:
    """Whether its due time was asked for or is a retry's; else it only ran ahead of the clock."""
    return message.due_at_ms > key_time_ms(message.key)


def _waits(message: Message) -> bool:
    return message.state == _QUEUED

"""Outcomes: from a provider's answer to the next step of the message and the health of the lane.

Sent, deferred, refused or unknown, for one part; a long message is judged once all its parts that
went out have their answer.
"""

from collections.abc import Callable

from gateway.domain.commit_group import EventKind
from gateway.domain.lifecycle import FINAL_STATES, MessageState
from gateway.domain.message import Message, Part
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from gateway.domain.receipt import combined_parts
from gateway.flow.backlog import Backlogs
from gateway.flow.dispatcher import Dispatcher, bound_provider
from gateway.flow.fates import Fates
from gateway.flow.health import Health
from gateway.flow.journal import Journal
from gateway.flow.lane import TOLD, Lane
from gateway.policy.receipt_policy import asks_for_receipt
from gateway.policy.retry import retry_delay_s
from gateway.policy.routing import choose_provider
from gateway.ports import Clock
from gateway.runtime.metrics import Counters

# Bound once: reaching a member through its class costs eight times a global.
_QUEUED, _ATTEMPTED, _SENT = MessageState.QUEUED, MessageState.ATTEMPTED, MessageState.SENT
_HANDED_OVER = MessageState.HANDED_OVER

THROTTLED_NUMBER_MS = 1_000  # a message waits for so long when it alone is throttled


class Outcomes:
    """What wires report, through `gateway.flow.provider_sink.LaneSink`."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        health: Health,
        journal: Journal,
        fates: Fates,
        backlogs: Backlogs,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._dispatcher = dispatcher
        self._health = health
        self._journal = journal
        self._fates = fates
        self._backlogs = backlogs
        self._clock = clock
        self._counters = counters
        # Receipts that came before their answer: set by the receipts flow.
        self.take_parked: Callable[[Lane, Message | Part, str], None] = lambda *_: None
        # Messages that wait for a receipt without an answer: set by maintenance.
        self.on_held: Callable[[Message], None] = lambda _message: None

    def settled(self, lane: Lane, message: Message, n: int, outcome: Outcome) -> None:
        """The provider's answer to one part."""
        if lane.is_strained or type(outcome) is not Sent:
            self._health.note(lane, outcome)
        if message.part_count > 1 and not lane.wire.whole_text:
            self._part_settled(lane, message, n, outcome)
        elif message.state is not _QUEUED and message.state is not _ATTEMPTED:
            # A late answer to an earlier attempt has settled it while this one was out.
            message.in_flight = 0
            if type(outcome) is Sent:
                self._sent_again(lane, message, outcome.provider_message_id)
        elif type(outcome) is Sent:
            message.in_flight = 0
            self._sent(lane, message, outcome.provider_message_id)
        else:
            message.in_flight = 0
            self._not_sent(lane, message, outcome)
        if lane.queue.size:
            self._dispatcher.pump_soon(lane)

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

    def _sent_again(self, lane: Lane, message: Message, provider_message_id: str) -> None:
        """Another attempt of it was taken too: the receipt that comes may be that one's."""
        self._counters.parts_sent[lane.name] += 1
        if not provider_message_id or not asks_for_receipt(message, lane.spec.receipts):
            return
        if message.state in FINAL_STATES and message.state != MessageState.UNKNOWN:
            lane.receipt_taken(provider_message_id, TOLD)
        else:
            lane.await_receipt(provider_message_id, message)
        if lane.parked:
            self.take_parked(lane, message, provider_message_id)

    # -- not sent --------------------------------------------------------------------------------

    def _not_sent(self, lane: Lane, message: Message, outcome: Outcome) -> None:
        if isinstance(outcome, Deferred):
            if outcome.unsent:
                self._requeue(message)
                self._dispatcher.place_soon(message)
            elif outcome.throttled:
                self._counters.outcomes[lane.name, "throttled"] += 1
                self._throttled(lane, message, outcome.error)
            else:
                self._counters.outcomes[lane.name, "deferred"] += 1
                self._try_again(lane, message, outcome.error)
        elif isinstance(outcome, Refused):
            self._counters.outcomes[lane.name, "refused"] += 1
            self._refused(lane, message, outcome)
        elif isinstance(outcome, Unknown):
            self._counters.outcomes[lane.name, "unknown"] += 1
            self._unknown(lane, message, outcome)

    def _throttled(self, lane: Lane, message: Message, error: str) -> None:
        """Costs the message nothing but time; its timeline tells once until something else does."""
        now = self._clock.monotonic()
        if message.error != error:
            message.error = error
            self._fates.event(message, EventKind.THROTTLED, f"{lane.name}: {error}")
        self._requeue(message)
        delay_s = lane.pace.delay_s(0, now)
        if not delay_s:
            # The provider keeps its speed, so it is this number that has to wait.
            message.due_at_ms = self._clock.now_ms() + THROTTLED_NUMBER_MS
            self._journal.change(message)
            self._dispatcher.postpone(message)
            return
        lane.queue.push_front(message)
        self._dispatcher.pump_later(lane, delay_s)

    def _try_again(self, lane: Lane, message: Message, error: str) -> None:
        """Deferred: the next provider at once when one is open, else later."""
        message.error = error
        message.attempts += 1
        self._requeue(message)
        if self._fall_through(lane, message, error):
            return
        message.tried = None
        self._retry_later(lane, message, error)

    def _fall_through(self, lane: Lane, message: Message, error: str) -> bool:
        """Whether another provider of the route gets it at once; this one has been tried."""
        dispatcher = self._dispatcher
        message.tried = (message.tried or set()) | {lane.id}
        if bound_provider(message) is not None:
            return False
        route = dispatcher.find_route(message)
        if choose_provider(route, dispatcher.is_open, message.tried, dispatcher.draw) is None:
            return False
        self._fates.event(message, EventKind.FALL_THROUGH, f"{lane.name}: {error}")
        self._journal.change(message)
        dispatcher.place_soon(message)
        return True

    def _retry_later(self, lane: Lane, message: Message, error: str) -> None:
        delay_s = retry_delay_s(lane.spec.retry_s, message.attempts, self._dispatcher.draw())
        if delay_s is None:
            self._dispatcher.end(message, MessageState.FAILED, error)
            return
        message.due_at_ms = self._clock.now_ms() + int(delay_s * 1000)
        self._fates.event(message, EventKind.RETRY, f"{lane.name}: {error}")
        self._journal.change(message)
        self._dispatcher.postpone(message)

    def _refused(self, lane: Lane, message: Message, outcome: Refused) -> None:
        self._requeue(message)
        message.error = outcome.error
        message.attempts += 1
        if not outcome.everywhere and self._fall_through(lane, message, outcome.error):
            return
        self._dispatcher.end(message, MessageState.REJECTED, outcome.error)

    def _unknown(self, lane: Lane, message: Message, outcome: Unknown) -> None:
        self._fates.event(message, EventKind.UNKNOWN_OUTCOME, f"{lane.name}: {outcome.error}")
        message.error = outcome.error
        if lane.spec.unknown == "hold":
            # ATTEMPTED until a receipt, a late answer, or the receipt window's end; it left as
            # QUEUED when the policy was another then.
            message.state = _ATTEMPTED
            self._backlogs.leave(message)
            self.on_held(message)
            self._journal.change(message)
            return
        message.attempts += 1
        self._requeue(message)
        if message.attempts == 1:
            self._journal.change(message)
            self._dispatcher.place_soon(message)
        else:
            self._retry_later(lane, message, outcome.error)

    def _requeue(self, message: Message) -> None:
        message.in_flight = 0
        message.route = None  # each attempt chooses again
        if message.state == _ATTEMPTED:
            message.state = _QUEUED
            self._journal.change(message)
        self._backlogs.waits(message)

    def late(self, lane: Lane, message: Message, n: int, outcome: Outcome) -> None:
        """An answer after the time-out: it settles the Unknown when nothing else has yet.

        Also while the message is out again: then the answer to that attempt is one too many.
        """
        self._health.note(lane, outcome)
        if type(outcome) is not Sent:
            return
        # It may have been put off to disk and read back since: then that object is the message.
        message = self._backlogs.live.get(message.key, message)
        self._counters.outcomes[lane.name, "late"] += 1
        is_open = message.state in (_QUEUED, _ATTEMPTED)
        again = ", sent again meanwhile" if message.in_flight or not is_open else ""
        self._fates.event(message, EventKind.LATE_ANSWER, f"{lane.name}: part {n + 1}{again}")
        id = outcome.provider_message_id
        if message.part_count > 1 and not lane.wire.whole_text:
            if is_open and message.provider_id == lane.id:
                self._late_part(lane, message, message.split_parts()[n], id)
        elif is_open:
            self._backlogs.stops_waiting(message)
            message.provider_id = lane.id
            self._sent(lane, message, id)
        else:
            self._sent_again(lane, message, id)

    def _late_part(self, lane: Lane, message: Message, part: Part, provider_id: str) -> None:
        if part.state != _QUEUED:
            return
        self._counters.parts_sent[lane.name] += 1
        self._part_sent(lane, message, part, provider_id)
        if not message.in_flight and all(p.state != _QUEUED for p in message.split_parts()):
            self._backlogs.stops_waiting(message)
            self._conclude(lane, message, None)

    # -- long messages ---------------------------------------------------------------------------

    def _part_settled(self, lane: Lane, message: Message, n: int, outcome: Outcome) -> None:
        part = message.split_parts()[n]
        message.in_flight -= 1
        if type(outcome) is Sent:
            self._counters.parts_sent[lane.name] += 1
            self._part_sent(lane, message, part, outcome.provider_message_id)
        elif part.state == _QUEUED:  # else a late answer has settled it
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

    def nothing_left(self, lane: Lane, message: Message) -> None:
        """Every part of a message that was to be sent had left before a restart."""
        self._mark_sent(message)
        self._conclude(lane, message, None)

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


def _severity(outcome: Outcome) -> int:
    """Which of several parts' outcomes decides: a refusal over doubt over delay."""
    if isinstance(outcome, Refused):
        return 3
    if isinstance(outcome, Unknown):
        return 2
    return 0 if isinstance(outcome, Deferred) and (outcome.throttled or outcome.unsent) else 1

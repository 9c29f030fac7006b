"""Health of the lanes: slows a provider that throttles, takes one out that answers nothing good."""

import logging

from gateway.domain.outcome import Deferred, Outcome, Sent, Unknown
from gateway.flow.dispatcher import Dispatcher
from gateway.flow.lane import Lane
from gateway.ports import Clock
from gateway.runtime.metrics import Counters

log = logging.getLogger("postern.health")


class Health:
    """Turns outcomes into pace, window and circuit of their lane."""

    def __init__(self, dispatcher: Dispatcher, clock: Clock, counters: Counters) -> None:
        self._dispatcher = dispatcher
        self._clock = clock
        self._counters = counters

    def note(self, lane: Lane, outcome: Outcome) -> None:
        """One outcome; called for every one that is not `Sent`, and for all of a strained lane.

        A lost link says nothing of the provider's health: it has its own way of being down.
        """
        if isinstance(outcome, Unknown):
            if outcome.silent:
                self._shrink(lane)
                self._failed(lane, outcome.error)
            else:
                lane.breaker.inconclusive()
        elif isinstance(outcome, Deferred) and outcome.unsent:
            lane.breaker.inconclusive()
        elif isinstance(outcome, Deferred) and not outcome.throttled:
            self._failed(lane, outcome.error)
        else:
            if isinstance(outcome, Deferred):
                if lane.pace.throttled(self._clock.monotonic()):
                    self._shrink(lane)
            elif isinstance(outcome, Sent):
                lane.pace.taken()
                lane.window.answered(lane.wire.capacity())
            if lane.breaker.answered():
                self._closed(lane)
        lane.note_strain()

    def _shrink(self, lane: Lane) -> None:
        lane.window.shrink(lane.wire.in_flight(), self._clock.monotonic())

    def _failed(self, lane: Lane, error: str) -> None:
        breaker = lane.breaker
        breaker.limit = lane.spec.breaker  # a reload may have changed it
        if not breaker.failed(error):
            return
        lane.note_strain()
        self._counters.circuits_opened[lane.name] += 1
        log.warning(
            "provider.circuit_open",
            extra={
                "fields": {
                    "provider": lane.name,
                    "reason": error,
                    "failures": breaker.failures,
                    "retry_s": breaker.pause_s,
                }
            },
        )
        lane.breaker_timer = self._clock.call_later(breaker.pause_s, self._try_again, lane)
        # Not at once: the message whose outcome this is has not been put anywhere yet.
        self._clock.call_soon(self._dispatcher.room_changed, lane)

    def _try_again(self, lane: Lane) -> None:
        lane.breaker_timer = None
        lane.breaker.pause_over()
        self._dispatcher.room_changed(lane)

    def _closed(self, lane: Lane) -> None:
        log.info("provider.circuit_closed", extra={"fields": {"provider": lane.name}})
        lane.note_strain()
        self._clock.call_soon(self._dispatcher.room_changed, lane)

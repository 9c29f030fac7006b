"""The way to one HTTP upstream: its session, its requests, and whether it can be reached.

Theory of operation.  Every request is one supervised task whose end is told once, whatever happens
to it.  The link has three conditions: UP (room is the free window), DOWN (several connections in a
row could not be made: no room until a backoff is over) and PROBING (the backoff is over: room for
one request, whose end decides between the other two).  Only a failure to connect counts: an
upstream that answers, even with errors, is up, and what it says is the provider's to judge.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, TypeVar

from gateway.domain.outcome import Deferred, Unknown
from gateway.policy.retry import reconnect_delay_s
from gateway.ports import Clock, Timer
from gateway.runtime.supervisor import Supervisor
from protocols.http.outgoing import (
    ANSWER_LIMIT,
    CONNECT_TIMEOUT_S,
    AnswerLost,
    HttpAnswer,
    NotSent,
    OutgoingSession,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLinkOptions:
    """How an upstream is reached.

    `window`: requests at the same time.  `timeout_s`: for a whole exchange.  `down_after`: failures
    to connect in a row before the upstream counts as down.  `answer_limit`: octets read of a body.
    """

    name: str
    user_agent: str
    window: int = 20
    timeout_s: float = 30.0
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    down_after: int = 3
    answer_limit: int = ANSWER_LIMIT


class LinkState(Enum):
    """Whether connections to the upstream can be made."""

    STOPPED = "stopped"
    UP = "up"
    DOWN = "down"
    PROBING = "probing"


class HttpLink:
    """One upstream, whatever is said to it.

    `on_change` is called when the link came up or went down, and when `room` grew from 0.  `draw`
    gives a number in [0, 1) for the jitter of the backoff.
    """

    def __init__(
        self,
        options: HttpLinkOptions,
        origin: str,
        clock: Clock,
        supervisor: Supervisor,
        draw: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        self.state = LinkState.STOPPED
        self._options = options
        self._origin = origin
        self._clock = clock
        self._supervisor = supervisor
        self._draw = draw
        self._on_change = on_change
        self._session = _session(options)
        self._requests: set[asyncio.Task[Any]] = set()
        self._failures = 0  # to connect, in a row
        self._last_error = ""
        self._backoff: Timer | None = None

    @property
    def is_up(self) -> bool:
        """Whether requests may be tried: started, and not in the backoff of a broken link."""
        return self.state in (LinkState.UP, LinkState.PROBING)

    @property
    def under_way(self) -> int:
        """Requests that have not ended."""
        return len(self._requests)

    def room(self) -> int:
        """Requests that may begin now."""
        if self.state is LinkState.UP:
            return max(0, self._options.window - len(self._requests))
        if self.state is LinkState.PROBING and not self._requests:
            return 1
        return 0

    # --- requests -----------------------------------------------------------------------------

    def begin(self, request: Coroutine[Any, Any, T], ended: Callable[[T | Unknown], None]) -> None:
        """Runs `request`, also beyond the room; `ended` gets its result.

        It gets Unknown when the request was given up, or died of an error, of which the supervisor
        makes the noise.
        """
        task = self._supervisor.spawn(request, f"http-provider-{self._options.name}")
        self._requests.add(task)
        task.add_done_callback(partial(self._ended, ended))

    def _ended(self, ended: Callable[[T | Unknown], None], task: asyncio.Task[T]) -> None:
        had_room = self.room() > 0
        self._requests.discard(task)
        if task.cancelled():
            ended(Unknown("stopped"))
        elif task.exception() is not None:
            ended(Unknown("internal_error"))
        else:
            ended(task.result())
        if not had_room and self.room() > 0:
            self._on_change()

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer | Deferred | Unknown:
        """Sends one request and reads its answer; without one, what that means for what it sent."""
        try:
            answer = await self._session.exchange(method, url, headers, body)
        except NotSent as error:
            self._last_error = str(error)
            self._connect_failed()
            return Deferred("connect_failed")
        except AnswerLost as error:
            self._last_error = str(error)
            self._connected()
            return Unknown("answer_lost", silent=error.timed_out)
        self._connected()
        return answer

    # --- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Opens for requests; connections are made as they are needed.  Idempotent."""
        if self.state is LinkState.STOPPED:
            self.state = LinkState.UP
            self._on_change()

    def halt(self) -> None:
        """No room from now on; requests under way go on.  Idempotent."""
        self._cancel_backoff()
        self.state = LinkState.STOPPED

    async def stop(self, deadline_s: float) -> None:
        """Halts, waits up to `deadline_s` for answers, then gives up and closes.  Idempotent."""
        self.halt()
        if self._requests:
            timer = self._clock.call_later(deadline_s, self._give_up)
            await asyncio.wait(list(self._requests))
            timer.cancel()
        await self._session.close()

    def adopt(self, options: HttpLinkOptions, origin: str) -> None:
        """Other options, or another address; requests under way end as they began."""
        before, self._options = self._options, options
        if _session_settings(before) != _session_settings(options):
            session, self._session = self._session, _session(options)
            self._supervisor.spawn(
                _close_after(session, list(self._requests)), f"http-provider-{before.name}-closing"
            )
        if self._origin != origin:
            self._origin = origin
            self._connected()  # what failed was the other address

    def describe(self) -> Mapping[str, object]:
        """Live state, without secrets."""
        return {
            "url": self._origin,
            "state": self.state.value,
            "window": self._options.window,
            "outstanding": len(self._requests),
            "connect_failures": self._failures,
            "last_error": self._last_error,
        }

    def _give_up(self) -> None:
        for task in self._requests:
            task.cancel()

    # --- condition ----------------------------------------------------------------------------

    def _connected(self) -> None:
        self._failures = 0
        if self.state in (LinkState.DOWN, LinkState.PROBING):
            self._cancel_backoff()
            self.state = LinkState.UP
            self._on_change()

    def _connect_failed(self) -> None:
        self._failures += 1
        excess = self._failures - self._options.down_after
        if excess >= 0 and self.is_up:
            self.state = LinkState.DOWN
            delay_s = reconnect_delay_s(excess + 1, self._draw())
            self._backoff = self._clock.call_later(delay_s, self._probe)
            self._on_change()

    def _probe(self) -> None:
        self._backoff = None
        self.state = LinkState.PROBING
        self._on_change()

    def _cancel_backoff(self) -> None:
        if self._backoff is not None:
            self._backoff.cancel()
            self._backoff = None


def _session_settings(options: HttpLinkOptions) -> tuple[object, ...]:
    return (
        options.user_agent, options.timeout_s, options.connect_timeout_s, options.answer_limit
    )  # fmt: skip


def _session(options: HttpLinkOptions) -> OutgoingSession:
    return OutgoingSession(
        options.user_agent,
        timeout_s=options.timeout_s,
        connect_timeout_s=options.connect_timeout_s,
        answer_limit=options.answer_limit,
    )


async def _close_after(session: OutgoingSession, requests: Sequence[asyncio.Task[Any]]) -> None:
    """Closes `session` once its last requests have ended."""
    try:
        if requests:
            await asyncio.wait(requests)
    finally:
        await session.close()

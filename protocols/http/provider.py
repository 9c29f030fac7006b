"""The HTTP provider: hands messages to one upstream, as its template says.

Fits `gateway.ports.Provider`.  Theory of operation.  Every submit is one supervised task that ends
in one `ProviderSink.settled`, whatever happens to it.  The link has three conditions: UP (room is
the free window), DOWN (several connections in a row could not be made: no room until a backoff is
over) and PROBING (the backoff is over: room for one request, whose end decides between the other
two).  Only a failure to connect counts: a provider that answers, even with errors, is up, and what
it says is the template's to judge.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.domain.message import Message
from gateway.domain.outcome import Deferred, Outcome, Refused, Unknown
from gateway.policy.retry import reconnect_delay_s
from gateway.ports import Clock, ProviderSink, Timer
from gateway.runtime.supervisor import Supervisor
from protocols.http.outgoing import CONNECT_TIMEOUT_S, AnswerLost, NotSent, OutgoingSession
from protocols.http.template import HttpTemplate


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProviderOptions:
    """What is not in the template.

    `window`: requests at the same time.  `timeout_s`: for a whole exchange.  `down_after`: failures
    to connect in a row before the provider counts as down.  `callback_url`: where it may send
    receipts; empty when there is no such place.
    """

    name: str
    user_agent: str
    window: int = 20
    timeout_s: float = 30.0
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    down_after: int = 3
    callback_url: str = ""


class LinkState(Enum):
    """Whether connections to the provider can be made."""

    STOPPED = "stopped"
    UP = "up"
    DOWN = "down"
    PROBING = "probing"


class HttpProvider:
    """`ports.Provider` over HTTP.

    `whole_text`: when true the provider splits long texts itself, so a message is one part here and
    only part 0 is submitted.  `draw` gives a number in [0, 1) for the jitter of the backoff.

    Raises:
        ValueError: the template sends {callback_url} and there is none.
    """

    def __init__(
        self,
        options: HttpProviderOptions,
        template: HttpTemplate,
        sink: ProviderSink,
        clock: Clock,
        supervisor: Supervisor,
        draw: Callable[[], float],
    ) -> None:
        check_callback_url(options.name, template, options.callback_url)
        self.whole_text = template.whole_text
        self._options = options
        self._template = template
        self._sink = sink
        self._clock = clock
        self._supervisor = supervisor
        self._draw = draw
        self._wanted = options, template
        self._is_switching = False  # takes nothing until `whole_text` can change
        self._session = _session(options)
        self._pending: dict[asyncio.Task[Outcome], tuple[Message, int]] = {}
        self._state = LinkState.STOPPED
        self._failures = 0  # to connect, in a row
        self._last_error = ""
        self._backoff: Timer | None = None

    def room(self) -> int:
        """Requests it can take now."""
        if self._is_switching:
            return 0
        if self._state is LinkState.UP:
            return max(0, self._options.window - len(self._pending))
        if self._state is LinkState.PROBING and not self._pending:
            return 1
        return 0

    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._pending)

    def capacity(self) -> int:
        """Requests it takes at a time."""
        return self._options.window

    def is_up(self) -> bool:
        """Whether requests may be tried: started, and not in the backoff of a broken link."""
        return self._state in (LinkState.UP, LinkState.PROBING)

    def submit(self, message: Message, part: int) -> None:
        """Sends `part` of `message`, or all of it when `whole_text`."""
        if self._state is LinkState.STOPPED:
            self._settle_soon(message, part, Deferred("not_connected"))
        elif message.text is None:
            self._settle_soon(message, part, Refused("no_text"))
        else:
            task = self._supervisor.spawn(
                self._exchange(message, part), f"http-provider-{self._options.name}"
            )
            self._pending[task] = (message, part)
            task.add_done_callback(self._ended)

    async def start(self) -> None:
        """Opens for messages; connections are made as they are needed.  Idempotent."""
        if self._state is LinkState.STOPPED:
            self._state = LinkState.UP
            self._sink.room_changed()

    async def stop(self, deadline_s: float) -> None:
        """Takes nothing more, waits up to `deadline_s` for answers, then gives up.  Idempotent."""
        self._cancel_backoff()
        self._state = LinkState.STOPPED
        if self._pending:
            timer = self._clock.call_later(deadline_s, self._give_up)
            await asyncio.wait(list(self._pending))
            timer.cancel()
        await self._session.close()

    def reconfigure(self, options: HttpProviderOptions, template: HttpTemplate) -> None:
        """Sends by another template from now on; requests under way end as they began.

        Who splits long texts is changed once nothing is outstanding, because an answer is judged by
        it.

        Raises:
            ValueError: the template sends {callback_url} and there is none; nothing is changed.
        """
        check_callback_url(options.name, template, options.callback_url)
        self._wanted = options, template
        self._is_switching = template.whole_text != self.whole_text and bool(self._pending)
        if not self._is_switching:
            self._adopt()

    def _adopt(self) -> None:
        before, origin = self._options, self._template.origin
        self._options, self._template = self._wanted
        self.whole_text = self._template.whole_text
        if _session_settings(before) != _session_settings(self._options):
            session, self._session = self._session, _session(self._options)
            self._supervisor.spawn(
                _close_after(session, list(self._pending)), f"http-provider-{before.name}-closing"
            )
        if self._template.origin != origin:
            self._connected()  # what failed was the other address
        self._sink.room_changed()

    def describe(self) -> Mapping[str, object]:
        """Live state, without secrets."""
        return {
            "wire": "http",
            "url": self._template.origin,
            "state": self._state.value,
            "window": self._options.window,
            "outstanding": len(self._pending),
            "connect_failures": self._failures,
            "last_error": self._last_error,
        }

    async def _exchange(self, message: Message, part: int) -> Outcome:
        template = self._template
        request = template.build_request(
            message, part, self._clock.now_ms(), self._options.callback_url
        )
        try:
            answer = await self._session.exchange(*request)
        except NotSent as error:
            self._last_error = str(error)
            self._connect_failed()
            return Deferred("connect_failed")
        except AnswerLost as error:
            self._last_error = str(error)
            self._connected()
            return Unknown("answer_lost", silent=error.timed_out)
        self._connected()
        return template.read_answer(answer.status, answer.headers, answer.body)

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        had_room = self.room() > 0
        message, part = self._pending.pop(task)
        if task.cancelled():
            outcome: Outcome = Unknown("stopped")
        elif task.exception() is not None:
            outcome = Unknown("internal_error")  # the supervisor makes the noise
        else:
            outcome = task.result()
        self._sink.settled(message, part, outcome)
        if self._is_switching and not self._pending:
            self._is_switching = False
            self._adopt()
        elif not had_room and self.room() > 0:
            self._sink.room_changed()

    def _settle_soon(self, message: Message, part: int, outcome: Outcome) -> None:
        """Settles in the loop's next turn: the caller of `submit` is not ready for it before."""
        self._clock.call_soon(self._sink.settled, message, part, outcome)

    def _give_up(self) -> None:
        for task in self._pending:
            task.cancel()

    # --- the link's condition -----------------------------------------------------------------

    def _connected(self) -> None:
        self._failures = 0
        if self._state in (LinkState.DOWN, LinkState.PROBING):
            self._cancel_backoff()
            self._state = LinkState.UP
            self._sink.room_changed()

    def _connect_failed(self) -> None:
        self._failures += 1
        excess = self._failures - self._options.down_after
        if excess >= 0 and self._state in (LinkState.UP, LinkState.PROBING):
            self._state = LinkState.DOWN
            delay_s = reconnect_delay_s(excess + 1, self._draw())
            self._backoff = self._clock.call_later(delay_s, self._probe)
            self._sink.room_changed()

    def _probe(self) -> None:
        self._backoff = None
        self._state = LinkState.PROBING
        self._sink.room_changed()

    def _cancel_backoff(self) -> None:
        if self._backoff is not None:
            self._backoff.cancel()
            self._backoff = None


def check_callback_url(name: str, template: HttpTemplate, callback_url: str) -> None:
    """Whether the template of provider `name` has what it sends.

    Raises:
        ValueError: it sends {callback_url} and there is none.
    """
    if template.needs_callback_url and not callback_url:
        raise ValueError(
            f"provider {name}: its template sends {{callback_url}}, but no public URL for callbacks"
            " is configured"
        )


def _session_settings(options: HttpProviderOptions) -> tuple[object, ...]:
    return options.user_agent, options.timeout_s, options.connect_timeout_s


def _session(options: HttpProviderOptions) -> OutgoingSession:
    return OutgoingSession(
        options.user_agent,
        timeout_s=options.timeout_s,
        connect_timeout_s=options.connect_timeout_s,
    )


async def _close_after(session: OutgoingSession, requests: Sequence[asyncio.Task[Outcome]]) -> None:
    """Closes `session` once its last requests have ended."""
    try:
        if requests:
            await asyncio.wait(requests)
    finally:
        await session.close()

"""The provider that speaks a vendor's API: sockets, window and clock around a `Dialect`.

Fits `gateway.ports.Provider`.  Theory of operation.  What is submitted in one turn of the loop, or
while every request of the window is busy, is gathered: messages that are equal in the dialect's
`together` go in one request, up to its `most_together`.  Each of them is settled alone; a lost
answer leaves all of them unknown.

Room is counted in messages, the window in requests, and nobody knows before how many messages will
share one.  So the provider takes for each free request twice what requests carried last: a queue of
different texts puts no more than two windows here, where priorities no longer count, and one of
equal texts fills whole requests after some turns.

Receipts come by callback, or are asked for (`receipt_poll`); both are the dialect's to read.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.domain.message import Message
from gateway.domain.money import format_amount
from gateway.domain.outcome import Deferred, Outcome, Refused, Unknown
from gateway.ports import Clock, ProviderSink
from gateway.runtime.supervisor import Supervisor
from protocols.http.balance_probe import BalanceProbe
from protocols.http.bundles import Bundles
from protocols.http.dialect import Dialect
from protocols.http.link import HttpLink, HttpLinkOptions, LinkState
from protocols.http.outgoing import HttpAnswer
from protocols.http.receipt_poll import PollPlan, ReadAwaited, ReceiptPoll

BULK_ANSWER_LIMIT = 4 * 1024 * 1024  # octets: a thousand results, or a page of them
SETTLED_AT_ONCE = 100  # outcomes told in one loop turn


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectProviderOptions(HttpLinkOptions):
    """What is not in the dialect.

    `wire`: the dialect's name for people.  `callback_url`: where the vendor may send receipts;
    empty when there is no such place.  `poll` None: receipts are not asked for.  `balance_every_s`
    0: the balance is not either.  `balance_warn_micros`: see `BalanceProbe`.
    """

    wire: str
    answer_limit: int = BULK_ANSWER_LIMIT
    callback_url: str = ""
    poll: PollPlan | None = None
    balance_every_s: float = 0.0
    balance_warn_micros: int | None = None


class _Request:
    """The messages of one request; `told` of them are settled."""

    __slots__ = ("messages", "outcomes", "told")

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.outcomes: Sequence[Outcome] | None = None
        self.told = 0


class DialectProvider:
    """`ports.Provider` over one vendor's API.

    `read_awaited` reads what this provider owes receipts for.  `draw` gives a number in [0, 1) for
    the jitter of the link's backoff.
    """

    whole_text = True

    def __init__(
        self,
        options: DialectProviderOptions,
        dialect: Dialect,
        sink: ProviderSink,
        read_awaited: ReadAwaited,
        clock: Clock,
        supervisor: Supervisor,
        draw: Callable[[], float],
    ) -> None:
        self._options = options
        self._dialect = dialect
        self._sink = sink
        self._read_awaited = read_awaited
        self._clock = clock
        self._supervisor = supervisor
        self._link = HttpLink(options, dialect.origin, clock, supervisor, draw, self._link_changed)
        self._bundles = Bundles()
        self._flush_comes = False
        self._requested = 0  # messages in requests that are not settled
        self._per_request = 1  # messages to take for each request that may begin
        self._poll: ReceiptPoll | None = None
        self._probe: BalanceProbe | None = None
        self._services: list[asyncio.Task[None]] = []

    # --- ports.Provider -----------------------------------------------------------------------

    def room(self) -> int:
        """Messages it can take now; one while it is on trial."""
        per_request = self._per_request if self._link.state is LinkState.UP else 1
        return max(0, self._link.room() * per_request - self._bundles.size)

    def in_flight(self) -> int:
        """Messages it has not settled."""
        return self._requested + self._bundles.size

    def capacity(self) -> int:
        """Messages it may hold when every request is full."""
        return self._options.window * self._dialect.most_together

    def is_up(self) -> bool:
        """Whether requests may be tried: started, and not in the backoff of a broken link."""
        return self._link.is_up

    def submit(self, message: Message, part: int) -> None:
        """Sends all of `message`, alone or with others; `part` is 0."""
        if self._link.state is LinkState.STOPPED:
            self._settle_soon(message, Deferred("not_connected"))
        elif message.text is None:
            self._settle_soon(message, Refused("no_text"))
        elif (refused := self._dialect.unfit(message)) is not None:
            self._settle_soon(message, refused)
        else:
            self._bundles.add(self._dialect.together(message), message)
            if not self._flush_comes:
                self._flush_comes = True
                self._clock.call_soon(self._flush_now)

    async def start(self) -> None:
        """Opens for messages; connections are made as they are needed.  Idempotent."""
        if self._link.state is LinkState.STOPPED:
            self._link.start()
            self._start_services()

    async def stop(self, deadline_s: float) -> None:
        """Takes nothing more, waits up to `deadline_s` for answers, then gives up.  Idempotent."""
        self._link.halt()
        self._give_back()
        services = self._cancel_services()
        if services:
            await asyncio.wait(services)
        await self._link.stop(deadline_s)

    def describe(self) -> Mapping[str, object]:
        """Live state, without secrets.

        `outstanding` counts messages; `balance` is what the vendor said last, None before.
        """
        balance_micros = None if self._probe is None else self._probe.balance_micros
        return {
            "wire": self._options.wire,
            **self._link.describe(),
            "requests": self._link.under_way,
            "outstanding": self.in_flight(),
            "polls": 0 if self._poll is None else self._poll.requests,
            "balance": None if balance_micros is None else format_amount(balance_micros),
        }

    def reconfigure(self, options: DialectProviderOptions, dialect: Dialect) -> None:
        """Speaks with other settings from now on; requests under way end as they began."""
        before = _services_of(self._options, self._dialect)
        self._options, self._dialect = options, dialect
        for message in self._bundles.drain():
            self.submit(message, 0)  # what may go together, or not at all, may be other now
        self._link.adopt(options, dialect.origin)
        if _services_of(options, dialect) != before and self._link.state is not LinkState.STOPPED:
            self._cancel_services()
            self._start_services()
        if self._poll is not None:
            self._poll.dialect = dialect
        if self._probe is not None:
            self._probe.dialect = dialect
        self._sink.room_changed()

    # --- requests -----------------------------------------------------------------------------

    def _flush_now(self) -> None:
        self._flush_comes = False
        if not self._link.is_up:
            self._give_back()
            return
        had_room = self.room() > 0
        self._flush()
        if not had_room and self.room() > 0:
            self._sink.room_changed()

    def _flush(self) -> None:
        """Begins requests while there is room for them, and learns how much they carry."""
        most = self._dialect.most_together
        requests, carried = 0, 0
        while self._bundles.size and self._link.room():
            messages = self._bundles.take(most)
            requests += 1
            carried += len(messages)
            self._begin(messages)
        if requests:
            self._per_request = min(most, max(1, 2 * carried // requests))

    def _begin(self, messages: list[Message]) -> None:
        self._requested += len(messages)
        request = _Request(messages)
        self._link.begin(self._exchange(request), partial(self._ended, request))

    async def _exchange(self, request: _Request) -> None:
        dialect, messages = self._dialect, request.messages
        answer = await self._link.exchange(*dialect.send(messages, self._options.callback_url))
        if isinstance(answer, HttpAnswer):
            outcomes = dialect.read_sent(messages, answer.status, answer.headers, answer.body)
            if len(outcomes) != len(messages):
                raise ValueError(f"{len(outcomes)} outcomes for {len(messages)} messages")
        else:
            outcomes = _without_answer(answer, len(messages))
        request.outcomes = outcomes
        while len(messages) - request.told > SETTLED_AT_ONCE:
            self._settle(request, outcomes, SETTLED_AT_ONCE)
            await self._clock.sleep(0)

    def _ended(self, request: _Request, end: Unknown | None) -> None:
        """Tells what is not told yet: the rest, or everything of a request that was given up."""
        outcomes = request.outcomes
        if outcomes is None:
            outcomes = _without_answer(end or Unknown("internal_error"), len(request.messages))
        self._settle(request, outcomes, len(request.messages))

    def _settle(self, request: _Request, outcomes: Sequence[Outcome], most: int) -> None:
        some = slice(request.told, request.told + most)
        messages = request.messages[some]
        request.told += len(messages)
        self._requested -= len(messages)
        for message, outcome in zip(messages, outcomes[some], strict=True):
            self._sink.settled(message, 0, outcome)

    def _settle_soon(self, message: Message, outcome: Outcome) -> None:
        """Settles in the loop's next turn: the caller of `submit` is not ready for it before."""
        self._clock.call_soon(self._sink.settled, message, 0, outcome)

    def _give_back(self) -> None:
        """What has not left goes by another way, or waits where priorities count."""
        for message in self._bundles.drain():
            self._sink.settled(message, 0, Deferred("not_connected", unsent=True))

    def _link_changed(self) -> None:
        if self._link.is_up:
            self._flush()
        else:
            self._give_back()
        self._sink.room_changed()

    # --- services -----------------------------------------------------------------------------

    def _start_services(self) -> None:
        options, dialect = self._options, self._dialect
        if options.poll is not None and dialect.polls:
            self._poll = ReceiptPoll(
                dialect, options.poll, self._link, self._sink, self._read_awaited, self._clock
            )
            self._serve(self._poll.run(), "poll")
        if options.balance_every_s and dialect.balance() is not None:
            self._probe = BalanceProbe(
                options.name,
                dialect,
                self._link,
                self._clock,
                every_s=options.balance_every_s,
                warn_micros=options.balance_warn_micros,
            )
            self._serve(self._probe.run(), "balance")

    def _serve(self, service: Coroutine[Any, Any, None], what: str) -> None:
        name = f"http-provider-{self._options.name}-{what}"
        self._services.append(self._supervisor.spawn(service, name))

    def _cancel_services(self) -> list[asyncio.Task[None]]:
        services, self._services = self._services, []
        self._poll = self._probe = None
        for service in services:
            service.cancel()
        return services


def _services_of(options: DialectProviderOptions, dialect: Dialect) -> tuple[object, ...]:
    return dialect.polls, options.poll, options.balance_every_s, options.balance_warn_micros


def _without_answer(outcome: Deferred | Unknown, count: int) -> Sequence[Outcome]:
    """What a request without an answer means for each of its messages.

    One silent request is one failure of the provider, however many messages it carried.
    """
    if isinstance(outcome, Unknown) and outcome.silent:
        return [outcome, *[Unknown(outcome.error)] * (count - 1)]
    return [outcome] * count

"""A whole heart with real wires to simulated carriers that misbehave; time moves by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from gateway.domain.commit_group import EventKind
from gateway.domain.lifecycle import MessageState, MoneyState, is_final
from gateway.domain.message import Message
from gateway.flow.lane import Lane
from gateway.flow.provider_sink import LaneSink
from gateway.ports import Provider
from postern.simulator.behaviour import Behaviour
from postern.simulator.http_carrier import SimulatedHttpCarrier
from postern.simulator.inbox import Inbox
from postern.simulator.smsc import SimulatedSmsc
from postern.simulator.tally import Tally
from protocols.http.app import build_app
from protocols.http.callbacks import (
    CallbackTarget,
    callback_path,
    callback_routes,
    template_target,
)
from protocols.http.listener import HttpListener
from protocols.http.provider import HttpProvider, HttpProviderOptions
from protocols.smpp.provider import SmppProvider, SmppProviderOptions
from protocols.smpp.session import Timers
from tests.support.clock import settle
from tests.support.esme import LIMIT_S
from tests.support.heart import PRICE, World, provider_spec
from tests.support.http_templates import make_template
from tests.support.smpp_peers import SocketClock

S = MessageState
ANSWER_S = 5.0  # response_timeout of every SMPP provider here
HTTP_ANSWER_S = 0.3  # real seconds: the HTTP client's own clock
WINDOW = 10
NAME = "carrier"
TOKEN = "callback-token"
_STEP_S = 0.25
_REAL_STEP_S = 0.02
_TIMERS = Timers(session_init_s=10, enquire_link_s=10, inactivity_s=0, response_s=ANSWER_S)
_PROMPT = {"receipt_delay_s": (0.0, 0.0), "late_by_s": 0.0}


def behaving(**script: Any) -> Behaviour:
    """A carrier whose receipts follow at once, but for what `script` says."""
    return Behaviour(**{**_PROMPT, **script})


class Site:
    """One heart, its customers bound, and the carriers by the names of their providers."""

    def __init__(self, world: World, clock: SocketClock) -> None:
        self.world = world
        self.clock = clock
        self.inboxes: dict[str, Inbox] = {}
        self.tallies: dict[str, Tally] = {}
        self.callback_url = ""

    # -- time ------------------------------------------------------------------------------------

    async def elapse(self, seconds: float, step_s: float = _STEP_S) -> None:
        """Time passes on both ends; sockets have their turns."""
        left = seconds
        while left > 0:
            self.clock.advance(min(step_s, left))
            await settle()
            left -= step_s
        assert not self.world.deaths, self.world.deaths

    async def until(self, condition: Callable[[], object], most_s: float = 120.0) -> None:
        """Lets time pass until `condition` holds."""
        await settle()
        waited = 0.0
        while not condition():
            assert waited < most_s, f"not within {most_s:g} s"
            await self.elapse(_STEP_S)
            waited += _STEP_S

    async def really(self, condition: Callable[[], object]) -> None:
        """Like `until`, where real time must pass as well: the HTTP client has its own clock."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                await self.elapse(_STEP_S)
                await asyncio.sleep(_REAL_STEP_S)

    # -- traffic ---------------------------------------------------------------------------------

    def lane(self, name: str = NAME) -> Lane:
        return self.world.lane(name)

    async def up(self, name: str = NAME) -> None:
        await self.until(self.lane(name).wire.is_up)

    async def accepted(self, count: int = 1, text: str = "hello", **fields: Any) -> list[Message]:
        """Messages that are on disk, to recipients of their own."""
        first = len(self.world.store.rows)
        asked = [self.world.submit(text, f"4179{first + n:06d}7", **fields) for n in range(count)]
        await self.until(lambda: all(a.answers for a in asked))
        return [a.message for a in asked]

    def arrived(self, message: Message, name: str = NAME) -> int:
        """How often the phone got it."""
        return sum(e["to"] == f"+{message.recipient}" for e in self.inboxes[name].after(0))

    def counted(self, field: str, name: str = NAME) -> dict[str, int]:
        """A labelled counter of one provider."""
        counts = getattr(self.world.heart.counters, field)
        return {kind: n for (of, kind), n in counts.items() if of == name and n}

    # -- the end ---------------------------------------------------------------------------------

    async def ended(self, messages: list[Message], state: S = S.DELIVERED) -> None:
        """Waits until all ended in `state`; none is lost, told twice, or charged twice."""
        await self.until(lambda: self._have_ended(messages), most_s=300.0)
        await self.elapse(1.0)
        self._check_ends(messages, state)

    async def ended_slowly(self, messages: list[Message], state: S = S.DELIVERED) -> None:
        """Like `ended`, over HTTP."""
        await self.really(lambda: self._have_ended(messages))
        await self.elapse(0.1)
        self._check_ends(messages, state)

    def _have_ended(self, messages: list[Message]) -> bool:
        return all(is_final(self.world.state(m)) for m in messages)

    def _check_ends(self, messages: list[Message], state: S) -> None:
        world = self.world
        assert {world.state(m).name for m in messages} == {state.name}
        for message in messages:
            told = [s for key, s in world.notifier.told if key == message.key]
            assert told == [state]
            kinds = world.kinds(message)
            assert state == S.DELIVERED or kinds, "the timeline does not tell why"
        assert world.heart.backlogs.live == {}
        assert set(world.waiting().values()) == {(0, False)}
        self.check_money()

    def check_money(self) -> None:
        """What was taken is the price of the messages that keep their charge, once each."""
        rows = self.world.store.rows.values()
        charged = sum(r.charge_micros for r in rows if r.money == MoneyState.CHARGED)
        held = sum(r.charge_micros for r in rows if r.money == MoneyState.HELD)
        assert self.world.spent() == (charged, held)
        assert all(r.charge_micros == r.part_count * PRICE for r in rows)

    def story(self, message: Message) -> list[EventKind]:
        """The deviations on its timeline, neighbours of one kind as one."""
        kinds = self.world.kinds(message)
        return [k for n, k in enumerate(kinds) if n == 0 or kinds[n - 1] is not k]


@asynccontextmanager
async def site(**specs: dict[str, Any]) -> AsyncIterator[Site]:
    """A heart whose providers, by name, are still to be given their wires."""
    clock = SocketClock()
    providers = [provider_spec(name, **spec) for name, spec in specs.items()]
    world = await World.build(clock=clock, providers=providers, are_up=False)
    try:
        yield Site(world, clock)
    finally:
        world.heart.dispatcher.stopping = True
        await world.supervisor.stop()
    assert not world.deaths, world.deaths


async def _give_wire(made: Site, name: str, wire: Provider, stack: AsyncExitStack) -> None:
    made.lane(name).wire = wire
    await wire.start()

    async def stop() -> None:
        stopping = asyncio.ensure_future(wire.stop(0.0))
        while not stopping.done():
            await made.elapse(_STEP_S)
        await stopping

    stack.push_async_callback(stop)


def _sink(made: Site, name: str) -> LaneSink:
    heart = made.world.heart
    sink = LaneSink(heart.dispatcher, heart.outcomes, heart.receipts)
    sink.lane = made.lane(name)
    return sink


async def add_smsc(
    made: Site, stack: AsyncExitStack, behaviour: Behaviour, name: str = NAME, **options: Any
) -> SimulatedSmsc:
    """A simulated SMSC and the SMPP provider bound to it; `options` are the provider's."""
    made.inboxes[name] = Inbox()
    smsc = SimulatedSmsc(
        name, inbox=made.inboxes[name], clock=made.clock, behaviour=behaviour,
        timers=Timers(session_init_s=0, enquire_link_s=0),
    )  # fmt: skip
    made.tallies[name] = smsc.tally
    await smsc.start("127.0.0.1", 0)
    stack.push_async_callback(smsc.stop, 0.0)
    settings: dict[str, Any] = {
        "name": name, "host": "127.0.0.1", "port": smsc.port, "system_id": "gw",
        "password": "secret", "window": WINDOW, "timers": _TIMERS, "response_timeout_s": ANSWER_S,
        **options,
    }  # fmt: skip
    provider = SmppProvider(
        SmppProviderOptions(**settings),
        _sink(made, name),
        clock=made.clock,
        spawn=made.world.supervisor.spawn,
        draw=lambda: 0.0,
    )
    await _give_wire(made, name, provider, stack)
    return smsc


@asynccontextmanager
async def smsc_site(
    spec: dict[str, Any] | None = None, options: dict[str, Any] | None = None, **script: Any
) -> AsyncIterator[Site]:
    """One provider over SMPP, whose carrier follows `script`."""
    specs = {NAME: {"id_mode": "as_is", **(spec or {})}}
    async with site(**specs) as made, AsyncExitStack() as stack:
        await add_smsc(made, stack, behaving(**script), **(options or {}))
        yield made


@asynccontextmanager
async def http_site(spec: dict[str, Any] | None = None, **script: Any) -> AsyncIterator[Site]:
    """One provider over HTTP, whose carrier follows `script` and calls back."""
    async with site(**{NAME: spec or {}}) as made, AsyncExitStack() as stack:
        sink, supervisor = _sink(made, NAME), made.world.supervisor
        targets: dict[str, CallbackTarget] = {}
        listener = HttpListener(build_app([], callback_routes(targets)), "127.0.0.1", 0)
        await listener.start()
        stack.push_async_callback(listener.stop)
        path = callback_path(NAME, TOKEN)
        made.callback_url = f"http://127.0.0.1:{listener.port}{path}"
        made.inboxes[NAME] = Inbox()
        carrier = SimulatedHttpCarrier(
            NAME, inbox=made.inboxes[NAME], clock=made.clock, supervisor=supervisor,
            behaviour=behaving(**script), callback_url=made.callback_url,
        )  # fmt: skip
        made.tallies[NAME] = carrier.tally
        await carrier.start("127.0.0.1", 0)
        stack.push_async_callback(carrier.stop)
        template = make_template(
            url=f"http://127.0.0.1:{carrier.port}/send",
            fields={"to": "{to_plus}", "from": "{from}", "text": "{text}"},
            success={"status": (202,)},
            id={"path": "id"},
            receipt={
                "token": TOKEN, "id": "id", "state": "status", "error": "error",
                "states": {"delivered": ("delivered",), "failed": ("failed",)},
            },
        )  # fmt: skip
        targets[NAME] = template_target(template, sink)
        provider = HttpProvider(
            HttpProviderOptions(name=NAME, user_agent="Postern/1", timeout_s=HTTP_ANSWER_S),
            template, sink, made.clock, supervisor, lambda: 0.0,
        )  # fmt: skip
        await _give_wire(made, NAME, provider, stack)
        yield made

"""A real heart on SQLite, its providers replaced by wires that a test holds in its hand."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from conf.settings import Settings, load
from gateway.domain.account import Credential, Door
from gateway.domain.errors import Refusal
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import CHANNEL_NAMES, Batch, Message, Submission
from gateway.domain.outcome import Outcome, Sent
from gateway.domain.receipt import Receipt
from gateway.domain.route import Route
from gateway.flow.lane import Lane
from gateway.flow.provider_sink import LaneSink
from gateway.runtime.clock import LoopClock
from gateway.runtime.supervisor import Supervisor
from gateway.store.store import Store
from postern.heart import Heart, build_heart

CONFIGURATION = """
[[account]]
name = "acme"
credit = "100.00"
region = "LV"
senders = ["ACME", "NEWS"]
  [[account.token]]
  secret = "token-acme"
  [[account.smpp]]
  system_id = "acme"
  password = "secret"

[[account]]
name = "poor"
currency = "USD"
credit = "0.05"
limit = "-1.00"
senders = ["*"]
  [[account.smpp]]
  system_id = "poor"
  password = "secret"

[[provider]]
name = "first"
wire = "smpp"
host = "127.0.0.1"
port = 1
system_id = "gw"
password = "secret"

[[provider]]
name = "second"
wire = "smpp"
host = "127.0.0.1"
port = 1
system_id = "gw"
password = "secret"

[[provider]]
name = "third"
wire = "smpp"
host = "127.0.0.1"
port = 1
system_id = "gw"
password = "secret"

[[route]]
name = "baltic"
prefix = "371"
tiers = [["first"], [{ provider = "second", weight = 3 }, { provider = "third", weight = 1 }]]

[[route]]
name = "everywhere else"
providers = ["second"]

[[route]]
name = "poor's own"
prefix = "371"
account = "poor"
providers = ["third"]

[[rate]]
price = "0.035"
[[rate]]
prefix = "371"
price = "0.02"
[[rate]]
currency = "USD"
price = "0.5"
"""


LIMIT_S = 10.0  # a test that waits for what never comes fails


class HeldWire:
    """`ports.Provider`: keeps what it is given until the test answers."""

    whole_text = False

    def __init__(self) -> None:
        self.up = True
        self.submitted: list[tuple[Message, int]] = []
        self.arrived = asyncio.Event()

    def room(self) -> int:
        return 100 if self.up else 0

    def in_flight(self) -> int:
        return len(self.submitted)

    def capacity(self) -> int:
        return 100

    def submit(self, message: Message, part: int) -> None:
        self.submitted.append((message, part))
        self.arrived.set()

    def is_up(self) -> bool:
        return self.up

    async def start(self) -> None:
        pass

    async def stop(self, deadline_s: float) -> None:
        pass

    def describe(self) -> Mapping[str, object]:
        state = "bound_trx" if self.up else "closed"
        return {
            "wire": "smpp",
            "address": "127.0.0.1:1",
            "binds": [{"peer": "p", "state": state, "outstanding": len(self.submitted)}],
            "last_error": "",
        }


class RunningHeart(NamedTuple):
    """The heart and the hands on it."""

    heart: Heart
    settings: Settings
    wires: dict[str, HeldWire]

    def lane(self, name: str) -> Lane:
        return next(lane for lane in self.heart.dispatcher.lanes.values() if lane.name == name)

    def credential(self, system_id: str) -> Credential:
        credential = self.heart.directory.smpp(system_id)
        assert credential is not None
        return credential

    async def send(
        self, text: str = "hello", *, account: str = "acme", sender: str = "ACME",
        to: str = "+37120000000",
    ) -> Message | Refusal:  # fmt: skip
        """Submits and waits for the commit."""
        answered: asyncio.Future[Message | Batch | Refusal]
        answered = asyncio.get_running_loop().create_future()
        submission = Submission(
            self.credential(account), Door.SMPP, sender, text,
            lambda _token, result: answered.set_result(result),
        )  # fmt: skip
        result = self.heart.admission.submit(submission, to)
        if isinstance(result, Refusal):
            return result
        committed = await asyncio.wait_for(answered, LIMIT_S)
        assert not isinstance(committed, Batch)
        return committed

    async def settle(self, name: str, outcome: Outcome | None = None) -> None:
        """Waits until the provider has something and answers all of it."""
        wire = self.wires[name]
        await asyncio.wait_for(wire.arrived.wait(), LIMIT_S)
        wire.arrived.clear()
        submitted, wire.submitted = wire.submitted, []
        for message, part in submitted:
            answer = outcome or Sent(f"{name}-{message.key:x}-{part}")
            self._sink(name).settled(message, part, answer)

    async def receive(self, name: str, id: str, state: MessageState, error: str = "") -> None:
        """A receipt of the provider, until it is on disk."""
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._sink(name).receipt(
            Receipt(id, state, error), lambda _token, is_stored: stored.set_result(is_stored), None
        )
        assert await asyncio.wait_for(stored, LIMIT_S)

    def _sink(self, name: str) -> LaneSink:
        sink = LaneSink(self.heart.dispatcher, self.heart.outcomes, self.heart.receipts)
        sink.lane = self.lane(name)
        return sink

    async def idle(self) -> None:
        """Everything is on disk."""
        done = asyncio.Event()
        self.heart.journal.when_idle(done.set)
        await asyncio.wait_for(done.wait(), LIMIT_S)


@asynccontextmanager
async def running_heart(
    directory: Path, configuration: str = CONFIGURATION
) -> AsyncIterator[RunningHeart]:
    """Everything of a daemon but its doors and wires."""
    file = directory / "postern.toml"
    file.write_text(configuration, encoding="utf-8")
    settings = load(file)
    clock = LoopClock(asyncio.get_running_loop())
    deaths: list[BaseException] = []
    supervisor = Supervisor(lambda _name, error: deaths.append(error))
    store = await Store.open(settings.store.url.reveal(), clock=clock, supervisor=supervisor)
    try:
        heart = await build_heart(settings, store, clock, supervisor)
        await heart.directory.load()
        declared = settings.declared()
        heart.directory.adopt(await heart.directory.declare(declared.accounts))
        heart.switchboard.set_rates(declared.rates)
        wires = await _declare_lanes(heart, settings)
        yield RunningHeart(heart, settings, wires)
        heart.dispatcher.stopping = True
    finally:
        await supervisor.stop()
        await store.close()
    assert not deaths


async def _declare_lanes(heart: Heart, settings: Settings) -> dict[str, HeldWire]:
    declared = settings.declared()
    wires: dict[str, HeldWire] = {}
    ids: dict[str, int] = {}
    for spec in declared.providers:
        id = ids[spec.name] = await heart.store.providers.declare(spec.name)
        wire = wires[spec.name] = HeldWire()
        heart.fates.provider_names[id] = spec.name
        lane = heart.dispatcher.lanes[id] = Lane(id, spec, wire)
        heart.dispatcher.room_changed(lane)
    heart.switchboard.set_routes(
        Route(
            route.name,
            CHANNEL_NAMES[route.channel],
            route.prefix,
            tuple(tuple((ids[name], weight) for name, weight in tier) for tier in route.tiers),
            None if route.account is None else heart.directory.by_name[route.account].id,
            route.sender,
        )
        for route in declared.routes
    )
    return wires

"""The whole heart on fakes: a store in memory, wires and customers in the test's hand, a clock by hand."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from conf.settings import Settings
from gateway.domain.account import Account, ChargeAt, Credential, Door
from gateway.domain.commit_group import EventKind, NoticeKind, StoredMessage
from gateway.domain.declared import (
    AccountSpec,
    ProviderSpec,
    RateSpec,
    SmppCredentialSpec,
    TokenSpec,
)
from gateway.domain.errors import Refusal
from gateway.domain.lifecycle import MessageState, NotifyWhen
from gateway.domain.message import Batch, Channel, Message, Submission
from gateway.domain.route import Route
from gateway.flow.lane import Lane
from gateway.flow.provider_sink import LaneSink
from gateway.runtime.supervisor import Supervisor
from gateway.store.store import Store
from postern.heart import Heart, build_heart
from tests.support.clock import FakeClock, settle
from tests.support.fake_wire import FakeNotifier, FakeWire
from tests.support.memory_store import MemoryStore

PRICE = 35_000
OPENING = 100_000_000
NUMBER = "41790000001"


def account_spec(name: str = "acme", **fields: Any) -> AccountSpec:
    """An account with one SMPP credential and one token, each named after it."""
    fields.setdefault("credit_micros", OPENING)
    fields.setdefault("senders", ("ACME",))
    fields.setdefault("smpp", (SmppCredentialSpec(system_id=name, password="secret"),))
    fields.setdefault("tokens", (TokenSpec(secret=f"token-{name}"),))
    return AccountSpec(name=name, **fields)


def provider_spec(name: str = "carrier", **fields: Any) -> ProviderSpec:
    return ProviderSpec(name=name, wire="smpp", **fields)


class Asked:
    """A submission and what came of it: `answers` holds what the customer was told."""

    def __init__(self) -> None:
        self.answers: list[Message | Batch | Refusal] = []
        self.result: Message | Batch | Refusal

    def answered(self, token: object, result: Message | Batch | Refusal) -> None:
        assert token is self
        self.answers.append(result)

    @property
    def message(self) -> Message:
        assert isinstance(self.result, Message), self.result
        return self.result

    @property
    def batch(self) -> Batch:
        assert isinstance(self.result, Batch), self.result
        return self.result

    @property
    def refusal(self) -> Refusal:
        """The one no that was said, at once or after the commit."""
        said = [*self.answers, self.result] if isinstance(self.result, Refusal) else self.answers
        assert len(said) == 1, said
        assert isinstance(said[0], Refusal), said
        return said[0]


class World:
    """A heart and everything around it.  Use `build`."""

    def __init__(self, store: MemoryStore, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.wires: dict[str, FakeWire] = {}
        self.deaths: list[BaseException] = []
        self.supervisor = Supervisor(lambda _name, error: self.deaths.append(error))
        self.heart: Heart
        self.notifier: FakeNotifier

    # -- making ----------------------------------------------------------------------------------

    @classmethod
    async def build(
        cls,
        *,
        accounts: Sequence[AccountSpec] | None = None,
        providers: Sequence[ProviderSpec] | None = None,
        routes: Sequence[Route] | None = None,
        rates: Sequence[RateSpec] | None = None,
        charge_at: ChargeAt = ChargeAt.ACCEPT,
        store: MemoryStore | None = None,
        clock: FakeClock | None = None,
        max_ready: int = 10_000,
        max_in_memory: int = 200_000,
        max_uncommitted: int = 50_000,
        retention_days: float = 90,
        whole_text: bool = False,
        windows: int = 100,
        are_up: bool = True,
    ) -> "World":
        clock = clock or FakeClock()
        store = store or MemoryStore(clock)
        store.clock = clock
        world = cls(store, clock)
        settings = SimpleNamespace(
            queue=SimpleNamespace(
                max_ready=max_ready,
                max_in_memory=max_in_memory,
                max_uncommitted=max_uncommitted,
                validity_s=2 * 86_400,
            ),
            log=SimpleNamespace(message_log=None),
            store=SimpleNamespace(retention_days=retention_days),
        )
        heart = world.heart = await build_heart(
            cast(Settings, settings), cast(Store, store), clock, world.supervisor
        )
        heart.dispatcher.draw = lambda: 0.0  # retries without jitter, always the first of a tier
        await heart.directory.load()
        specs = tuple(accounts or [account_spec(charge_at=charge_at)])
        heart.directory.adopt(await heart.directory.declare(specs))
        heart.fates.owed_notices = lambda message: [
            (NoticeKind.SIGNED, url)
            for url in heart.directory.webhook_urls.get(message.account.id, ())
        ]
        heart.switchboard.set_rates(
            rates or [RateSpec(channel="sms", prefix="", price_micros=PRICE)]
        )
        for spec in providers or [provider_spec()]:
            wire = world.add_provider(spec, windows, whole_text=whole_text)
            wire.up = are_up
            heart.dispatcher.room_changed(world.lane(spec.name))
        ids = tuple(((lane_id, 1),) for lane_id in heart.dispatcher.lanes)
        heart.switchboard.set_routes(routes or [Route("all", Channel.SMS, "", ids)])
        world.notifier = FakeNotifier(heart.notifications)
        heart.notifications.notifier = world.notifier
        world._known = {
            "accounts": accounts, "providers": providers, "routes": routes, "rates": rates,
            "charge_at": charge_at, "max_ready": max_ready, "max_in_memory": max_in_memory,
            "max_uncommitted": max_uncommitted, "retention_days": retention_days,
            "whole_text": whole_text, "windows": windows, "are_up": are_up,
        }  # fmt: skip
        return world

    def add_provider(
        self, spec: ProviderSpec, window: int = 100, *, whole_text: bool = False
    ) -> FakeWire:
        """A lane and its wire; ids are 1, 2, ... in order of their making."""
        heart = self.heart
        id = len(heart.dispatcher.lanes) + 1
        wire = FakeWire(
            spec.name, window, whole_text=whole_text, is_stored=self.store.rows.__contains__
        )
        wire.sink = sink = LaneSink(heart.dispatcher, heart.outcomes, heart.receipts)
        sink.lane = heart.dispatcher.lanes[id] = Lane(id, spec, wire)
        heart.fates.provider_names[id] = spec.name
        self.wires[spec.name] = wire
        return wire

    async def restarted(self, *, recovers: bool = True, **changes: Any) -> "World":
        """Throws this heart away as a crash would, and recovers on the same store.

        Without `recovers` its lanes are up and what was queued is not read back yet.
        """
        await self.supervisor.stop()
        self.store.writing = None
        clock = FakeClock(self.clock.now_ms())
        world = await World.build(store=self.store, clock=clock, **{**self._known, **changes})
        for name, wire in self.wires.items():
            world.wires[name].ids = wire.ids  # providers do not start again with ours
        if recovers:
            await world.recover()
        return world

    async def recover(self) -> None:
        """What the daemon does once it listens."""
        heart = self.heart
        heart.receipts.restore_parked(
            heart.dispatcher.lanes, await self.store.parked_receipts(100_000)
        )
        await heart.backlogs.recover()
        await self.after(0.001)

    # -- time ------------------------------------------------------------------------------------

    async def quiet(self) -> None:
        """Everything that can happen without time passing has happened."""
        for _ in range(6):
            self.clock.turn()
            await settle(6)
        self.clock.turn()
        assert not self.deaths, self.deaths

    async def after(self, seconds: float, steps: int = 4) -> None:
        """Lets time pass, tasks taking their turns."""
        for _ in range(steps):
            await self.quiet()
            self.clock.advance(seconds / steps)
        await self.quiet()

    async def committed(self) -> None:
        """What rides along is on disk as well."""
        await self.after(0.05)

    # -- asking ----------------------------------------------------------------------------------

    def submission(
        self,
        asked: Asked,
        text: str | None = "hello",
        *,
        account: str = "acme",
        door: Door = Door.SMPP,
        sender: str = "ACME",
        **fields: Any,
    ) -> Submission:
        credential = self.credential(account, door)
        return Submission(credential, door, sender, text, asked.answered, asked, **fields)

    def submit(self, text: str | None = "hello", recipient: str = NUMBER, **fields: Any) -> Asked:
        asked = Asked()
        asked.result = self.heart.admission.submit(
            self.submission(asked, text, **fields), recipient
        )
        return asked

    def submit_batch(
        self, recipients: Sequence[str], text: str | None = "hello", **fields: Any
    ) -> Asked:
        asked = Asked()
        asked.result = self.heart.admission.submit_batch(
            self.submission(asked, text, **fields), recipients
        )
        return asked

    async def accepted(self, text: str | None = "hello", **fields: Any) -> Message:
        """A message that is on disk, and with its provider if one has room."""
        asked = self.submit(text, **fields)
        await self.quiet()
        assert asked.answers == [asked.message]
        return asked.message

    async def sent(self, text: str | None = "hello", **fields: Any) -> tuple[Message, str]:
        """A message that the only provider took; its id there.  All of it is on disk."""
        message = await self.accepted(text, **fields)
        (id,) = self.wire.accept_all()
        await self.committed()
        return message, id

    # -- looking ---------------------------------------------------------------------------------

    @property
    def wire(self) -> FakeWire:
        """The first provider's."""
        return next(iter(self.wires.values()))

    def lane(self, name: str = "carrier") -> Lane:
        return next(lane for lane in self.heart.dispatcher.lanes.values() if lane.name == name)

    def account(self, name: str = "acme") -> Account:
        return self.heart.directory.by_name[name]

    def credential(self, account: str = "acme", door: Door = Door.SMPP) -> Credential:
        directory = self.heart.directory
        found = (
            directory.smpp(account) if door == Door.SMPP else directory.token(f"token-{account}")
        )
        if found is None:  # disabled ones must be asked for as well
            found = next(
                c
                for c in directory.credentials.values()
                if c.account.name == account and (c.name == account) == (door == Door.SMPP)
            )
        return found

    def row(self, message: Message) -> StoredMessage:
        return self.store.row(message.key)

    def state(self, message: Message) -> MessageState:
        """As it is on disk."""
        return self.store.rows[message.key].state

    def spent(self, name: str = "acme") -> tuple[int, int]:
        """(taken from the opening balance, held): memory and disk agree on it."""
        account = self.account(name)
        row = self.store.account_rows[account.id]
        in_memory = account.balance_micros, account.held_micros
        assert in_memory == (row.balance_micros, row.held_micros)
        return row.opening_micros - row.balance_micros, row.held_micros

    def kinds(self, message: Message) -> list[EventKind]:
        """The deviations on its timeline."""
        return [EventKind(e.kind) for e in self.store.timeline if e.message_key == message.key]

    def waiting(self) -> dict[tuple[int, int], tuple[int, bool]]:
        """What `Backlogs` counts."""
        return self.heart.backlogs.counts()


NEVER, ALWAYS = NotifyWhen.NEVER, NotifyWhen.ALWAYS

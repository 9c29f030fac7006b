"""Bulks on a whole heart, over the statements of the real store."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.domain.account import ChargeAt, Door
from gateway.domain.bulk import BulkOrder, BulkView, RecipientState
from gateway.domain.declared import AccountSpec
from gateway.domain.errors import Refusal
from gateway.domain.message import IdempotencyKey
from gateway.flow.bulk_intake import BulkIntake
from gateway.ports import BulkChoice
from tests.support.bulk_audit import bulk_faults
from tests.support.clock import FakeClock
from tests.support.heart import OPENING, World, account_spec
from tests.support.inline_store import InlineStore


def numbers(count: int, first: int = 0) -> list[str]:
    """Distinct valid recipients."""
    return [f"4179{n:07d}" for n in range(first, first + count)]


def rich_account(name: str = "acme", **fields: Any) -> AccountSpec:
    """One that can pay for some ten thousand messages."""
    return account_spec(name, **{"credit_micros": 100 * OPENING, **fields})


class BulkWorld:
    """A heart whose feeder runs, and shorthands for one account's bulks.  Use `build`."""

    def __init__(self, world: World, store: InlineStore) -> None:
        self.world = world
        self.store = store

    @classmethod
    async def build(cls, *, runs: bool = True, **options: Any) -> "BulkWorld":
        charge_at = options.pop("charge_at", ChargeAt.ACCEPT)
        options.setdefault("accounts", [rich_account(charge_at=charge_at)])
        clock = FakeClock()
        store = await InlineStore.make(clock)
        made = cls(await World.build(store=store, clock=clock, **options), store)
        if runs:
            made.run()
        return made

    def run(self) -> None:
        """What the daemon starts at the end of its start."""
        heart = self.world.heart
        heart.supervisor.spawn(heart.bulk_feeder.run(), name="bulk-feeder")
        heart.supervisor.spawn(heart.bulk_removal.run(), name="bulk-removal")

    async def restart(self, *, runs: bool = True, **changes: Any) -> None:
        """As after a crash."""
        self.world = await self.world.restarted(**changes)
        if runs:
            self.run()
            await self.world.quiet()

    # -- sending ---------------------------------------------------------------------------------

    def begin(self, account: str = "acme", *, is_kept: bool = True) -> BulkIntake:
        credential = self.world.credential(account, Door.MESMS)
        return self.world.heart.bulks.begin(credential, Door.MESMS, is_kept=is_kept)

    async def commit(
        self,
        intake: BulkIntake,
        text: str = "hello",
        *,
        sender: str = "ACME",
        due_at_ms: int = 0,
        idempotency: IdempotencyKey | None = None,
    ) -> BulkView | Refusal:
        order = BulkOrder(sender, text, due_at_ms)
        commit = intake.commit(order, idempotency, lambda view: (200, b"%d" % view.recipients))
        return await self.outcome(commit)

    async def outcome(self, work: Any) -> Any:
        """What comes of `work`, the clock's turns taken meanwhile."""
        task = asyncio.ensure_future(work)
        for _ in range(50):
            if task.done():
                break
            await self.world.quiet()
        return task.result()

    async def refused(self, recipients: Sequence[str], **fields: Any) -> Refusal:
        result = await self._send(recipients, **fields)
        assert isinstance(result, Refusal), result
        return result

    async def send(self, recipients: Sequence[str], **fields: Any) -> BulkView:
        result = await self._send(recipients, **fields)
        assert isinstance(result, BulkView), result
        return result

    async def _send(
        self, recipients: Sequence[str], *, account: str = "acme", **fields: Any
    ) -> BulkView | Refusal:
        intake = self.begin(account)
        await intake.add(recipients)
        return await self.commit(intake, **fields)

    # -- looking ---------------------------------------------------------------------------------

    async def view(self, key: int) -> BulkView:
        found = await self.world.heart.bulks.bulk(key)
        assert found is not None
        return found

    async def counts(self, key: int) -> dict[str, int]:
        return {state.name: count for state, count in (await self.view(key)).counts.items()}

    async def listed(self, chosen: BulkChoice = BulkChoice.ALL) -> list[int]:
        rows, count = await self.world.heart.bulks.list(self.world.account(), chosen, 1, 100)
        assert count == len(rows)
        return [row.key for row in rows]

    async def states(
        self, view: BulkView, states: Iterable[RecipientState] = ()
    ) -> list[tuple[int, str]]:
        found, _ = await self.world.heart.bulks.recipients(view, 0, tuple(states), 1000)
        return [(each.n, each.state.name) for each in found]

    def sql(self, query: str, *params: object) -> list[Any]:
        """First columns, by a look into the rows."""
        rows = self.store.engine.connection.execute(query, params).fetchall()
        return [row[0] if len(row) == 1 else row for row in rows]

    def money(self, account: str = "acme") -> tuple[int, int]:
        """(taken from the opening balance, held): memory and disk agree on it."""
        [(opening, balance, held)] = self.sql(
            "SELECT opening_micros, balance_micros, held_micros FROM account WHERE name = ?",
            account,
        )
        live = self.world.account(account)
        assert (live.balance_micros, live.held_micros) == (balance, held)
        return opening - balance, held

    async def sound(self) -> None:
        """Rows, counts and money agree."""
        assert await bulk_faults(self.store.engine.fetch) == []

"""Bulks under every order of events, over the statements of the real store (Hypothesis).

Customers send bulks, leave in the middle, schedule and cancel; providers and the disk do what they
like; the gateway dies at any moment.  After every commit the rows must prove (`bulk_faults`):

- the money of every account, what bulks have paid for messages that are not made yet included;
- that each valid recipient up to where a bulk is fed is one message, and none beyond;
- that the counts of a bulk are the states of its recipients, and those the ends of their messages.

In the end every bulk that was promised is there and over, and no other has left anything behind.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.domain.account import ChargeAt, Door, RefundPolicy
from gateway.domain.bulk import BulkOrder, BulkState, BulkView
from gateway.domain.commit_group import CommitGroup
from gateway.domain.errors import Refusal, StoreUnavailable
from gateway.domain.lifecycle import MessageState
from gateway.domain.outcome import Deferred, Refused, Sent, Unknown
from gateway.flow import bulk_feeder, bulk_intake, bulk_removal, bulks
from tests.support.bulk_audit import bulk_faults
from tests.support.clock import FakeClock
from tests.support.heart import PRICE, World, account_spec, provider_spec
from tests.support.inline_store import InlineStore

S = MessageState
DAY = 86_400
POISON = "this text no store can hold"
# Small, so that few recipients go the whole way.
SIZES = (
    (bulks, "FED_AT_ONCE", 2), (bulk_feeder, "PAGE", 3), (bulk_feeder, "AHEAD", 5),
    (bulk_intake, "PIECE", 2), (bulk_intake, "ROWS_AT_ONCE", 4), (bulk_removal, "STEP", 3),
)  # fmt: skip
OUTCOMES = [
    lambda: Deferred("busy"), lambda: Refused("no"), lambda: Refused("bad number", everywhere=True),
    lambda: Unknown("no answer"), lambda: Refused(POISON),
]  # fmt: skip
REPORTS = [S.DELIVERED, S.FAILED, S.REJECTED, S.EXPIRED, S.UNKNOWN]
ODD_NUMBERS = ["nobody", "41790000000", "41790000000"]
ACCOUNTS = st.integers(0, 1)
PAUSES = st.sampled_from([False, True, True])  # whether everything that can happen happens now
RARELY = st.sampled_from([False, False, False, True])


class Sending:
    """One customer's bulk, from the first number to the answer."""

    def __init__(self, key: int) -> None:
        self.key = key
        self.result: BulkView | Refusal | None = None  # as told; None = nobody was told anything
        self.is_lost = False  # its customer was cut off


class BulkMoney(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.sendings: list[Sending] = []
        self.cancelled: dict[int, int] = {}  # bulk key -> micros that came back
        self.ids: list[str] = []
        self.serial = 0
        self.is_sound = True
        self.surprises: dict[str, int] = {}  # moves of rows behind the gateway's back, by account

    def do(self, step: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(step)

    def now(self, action: Callable[..., object], *args: object) -> Any:
        """Calls inside the loop what may start a task."""

        async def call() -> object:
            return action(*args)

        return self.do(call())

    def rest(self, pause: bool) -> None:
        if pause:
            self.do(self.world.quiet())

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        async def tried() -> None:
            with suppress(StoreUnavailable):
                await work

        self.now(lambda: self.world.supervisor.spawn(tried(), "beside the traffic"))

    # -- the world -------------------------------------------------------------------------------

    @initialize(
        deals=st.lists(
            st.tuples(st.sampled_from(ChargeAt), st.sampled_from(RefundPolicy)),
            min_size=2,
            max_size=2,
        ),
        rate=st.sampled_from([0, 0, 3]),
        max_ready=st.sampled_from([4, 10_000]),
    )
    def begin(self, deals: list[tuple[ChargeAt, RefundPolicy]], rate: int, max_ready: int) -> None:
        clock = FakeClock()
        self.store = self.do(InlineStore.make(clock))
        self.engine = self.store.engine
        self.engine.poison.add(POISON)
        self.engine.on_written = self.after_commit
        specs = [
            account_spec(
                f"account{n}",
                credit_micros=60 * PRICE,
                limit_micros=-10 * PRICE,
                charge_at=charge,
                refund=refund,
                rate_per_s=rate,
            )
            for n, (charge, refund) in enumerate(deals)
        ]
        self.world: World = self.do(
            World.build(
                accounts=specs,
                providers=[provider_spec("carrier", retry_s=(5, 10))],
                max_ready=max_ready,
                windows=6,
                store=self.store,
                clock=clock,
            )
        )
        self.run_services()

    def run_services(self) -> None:
        heart = self.world.heart
        for service in (heart.bulk_feeder.run(), heart.bulk_removal.run()):
            self.now(partial(heart.supervisor.spawn, service, "bulk service"))
        self.watch_rereads()

    def watch_rereads(self) -> None:
        """Once balances were read again, nobody is surprised any more."""
        directory = self.world.heart.directory
        reread = directory.reload_balances

        async def watched(account_ids: frozenset[int], uncommitted: Any) -> None:
            before = dict(self.surprises)
            await reread(account_ids, uncommitted)
            for name in {directory.accounts[id].name for id in account_ids}:
                if self.surprises.get(name) == before.get(name):
                    self.surprises.pop(name, None)

        directory.reload_balances = watched  # type: ignore[method-assign]  # to look, not to change

    def teardown(self) -> None:
        try:
            if hasattr(self, "world") and self.is_sound:
                self.drain()
        finally:
            if hasattr(self, "world"):
                self.do(self.world.supervisor.stop())
                self.engine.connection.close()
            self.loop.close()

    # -- customers -------------------------------------------------------------------------------

    @rule(
        account=ACCOUNTS,
        count=st.sampled_from([1, 2, 3, 5, 9, 14]),
        odd=st.sampled_from([(), (), tuple(ODD_NUMBERS)]),
        ahead_s=st.sampled_from([0, 0, 3, 40]),
        parts=st.sampled_from([1, 1, 2]),
        end=st.sampled_from(["commit", "commit", "commit", "abandon", "cut off"]),
        pause=PAUSES,
    )
    def send(
        self,
        account: int,
        count: int,
        odd: tuple[str, ...],
        ahead_s: int,
        parts: int,
        end: str,
        pause: bool,
    ) -> None:
        world = self.world
        intake = world.heart.bulks.begin(
            world.credential(f"account{account}", Door.MESMS), Door.MESMS
        )
        sending = Sending(intake.taken.key)
        self.sendings.append(sending)
        sending.is_lost = end == "cut off"
        due_ms = world.clock.now_ms() + ahead_s * 1000 if ahead_s else 0
        order = BulkOrder("ACME", "a" * (160 if parts == 1 else 161), due_ms)
        recipients = [*odd, *(f"4179{n:07d}" for n in range(count))]

        async def customer() -> None:
            try:
                with suppress(StoreUnavailable):
                    await intake.add(recipients)
                    if end != "abandon":
                        sending.result = await intake.commit(order, None, lambda _: (200, b""))
            finally:
                await intake.abandon()

        async def sent() -> None:
            task = world.supervisor.spawn(customer(), "customer")
            if sending.is_lost:
                for _ in range(self.serial % 7):
                    await asyncio.sleep(0)
                task.cancel()

        self.serial += 1
        self.do(sent())
        self.rest(pause)

    @rule(account=ACCOUNTS, times=st.integers(1, 4), bad=RARELY)
    def submit_others(self, account: int, times: int, bad: bool) -> None:
        for n in range(times):
            text = POISON if bad and not n else "hello"
            self.now(partial(self.world.submit, text, account=f"account{account}"))

    def scheduled(self) -> list[int]:
        """Bulks that may still be cancelled, or started a moment ago."""
        rows = self.engine.connection.execute("SELECT key FROM bulk WHERE due_at_ms > 0")
        return sorted(row[0] for row in rows)

    @precondition(lambda self: self.scheduled())
    @rule(data=st.data(), pause=PAUSES)
    def cancel(self, data: st.DataObject, pause: bool) -> None:
        key = data.draw(st.sampled_from(self.scheduled()))
        heart = self.world.heart

        async def cancelling() -> None:
            view = await heart.bulks.bulk(key)
            if view is None:
                return
            released = await heart.bulks.cancel(view)
            if released is not None:
                assert key not in self.cancelled
                self.cancelled[key] = released

        self.spawn(cancelling())
        self.rest(pause)

    # -- providers -------------------------------------------------------------------------------

    @precondition(lambda self: self.world.wire.outstanding)
    @rule(how_many=st.sampled_from([1, 3, 6]), pause=PAUSES)
    def take(self, how_many: int, pause: bool) -> None:
        for _ in range(min(how_many, len(self.world.wire.outstanding))):
            self.serial += 1
            self.now(self.world.wire.answer, Sent(f"id-{self.serial}"))
            self.ids.append(f"id-{self.serial}")
        self.rest(pause)

    @precondition(lambda self: self.world.wire.outstanding)
    @rule(outcome=st.sampled_from(OUTCOMES), pause=PAUSES)
    def answer(self, outcome: Any, pause: bool) -> None:
        self.now(self.world.wire.answer, outcome())
        self.rest(pause)

    @precondition(lambda self: self.ids)
    @rule(
        state=st.sampled_from(REPORTS),
        how_many=st.sampled_from([1, 4]),
        error=st.sampled_from(["", "", "001", POISON]),
        pause=PAUSES,
    )
    def receipts(self, state: MessageState, how_many: int, error: str, pause: bool) -> None:
        for id in self.ids[-how_many:]:
            self.now(self.world.wire.receipt, id, state, error)
        self.rest(pause)

    @rule()
    def link(self) -> None:
        wire = self.world.wire
        self.now(wire.go_down if wire.up else wire.come_up)

    # -- disk, time and death --------------------------------------------------------------------

    @rule(really=RARELY)
    def next_commit_fails(self, really: bool) -> None:
        if really and not self.engine.failures:
            self.engine.failures.append(StoreUnavailable("as asked"))

    @rule(slow_reads=st.booleans(), slow_commits=st.booleans())
    def disk_turns_slow(self, slow_reads: bool, slow_commits: bool) -> None:
        self.engine.slow_reads, self.engine.by_hand = slow_reads, slow_commits

    def disk_turns_fast(self) -> None:
        self.engine.slow_reads = self.engine.by_hand = self.engine.unavailable = False
        self.now(self.engine.complete)

    @rule(seconds=st.sampled_from([0.02, 1.0, 4.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.disk_turns_fast()
        self.do(self.world.after(seconds))

    @rule()
    def disk_goes_away_for_a_while(self) -> None:
        self.engine.unavailable = True
        self.do(self.world.after(2.0))
        self.disk_turns_fast()

    @rule(account=ACCOUNTS, parts=st.integers(1, 40))
    def somebody_takes_from_the_row(self, account: int, parts: int) -> None:
        """What memory believes to be there is not: a commit conflicts."""
        connection = self.engine.connection
        if connection.in_transaction:
            return
        taken = connection.execute(
            "UPDATE account SET balance_micros = balance_micros - ?1 WHERE name = ?2"
            " AND balance_micros - ?1 - held_micros >= limit_micros RETURNING id, balance_micros",
            (parts * PRICE, f"account{account}"),
        ).fetchall()
        for id, balance in taken:
            self.surprises[f"account{account}"] = self.surprises.get(f"account{account}", 0) + 1
            connection.execute(
                "INSERT INTO ledger"
                " (account_id, kind, amount_micros, message_count, at_ms, note, balance_micros)"
                " VALUES (?, 5, ?, 0, 1, '', ?)",
                (id, -parts * PRICE, balance),
            )

    @rule()
    def restart(self) -> None:
        self.engine.slow_reads = self.engine.by_hand = self.engine.unavailable = False
        self.world = self.do(self.world.restarted(are_up=True))
        self.surprises.clear()
        self.run_services()

    # -- what must hold --------------------------------------------------------------------------

    async def fetch(self, sql: str, *params: object) -> list[Any]:
        return self.engine.connection.execute(sql, params).fetchall()

    def faults(self) -> list[str]:
        """Without the loop, in which a commit may just be ending."""
        look: Iterator[Any] = bulk_faults(self.fetch).__await__()
        try:
            next(look)
        except StopIteration as end:
            found: list[str] = end.value
            return found
        raise AssertionError("a look into the rows waits for nothing")

    def after_commit(self, _group: CommitGroup) -> None:
        self.is_sound = False  # a commit that fails here never ends: there is nothing to drain
        assert self.faults() == []
        self.is_sound = True

    @invariant()
    def memory_is_what_the_rows_will_be(self) -> None:
        if not hasattr(self, "world") or self.engine.connection.in_transaction:
            return
        assert not self.world.deaths, self.world.deaths
        for id, name, balance, held in self.engine.connection.execute(
            "SELECT id, name, balance_micros, held_micros FROM account"
        ):
            if name in self.surprises:
                continue
            account = self.world.account(name)
            moved, held_to_come = self.world.heart.journal.uncommitted_money(id)
            assert account.balance_micros == balance + moved, name
            assert account.held_micros == held + held_to_come, name

    # -- the end ---------------------------------------------------------------------------------

    def drain(self) -> None:
        self.disk_turns_fast()
        self.engine.failures.clear()
        world = self.world
        world.wire.take_everything()
        self.now(world.wire.come_up)
        self.now(world.wire.accept_all)
        self.do(world.after(120.0, steps=240))
        self.do(world.after(3.0 * DAY, steps=40))
        self.do(world.heart.maintenance.expire_once())
        self.do(world.after(4.0 * DAY))
        for _ in range(2):
            self.do(world.heart.maintenance.close_receipt_windows_once())
            self.do(world.after(100.0))
        self.memory_is_what_the_rows_will_be()
        assert self.faults() == []
        rows = self.engine.connection.execute(
            "SELECT key, state, pending, unfed_micros, cancelled FROM bulk"
        ).fetchall()
        for key, state, pending, unfed, cancelled in rows:
            assert (pending, unfed) == (0, 0), key
            assert state in (BulkState.RUNNING, BulkState.CANCELLED), key
            assert (state == BulkState.CANCELLED) == (key in self.cancelled) or cancelled
        self.every_answer_was_true({row[0] for row in rows})

    def every_answer_was_true(self, stored: set[int]) -> None:
        for sending in self.sendings:
            if isinstance(sending.result, BulkView):
                assert sending.key in stored
            elif isinstance(sending.result, Refusal):
                assert sending.key not in stored
        assert stored <= {sending.key for sending in self.sendings}
        orphans = self.engine.connection.execute(
            "SELECT count(*) FROM bulk_recipient WHERE bulk_key NOT IN (SELECT key FROM bulk)"
        ).fetchone()
        assert orphans == (0,)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
def test_bulk_money(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in SIZES:
        monkeypatch.setattr(module, name, value)
    run_state_machine_as_test(
        BulkMoney,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

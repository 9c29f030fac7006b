"""Money under every order of events, over the statements of the real store (Hypothesis).

Several accounts spend near their limits at the same time, each with its own way to be charged and to
be refunded, while providers and operators, the disk and the clock do what they like.  After every
commit the rows must prove:

- ledger lines = balance, open holds = held, charges - refunds = prices of the charged messages;
- what is available is not below the limit;
- a message's money has gone one of the few legal ways, so nothing is charged or given back twice;
- every message that has ended costs what the guide's table says, written once more as `is_paid`.

The wire takes nothing that is not paid or held on disk, and memory differs from the rows by exactly
what is on its way to them.
"""

import asyncio
from collections.abc import Callable
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

from admin_api.operations import OperationRefusedError
from gateway.domain.account import ChargeAt, RefundPolicy
from gateway.domain.commit_group import CommitGroup, EventKind
from gateway.domain.declared import AccountSpec
from gateway.domain.errors import Refusal, StoreUnavailable
from gateway.domain.keys import KEY_LIMIT
from gateway.domain.lifecycle import MessageState, MoneyState, is_final
from gateway.domain.message import Batch, Message
from gateway.domain.money import format_amount
from gateway.domain.outcome import Deferred, Refused, Sent, Unknown
from gateway.store.audit import LedgerAudit, differences_of
from postern.operations import LiveOperations
from tests.support.clock import FakeClock
from tests.support.heart import NUMBER, PRICE, Asked, World, account_spec, provider_spec
from tests.support.inline_store import InlineStore

S, M = MessageState, MoneyState
DAY = 86_400
TEXTS = {1: "hello", 2: "a" * 200, 3: "a" * 400}
POISON = "this text no store can hold"
OUTCOMES = [
    lambda: Deferred("busy"), lambda: Deferred("slow down", throttled=True), lambda: Refused("no"),
    lambda: Refused("bad number", everywhere=True), lambda: Refused(POISON),
    lambda: Unknown("no answer"),
]  # fmt: skip
REPORTS = [S.SENT, S.DELIVERED, S.FAILED, S.REJECTED, S.EXPIRED, S.CANCELLED, S.UNKNOWN]
WAYS = {(M.HELD, M.CHARGED), (M.HELD, M.REFUNDED), (M.CHARGED, M.REFUNDED)}

PROVIDERS = st.sampled_from(["one", "two"])
ACCOUNTS = st.integers(0, 2)
PAUSES = st.sampled_from([False, True, True])  # whether everything that can happen happens now
RARELY = st.sampled_from([False, False, False, True])

_SUMS = """
SELECT a.name, a.balance_micros, a.held_micros, a.limit_micros,
    (SELECT coalesce(sum(amount_micros), 0) FROM ledger l WHERE l.account_id = a.id),
    (SELECT coalesce(sum(amount_micros), 0) FROM ledger l
        WHERE l.account_id = a.id AND l.kind IN (3, 4)),
    (SELECT coalesce(sum(charge_micros), 0) FROM message m
        WHERE m.account_id = a.id AND m.money = 2),
    (SELECT coalesce(sum(charge_micros), 0) FROM message m
        WHERE m.account_id = a.id AND m.money = 1)
FROM account a
"""


def is_paid(charge: ChargeAt, refund: RefundPolicy, end: S, has_left: bool) -> bool:
    """Whether a message that ended so is paid for in the end."""
    if end in (S.DELIVERED, S.HANDED_OVER):
        return True
    if charge == ChargeAt.DELIVERY or (charge == ChargeAt.SUBMIT and not has_left):
        return False
    if end == S.UNKNOWN or refund == RefundPolicy.NEVER:
        return True
    return has_left and refund == RefundPolicy.UNSENT


def money_on_the_way(charge: ChargeAt, has_left: bool) -> MoneyState:
    if charge == ChargeAt.ACCEPT or (charge == ChargeAt.SUBMIT and has_left):
        return M.CHARGED
    return M.HELD


class Money(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.asked: list[Asked] = []
        self.ids: list[tuple[str, str]] = []  # (provider, id) of everything that was taken
        self.serial = 0
        self.money: dict[int, MoneyState] = {}  # as committed
        self.ends: dict[int, tuple[S, MoneyState]] = {}  # the first final state, and its money
        self.cancelled: dict[int, int] = {}  # key -> how often it had been submitted by then
        self.operators = 0  # at work
        self.is_sound = True
        self.surprises: dict[str, int] = {}  # moves of rows behind the gateway's back, by account

    def do(self, step: Any) -> Any:
        return self.loop.run_until_complete(step)

    def now(self, action: Callable[..., object], *args: object) -> Any:
        """Calls inside the loop what may start a task."""

        async def call() -> object:
            return action(*args)

        return self.do(call())

    def rest(self, pause: bool) -> None:
        if pause:
            self.do(self.world.quiet())

    def spawn(self, work: Any) -> None:
        """Work beside the traffic; it may meet a store that is away, as a service may."""

        async def tried() -> None:
            with suppress(StoreUnavailable):
                await work

        self.now(lambda: self.world.supervisor.spawn(tried(), "beside the traffic"))

    # -- the world -------------------------------------------------------------------------------

    @initialize(
        deals=st.lists(
            st.tuples(
                st.sampled_from(ChargeAt), st.sampled_from(RefundPolicy), st.sampled_from([0, 3, 9])
            ),
            min_size=3,
            max_size=3,
        ),
        unknown=st.sampled_from(["resend", "hold"]),
        receipts=st.sampled_from(["asked", "never"]),
        max_ready=st.sampled_from([2, 10_000]),
    )
    def begin(
        self,
        deals: list[tuple[ChargeAt, RefundPolicy, int]],
        unknown: str,
        receipts: str,
        max_ready: int,
    ) -> None:
        self.specs: list[AccountSpec] = [
            # The more it may owe, the less it has.
            account_spec(
                f"account{n}",
                credit_micros=(15 - owed) * PRICE,
                limit_micros=-owed * PRICE,
                charge_at=charge,
                refund=refund,
            )
            for n, (charge, refund, owed) in enumerate(deals)
        ]
        clock = FakeClock()
        self.store = self.do(InlineStore.make(clock))
        self.engine = self.store.engine
        self.engine.poison.add(POISON)
        self.engine.on_written = self.after_commit
        self.world: World = self.do(
            World.build(
                accounts=self.specs,
                providers=[
                    provider_spec("one", unknown=unknown, retry_s=(5, 10)),
                    provider_spec("two", retry_s=(5,), receipts=receipts),
                ],
                max_ready=max_ready,
                windows=4,
                store=self.store,
                clock=clock,
            )
        )
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
        parts=st.sampled_from([1, 1, 1, 2, 3]),
        validity=st.sampled_from([0, 0, 60_000]),
        ahead=st.sampled_from([0, 0, 0, 5_000, 90_000]),
        times=st.sampled_from([1, 1, 2, 6]),
        pause=PAUSES,
    )
    def submit(
        self, account: int, parts: int, validity: int, ahead: int, times: int, pause: bool
    ) -> None:
        now_ms = self.world.clock.now_ms()
        for _ in range(times):
            submit = partial(
                self.world.submit,
                TEXTS[parts],
                account=f"account{account}",
                due_at_ms=now_ms + ahead if ahead else 0,
                expires_at_ms=now_ms + ahead + validity if validity else 0,
            )
            self.asked.append(self.now(submit))
        self.rest(pause)

    @rule(account=ACCOUNTS, count=st.integers(1, 5), pause=PAUSES)
    def submit_batch(self, account: int, count: int, pause: bool) -> None:
        submit = partial(self.world.submit_batch, [NUMBER] * count, account=f"account{account}")
        self.asked.append(self.now(submit))
        self.rest(pause)

    @rule(account=ACCOUNTS, really=RARELY)
    def submit_what_the_store_rejects(self, account: int, really: bool) -> None:
        if really:
            submit = partial(self.world.submit, POISON, account=f"account{account}")
            self.asked.append(self.now(submit))

    # -- providers -------------------------------------------------------------------------------

    def outstanding(self) -> list[tuple[str, int]]:
        """What providers have and have not answered: (provider, index)."""
        wires = self.world.wires.items()
        return [(name, n) for name, wire in wires for n in range(len(wire.outstanding))]

    @precondition(lambda self: self.outstanding())
    @rule(data=st.data(), has_id=st.sampled_from([True, True, True, False]), pause=PAUSES)
    def take(self, data: st.DataObject, has_id: bool, pause: bool) -> None:
        provider, index = data.draw(st.sampled_from(self.outstanding()))
        self.serial += 1
        id = f"{provider}:{self.serial}" if has_id else ""
        self.now(self.world.wires[provider].answer, Sent(id), index)
        if id:
            self.ids.append((provider, id))
        self.rest(pause)

    @precondition(lambda self: self.outstanding())
    @rule(pause=PAUSES)
    def take_all(self, pause: bool) -> None:
        for provider, _ in self.outstanding():
            self.serial += 1
            self.now(self.world.wires[provider].answer, Sent(f"{provider}:{self.serial}"))
            self.ids.append((provider, f"{provider}:{self.serial}"))
        self.rest(pause)

    @precondition(lambda self: self.outstanding())
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES), pause=PAUSES)
    def answer(self, data: st.DataObject, outcome: Any, pause: bool) -> None:
        provider, index = data.draw(st.sampled_from(self.outstanding()))
        self.now(self.world.wires[provider].answer, outcome(), index)
        self.rest(pause)

    @precondition(lambda self: self.ids)
    @rule(
        data=st.data(),
        state=st.sampled_from(REPORTS),
        error=st.sampled_from(["", "", "001", POISON]),
        pause=PAUSES,
    )
    def receipt(self, data: st.DataObject, state: MessageState, error: str, pause: bool) -> None:
        provider, id = data.draw(st.sampled_from(self.ids))
        self.now(self.world.wires[provider].receipt, id, state, error)
        self.rest(pause)

    @precondition(lambda self: self.ids)
    @rule(state=st.sampled_from(REPORTS), pause=PAUSES)
    def receipts_of_the_last_ones(self, state: MessageState, pause: bool) -> None:
        for provider, id in self.ids[-4:]:
            self.now(self.world.wires[provider].receipt, id, state)
        self.rest(pause)

    @rule(provider=PROVIDERS, state=st.sampled_from(REPORTS))
    def early_receipt(self, provider: str, state: MessageState) -> None:
        self.now(self.world.wires[provider].receipt, f"{provider}:{self.serial + 1}", state)

    @rule(provider=PROVIDERS)
    def links(self, provider: str) -> None:
        wire = self.world.wires[provider]
        self.now(wire.go_down if wire.up else wire.come_up)

    # -- operators -------------------------------------------------------------------------------

    @rule(account=ACCOUNTS, parts=st.sampled_from([-9, -3, -1, 1, 3]))
    def top_up_or_adjust(self, account: int, parts: int) -> None:
        operations = LiveOperations(self.world.heart, list, dict)
        amount = format_amount(parts * PRICE)

        async def move() -> None:
            self.operators += 1
            try:
                with suppress(OperationRefusedError):
                    await operations.top_up(f"account{account}", amount, "")
            finally:
                self.operators -= 1

        self.spawn(move())

    @precondition(lambda self: self.money)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.money)))
        world = self.world
        operations = LiveOperations(world.heart, list, dict)

        async def cancel() -> None:
            try:
                facts = await operations.cancel(str(key))
            except OperationRefusedError:
                return
            assert facts["state"] == "cancelled"
            assert self.state_of(key) == S.CANCELLED
            assert key not in self.cancelled
            assert not any(m.key == key for w in world.wires.values() for m, _ in w.outstanding)
            self.cancelled[key] = self.times_submitted(key)

        self.spawn(cancel())

    @rule(account=ACCOUNTS, parts=st.integers(1, 12), times=st.integers(0, 9))
    def somebody_takes_from_the_row(self, account: int, parts: int, times: int) -> None:
        """What memory believes to be there is not: the next commit conflicts."""
        connection, name = self.engine.connection, f"account{account}"
        if connection.in_transaction:
            return
        taken = connection.execute(
            "UPDATE account SET balance_micros = balance_micros - ?1 WHERE name = ?2"
            " AND balance_micros - ?1 - held_micros >= limit_micros RETURNING id, balance_micros",
            (parts * PRICE, name),
        ).fetchall()
        for id, balance in taken:
            connection.execute(
                "INSERT INTO ledger"
                " (account_id, kind, amount_micros, message_count, at_ms, note, balance_micros)"
                " VALUES (?, 5, ?, 0, 1, '', ?)",
                (id, -parts * PRICE, balance),
            )
            self.surprises[name] = self.surprises.get(name, 0) + 1
        for _ in range(times):
            self.asked.append(self.now(partial(self.world.submit, account=name)))

    # -- disk and time ---------------------------------------------------------------------------

    @rule(really=RARELY)
    def next_commit_fails(self, really: bool) -> None:
        if really and not self.engine.failures:
            self.engine.failures.append(StoreUnavailable("as asked"))

    @rule(slow_reads=st.booleans(), slow_commits=st.booleans())
    def disk_turns_slow(self, slow_reads: bool, slow_commits: bool) -> None:
        self.engine.slow_reads, self.engine.by_hand = slow_reads, slow_commits

    def disk_turns_fast(self) -> None:
        self.engine.slow_reads = self.engine.by_hand = False
        self.now(self.engine.complete)

    @rule(seconds=st.sampled_from([0.02, 1.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.disk_turns_fast()
        self.do(self.world.after(seconds))

    @rule()
    def validity_is_checked(self) -> None:
        self.spawn(self.world.heart.maintenance.expire_once())

    @rule(really=st.booleans(), late=st.sampled_from([None, *REPORTS]))
    def receipt_windows_close(self, really: bool, late: MessageState | None) -> None:
        if really:
            self.disk_turns_fast()
            self.do(self.world.after(4.0 * DAY))
            self.spawn(self.world.heart.maintenance.close_receipt_windows_once())
            if late is not None:
                self.do(self.world.after(100.0))
                self.receipts_of_the_last_ones(late, False)

    @rule()
    def restart(self) -> None:
        self.engine.slow_reads = self.engine.by_hand = False
        before = {name: wire.submitted for name, wire in self.world.wires.items()}
        self.world = self.do(self.world.restarted(are_up=True))
        self.watch_rereads()
        for name, wire in self.world.wires.items():
            wire.submitted[:0] = before[name]
        self.surprises.clear()

    # -- what must hold --------------------------------------------------------------------------

    def state_of(self, key: int) -> S:
        [state] = self.engine.connection.execute(
            "SELECT state FROM message WHERE key = ?", (key,)
        ).fetchone()
        return S(state)

    def times_submitted(self, key: int) -> int:
        return sum(wire.keys().count(key) for wire in self.world.wires.values())

    def after_commit(self, group: CommitGroup) -> None:
        self.is_sound = False  # a commit that fails here never ends: there is nothing to drain
        self.sums_agree()
        keys = {row[0] for row in (*group.new_messages, *group.message_changes)}
        for key in keys:
            row = self.engine.connection.execute(
                "SELECT state, money, sent_at_ms, charge_micros, account_id,"
                " EXISTS (SELECT 1 FROM event WHERE message_key = key AND kind = ?)"
                " FROM message WHERE key = ?",
                (EventKind.LATE_RECEIPT, key),
            ).fetchone()
            self.message_is_right(key, *row)
        self.is_sound = True

    def message_is_right(
        self,
        key: int,
        state: int,
        money: int,
        sent_at_ms: int,
        charge: int,
        account: int,
        late: int,
    ) -> None:
        assert charge > 0
        spec = self.specs[account - 1]
        before = self.money.get(key)
        self.money[key] = M(money)
        if before is None:
            assert money == money_on_the_way(spec.charge_at, has_left=False)
        elif before != money:
            assert (before, money) in WAYS, (before, M(money))
        if not is_final(state):
            assert money == money_on_the_way(spec.charge_at, bool(sent_at_ms)), (S(state), spec)
            return
        end = S.UNKNOWN if late else S(state)
        if key not in self.ends:
            paid = is_paid(spec.charge_at, spec.refund, end, bool(sent_at_ms))
            assert money == (M.CHARGED if paid else M.REFUNDED), (S(state), sent_at_ms, spec)
            self.ends[key] = end, M(money)
        first, kept = self.ends[key]
        assert money == kept
        assert state == first or first == S.UNKNOWN

    def sums_agree(self) -> None:
        for row in self.engine.connection.execute(_SUMS).fetchall():
            name, balance, held, limit, total, moved, charged, open_holds = row
            assert balance == total, name
            assert -moved == charged, name
            assert held == open_holds, name
            assert balance - held >= limit, name

    @invariant()
    def memory_is_what_the_rows_will_be(self) -> None:
        if not hasattr(self, "world") or self.engine.connection.in_transaction:
            return
        self.sums_agree()
        if self.operators:
            return
        journal = self.world.heart.journal
        rows = self.engine.connection.execute(
            "SELECT id, name, balance_micros, held_micros FROM account"
        )
        for id, name, balance, held in rows:
            if name in self.surprises:
                continue
            account = self.world.account(name)
            balance_to_come, held_to_come = journal.uncommitted_money(id)
            assert account.balance_micros == balance + balance_to_come, name
            assert account.held_micros == held + held_to_come, name

    # -- the end ---------------------------------------------------------------------------------

    def drain(self) -> None:
        """Providers take everything, and time runs out for what no receipt comes for."""
        world = self.world
        self.disk_turns_fast()
        for wire in world.wires.values():
            wire.take_everything()
            self.now(wire.come_up)
            self.now(wire.accept_all)
        maintenance = world.heart.maintenance
        self.do(world.after(60))
        self.do(world.after(3.0 * DAY, steps=40))
        self.do(maintenance.expire_once())
        self.do(world.after(4.0 * DAY))
        for _ in range(2):
            self.do(maintenance.close_receipt_windows_once())
            self.do(world.after(100.0))
        for n, (provider, id) in enumerate(self.ids):
            self.now(world.wires[provider].receipt, id, (S.DELIVERED, S.FAILED)[n % 2])
        self.do(world.after(1.0))
        self.memory_is_what_the_rows_will_be()
        assert not self.operators
        for key in self.money:
            assert is_final(self.state_of(key)), S(self.state_of(key))
        for key, times in self.cancelled.items():
            assert self.state_of(key) == S.CANCELLED
            assert self.times_submitted(key) == times, "sent after it was cancelled"
        self.every_answer_was_true()
        self.do(self.the_audit_agrees())

    def every_answer_was_true(self) -> None:
        """What was accepted is stored; what was refused, at once or later, is not and cost nothing."""
        accepted: set[int] = set()
        for asked in self.asked:
            assert len(asked.answers) <= 1
            for answer in asked.answers:
                if isinstance(answer, Message):
                    accepted.add(answer.key)
                elif isinstance(answer, Batch):
                    accepted.update(message.key for message in answer.messages)
                elif isinstance(asked.result, Message):
                    assert asked.result.key not in self.money
            if isinstance(asked.result, Refusal):
                assert not asked.answers
        assert accepted <= self.money.keys()

    async def the_audit_agrees(self) -> None:
        """`postern ledger verify` finds nothing, before and after retention went over it."""
        for _ in range(2):
            audits = await LedgerAudit(self.engine.fetch).run()
            assert differences_of(audits) == []
            assert [audit.remarks() for audit in audits] == [[], [], []]
            self.world.notifier.bound = True
            await self.world.after(1.0)
            await self.store.retention.purge_finished(KEY_LIMIT - 1, 10_000)
            await self.store.retention.close_ledger(self.world.clock.now_ms(), 10_000)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
def test_money() -> None:
    run_state_machine_as_test(
        Money,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

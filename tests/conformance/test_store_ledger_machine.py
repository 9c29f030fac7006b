"""Whatever happens to messages and accounts, the sums agree after every commit (Hypothesis)."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from gateway.domain.commit_group import CommitGroup, CreditChange, LedgerKind, LedgerLine
from gateway.domain.errors import CreditConflict, StoreRejected
from gateway.domain.lifecycle import MessageState as S
from gateway.domain.lifecycle import MoneyState
from gateway.runtime.clock import LoopClock
from gateway.runtime.supervisor import Supervisor
from gateway.store.store import Store
from tests.support.groups import change, commit, new_message

PRICES = st.integers(0, 50)
LIMIT = -20
HOUR_MS = 3_600_000


class LedgerMachine(RuleBasedStateMachine):
    """One account, opened with 100, against a model of two numbers."""

    queued = Bundle("queued")  # (key, price, money state)
    sent = Bundle("sent")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="postern-ledger-"))
        self.runner = asyncio.Runner()
        self.last_key = 0
        self.now_ms = 1
        self.purged = 0
        self.balance = 100
        self.held = 0
        self.store: Store

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    async def _open(self) -> None:
        self.supervisor = Supervisor(lambda name, error: None)
        self.store = await Store.open(
            f"sqlite:///{self.folder}/store.db",
            clock=LoopClock(asyncio.get_running_loop()),
            supervisor=self.supervisor,
        )
        row = await self.store.accounts.declare("acme", "EUR", LIMIT, 100, 1)
        self.account = row.id

    async def _close(self) -> None:
        await self.store.close()
        await self.supervisor.stop()

    @initialize()
    def open(self) -> None:
        self.run(self._open())

    def teardown(self) -> None:
        self.run(self._close())
        self.runner.close()
        shutil.rmtree(self.folder)

    def commit(self, group: CommitGroup) -> Exception | None:
        result: Exception | None = self.run(commit(self.store, group))
        return result

    def move(self, group: CommitGroup, kind: LedgerKind | None, balance: int, held: int) -> None:
        """Adds one money move, as the flow does, and the model's share of it."""
        group.credit.append(CreditChange(self.account, balance, held, False))
        if kind is not None:
            # What is free stands on no line.
            count = int(balance != 0)
            group.ledger.append(LedgerLine(self.account, kind, balance, count, self.now_ms, ""))
        self.balance += balance
        self.held += held

    # --- what can happen ------------------------------------------------------------------------

    @rule(target=queued, prices=st.lists(PRICES, min_size=1, max_size=5), holds=st.booleans())
    def accept(self, prices: list[int], holds: bool) -> Any:
        money = MoneyState.HELD if holds else MoneyState.CHARGED
        keys = range(self.last_key + 1, self.last_key + 1 + len(prices))
        self.last_key += len(prices)
        group = CommitGroup()
        group.new_messages = [
            new_message(key, account_id=self.account, charge_micros=price, money=money)
            for key, price in zip(keys, prices, strict=True)
        ]
        total = sum(prices)
        balance, held = (0, total) if holds else (-total, 0)
        group.credit = [CreditChange(self.account, balance, held, True)]
        if not holds:
            count = len(list(filter(None, prices)))
            line = LedgerLine(self.account, LedgerKind.CHARGE, -total, count, self.now_ms, "")
            group.ledger = [line]
        error = self.commit(group)
        affordable = self.balance - self.held - total >= LIMIT
        assert (error is None) == affordable
        if not affordable:
            assert isinstance(error, CreditConflict)
            return multiple()
        self.balance += balance
        self.held += held
        return multiple(*((key, price, money) for key, price in zip(keys, prices, strict=True)))

    @rule(message=queued)
    def accept_the_same_key_again(self, message: Any) -> None:
        key, price, _ = message
        group = CommitGroup()
        group.new_messages = [new_message(key, account_id=self.account, charge_micros=price)]
        group.credit = [CreditChange(self.account, -price, 0, False)]
        group.ledger = [LedgerLine(self.account, LedgerKind.CHARGE, -price, 1, 1, "")]
        if key > self.purged:
            assert isinstance(self.commit(group), StoreRejected)

    @rule(target=sent, message=consumes(queued))
    def send(self, message: Any) -> Any:
        key, price, money = message
        group = CommitGroup()
        group.message_changes = [change(key, S.QUEUED, S.SENT, money=MoneyState.CHARGED)]
        if money == MoneyState.HELD:
            self.move(group, LedgerKind.CHARGE, -price, -price)
        assert self.commit(group) is None
        return (key, price)

    @rule(message=consumes(queued))
    def fail_before_sending(self, message: Any) -> None:
        key, price, money = message
        group = CommitGroup()
        group.message_changes = [change(key, S.QUEUED, S.FAILED, money=MoneyState.REFUNDED)]
        if money == MoneyState.HELD:
            self.move(group, None, 0, -price)
        else:
            self.move(group, LedgerKind.REFUND, price, 0)
        assert self.commit(group) is None

    @rule(message=consumes(sent), state=st.sampled_from([S.DELIVERED, S.FAILED, S.UNKNOWN]))
    def receipt(self, message: Any, state: S) -> None:
        group = CommitGroup()
        group.message_changes = [change(message[0], S.SENT, state, money=MoneyState.CHARGED)]
        assert self.commit(group) is None

    @rule(amount=st.integers(-200, 200).filter(bool))
    def top_up(self, amount: int) -> None:
        try:
            balance = self.run(self.store.ledger.top_up(self.account, amount, "", self.now_ms))
        except CreditConflict:
            assert amount < 0
            assert self.balance - self.held + amount < LIMIT
            return
        self.balance += amount
        assert balance == self.balance

    @rule(limit=st.integers(1, 10))
    def purge(self, limit: int) -> None:
        assert self.run(self.store.retention.purge_finished(self.last_key + 1, limit)) <= limit
        self.purged = self.last_key

    @rule(hours=st.integers(1, 20))
    def pass_time(self, hours: int) -> None:
        self.now_ms += hours * HOUR_MS

    @rule(age_ms=st.integers(0, 24 * HOUR_MS), limit=st.integers(1, 10))
    def close(self, age_ms: int, limit: int) -> None:
        while self.run(self.store.retention.close_ledger(self.now_ms - age_ms, limit)) == limit:
            pass

    @rule()
    def restart(self) -> None:
        self.run(self._close())
        self.run(self._open())

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def sums_agree(self) -> None:
        assert self.run(self.store.ledger.verify()) == []

    @invariant()
    def row_is_the_model(self) -> None:
        [row] = self.run(self.store.accounts.load())
        assert (row.balance_micros, row.held_micros) == (self.balance, self.held)


LedgerMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestLedger = LedgerMachine.TestCase

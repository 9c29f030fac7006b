"""Money and fate under every order of events, with failures and restarts in between.

The store proves the sums after every commit, the wire that nothing leaves before its accept is on
disk; here every accepted message must end exactly once when the dust has settled.
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

from gateway.domain.account import ChargeAt
from gateway.domain.errors import StoreRejected, StoreUnavailable
from gateway.domain.lifecycle import MessageState, MoneyState, is_final
from gateway.domain.message import Batch, Message
from gateway.domain.outcome import Deferred, Refused, Sent, Unknown
from tests.support.heart import NUMBER, PRICE, Asked, World, account_spec, provider_spec

S = MessageState
OPENING = 40 * PRICE
TEXTS = {1: "hello", 2: "a" * 200, 3: "a" * 400}
OUTCOMES = [
    lambda: Deferred("busy"), lambda: Deferred("slow down", throttled=True), lambda: Refused("no"),
    lambda: Refused("bad number", everywhere=True), lambda: Unknown("no answer"),
]  # fmt: skip
REPORTS = [S.SENT, S.DELIVERED, S.FAILED, S.REJECTED, S.EXPIRED, S.UNKNOWN]
# charge, and whether money is back when the message did not get as far as its charge
GIVEN_BACK = {MoneyState.REFUNDED, MoneyState.NONE}


class Traffic(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.asked: list[Asked] = []
        self.ids: list[tuple[str, str]] = []  # (provider, id) of everything that was taken
        self.finals: dict[int, MessageState] = {}
        self.serial = 0

    def do(self, step: Any) -> Any:
        return self.loop.run_until_complete(step)

    def now(self, action: Callable[..., object], *args: object) -> Any:
        """Calls inside the loop what may start a task."""

        async def call() -> object:
            return action(*args)

        return self.do(call())

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.drain()
            self.do(self.world.supervisor.stop())
        self.loop.close()

    @initialize(
        charge_at=st.sampled_from(ChargeAt),
        limit=st.sampled_from([0, -5 * PRICE]),
        unknown=st.sampled_from(["resend", "hold"]),
        max_ready=st.sampled_from([2, 10_000]),
    )
    def begin(self, charge_at: ChargeAt, limit: int, unknown: str, max_ready: int) -> None:
        self.world: World = self.do(
            World.build(
                accounts=[
                    account_spec(credit_micros=OPENING, limit_micros=limit, charge_at=charge_at)
                ],
                providers=[
                    provider_spec("one", unknown=unknown, retry_s=(5, 10)),
                    provider_spec("two", retry_s=(5,)),
                ],
                max_ready=max_ready,
                windows=4,
            )
        )

    # -- what happens ----------------------------------------------------------------------------

    @rule(parts=st.sampled_from([1, 1, 1, 2, 3]), validity=st.sampled_from([0, 0, 60_000]))
    def submit(self, parts: int, validity: int) -> None:
        expires = self.world.clock.now_ms() + validity if validity else 0
        self.asked.append(self.now(partial(self.world.submit, TEXTS[parts], expires_at_ms=expires)))

    @rule(count=st.integers(1, 5))
    def submit_batch(self, count: int) -> None:
        self.asked.append(self.now(self.world.submit_batch, [NUMBER] * count))

    @rule(provider=st.sampled_from(["one", "two"]), index=st.integers(0, 9), empty=st.booleans())
    def take(self, provider: str, index: int, empty: bool) -> None:
        wire = self.world.wires[provider]
        if wire.outstanding:
            self.serial += 1
            id = "" if empty and index == 9 else f"{provider}:{self.serial}"
            self.now(wire.answer, Sent(id), index % len(wire.outstanding))
            self.ids.append((provider, id))

    @rule(
        provider=st.sampled_from(["one", "two"]),
        index=st.integers(0, 9),
        outcome=st.sampled_from(OUTCOMES),
    )
    def refuse(self, provider: str, index: int, outcome: Any) -> None:
        wire = self.world.wires[provider]
        if wire.outstanding:
            self.now(wire.answer, outcome(), index % len(wire.outstanding))

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), state=st.sampled_from(REPORTS))
    def receipt(self, data: st.DataObject, state: MessageState) -> None:
        provider, id = data.draw(st.sampled_from(self.ids))
        self.now(self.world.wires[provider].receipt, id, state)

    @rule(provider=st.sampled_from(["one", "two"]))
    def early_receipt(self, provider: str) -> None:
        self.now(self.world.wires[provider].receipt, f"{provider}:{self.serial + 1}")

    @rule(provider=st.sampled_from(["one", "two"]))
    def links(self, provider: str) -> None:
        wire = self.world.wires[provider]
        if wire.up:
            self.now(wire.go_down)
        else:
            self.now(wire.come_up)

    @rule(kind=st.sampled_from([StoreUnavailable, StoreRejected]))
    def next_commit_fails(self, kind: type[Exception]) -> None:
        if not self.world.store.failures and kind is StoreUnavailable:
            self.world.store.failures.append(kind("as asked"))

    @rule()
    def a_moment(self) -> None:
        self.do(self.world.quiet())

    @rule(seconds=st.sampled_from([0.02, 1.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.do(self.world.after(seconds))

    @rule()
    def expiry(self) -> None:
        self.now(lambda: self.world.supervisor.spawn(self._expire(), "expire-once"))

    async def _expire(self) -> None:
        with suppress(StoreUnavailable):  # as the service does
            await self.world.heart.maintenance.expire_once()

    @rule()
    def disk_turns_slow_or_fast(self) -> None:
        self.world.store.slow_reads = not self.world.store.slow_reads

    @rule()
    def restart(self) -> None:
        self.world.store.slow_reads = False
        self.world = self.do(self.world.restarted(are_up=True))

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def nothing_is_over_twice(self) -> None:
        if not hasattr(self, "world"):
            return
        assert self.world.store.state_conflicts == 0
        for key, row in self.world.store.rows.items():
            if is_final(row.state) and row.state != S.UNKNOWN:
                assert self.finals.setdefault(key, row.state) == row.state

    def drain(self) -> None:
        """Providers take everything, receipts come for what is owed one, time runs out for the rest."""
        world = self.world
        world.store.slow_reads = False
        for wire in world.wires.values():
            wire.take_everything()
            self.now(wire.come_up)
            self.now(wire.accept_all)
        self.do(world.after(60))
        self.do(world.after(3 * 86_400, steps=40))
        self.do(world.heart.maintenance.expire_once())
        self.do(world.after(4 * 86_400, steps=4))
        self.do(world.heart.maintenance.close_receipt_windows_once())
        self.do(world.after(1.0))
        self.do(world.after(100.0))
        self.do(world.heart.maintenance.close_receipt_windows_once())
        self.do(world.after(1.0))
        self.nothing_is_over_twice()
        for row in world.store.rows.values():
            assert is_final(row.state), (row.state.name, row)
            assert row.money != MoneyState.HELD
        assert world.heart.backlogs.live == {}
        assert all(count == 0 for count, _ in world.waiting().values()), world.waiting()
        assert world.spent()[1] == 0
        self.every_answer_was_true()

    def every_answer_was_true(self) -> None:
        stored = self.world.store.rows
        answered: set[int] = set()
        for asked in self.asked:
            assert len(asked.answers) <= 1
            for answer in asked.answers:
                if isinstance(answer, Message):
                    answered.add(answer.key)
                elif isinstance(answer, Batch):
                    answered.update(message.key for message in answer.messages)
        assert answered <= stored.keys()


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
def test_money_and_fates() -> None:
    run_state_machine_as_test(
        Traffic,
        settings=settings(
            max_examples=80,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

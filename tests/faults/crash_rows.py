"""What the store holds, read behind the daemon's back: with SQL of our own, on either engine."""

# ruff: noqa: S608 - statements are built from names of our own

import asyncio
import sqlite3
from contextlib import closing
from typing import Any, NamedTuple

import asyncpg

from gateway.domain.commit_group import EventKind, LedgerKind
from gateway.domain.lifecycle import MessageState, MoneyState, Notified
from gateway.runtime.clock import LoopClock
from gateway.runtime.supervisor import Supervisor
from gateway.store.store import Store


class MessageRow(NamedTuple):
    """A row of `message`."""

    key: int
    account_id: int
    door: int
    recipient: str
    part_count: int
    charge_micros: int
    money: MoneyState
    state: MessageState
    provider_id: int | None
    provider_message_id: str | None
    sent_at_ms: int
    final_at_ms: int
    notified: Notified


class PartRow(NamedTuple):
    """A row of `part`; `n` counts from 0."""

    message_key: int
    n: int
    provider_id: int | None
    provider_message_id: str | None
    state: MessageState


class AccountRow(NamedTuple):
    """A row of `account`."""

    id: int
    name: str
    balance_micros: int
    held_micros: int
    opening_micros: int


class LedgerRow(NamedTuple):
    """A row of `ledger`."""

    account_id: int
    kind: LedgerKind
    amount_micros: int
    message_count: int


class Rows(NamedTuple):
    """A store at rest."""

    messages: list[MessageRow]
    parts: dict[int, list[PartRow]]  # by message key
    events: dict[int, list[EventKind]]  # by message key
    parked: set[tuple[int, str]]  # provider id, message id
    providers: dict[int, str]
    accounts: list[AccountRow]
    ledger: list[LedgerRow]
    unnotified_webhooks: list[int]  # message keys
    ledger_problems: list[str]  # what the product's own audit says


class Database:
    """The store at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query, on a connection of its own; nobody is locked out by it."""
        if self.url.startswith("sqlite:///"):
            file = self.url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as reader:
                return reader.execute(sql).fetchall()
        connection = await asyncpg.connect(self.url, timeout=10)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    async def unsettled(self) -> dict[str, int]:
        """How many messages are in each state that is not final, and how many are owed."""
        waiting = await self.fetch(
            "SELECT state, count(*) FROM message WHERE state < 10 GROUP BY state"
        )
        [(owed,)] = await self.fetch("SELECT count(*) FROM message WHERE notified = 1")
        [(webhooks,)] = await self.fetch("SELECT count(*) FROM webhook_delivery WHERE state = 0")
        counts = {MessageState(state).name: count for state, count in waiting}
        counts.update({"receipts owed": owed, "webhooks owed": webhooks})
        return {name: count for name, count in counts.items() if count}

    async def read(self) -> Rows:
        """Everything, while no daemon runs."""
        parts: dict[int, list[PartRow]] = {}
        for row in await self.fetch(
            f"SELECT {_columns(PartRow)} FROM part ORDER BY message_key, n"
        ):
            part = PartRow._make((*row[:-1], MessageState(row[-1])))
            parts.setdefault(part.message_key, []).append(part)
        events: dict[int, list[EventKind]] = {}
        for key, kind in await self.fetch("SELECT message_key, kind FROM event ORDER BY id"):
            events.setdefault(key, []).append(EventKind(kind))
        return Rows(
            messages=[
                _message(row)
                for row in await self.fetch(f"SELECT {_columns(MessageRow)} FROM message")
            ],
            parts=parts,
            events=events,
            parked={
                (provider_id, message_id)
                for provider_id, message_id in await self.fetch(
                    "SELECT provider_id, provider_message_id FROM parked_receipt"
                )
            },
            providers=dict(await self.fetch("SELECT id, name FROM provider")),
            accounts=[
                AccountRow(*row)
                for row in await self.fetch(f"SELECT {_columns(AccountRow)} FROM account")
            ],
            ledger=[
                LedgerRow(account_id, LedgerKind(kind), amount, count)
                for account_id, kind, amount, count in await self.fetch(
                    f"SELECT {_columns(LedgerRow)} FROM ledger ORDER BY id"
                )
            ],
            unnotified_webhooks=[
                key
                for (key,) in await self.fetch(
                    "SELECT message_key FROM webhook_delivery WHERE state <> 1"
                )
            ],
            ledger_problems=await self._verify_ledger(),
        )

    async def _verify_ledger(self) -> list[str]:
        supervisor = Supervisor(lambda name, error: None)
        store = await Store.open(
            self.url,
            clock=LoopClock(asyncio.get_running_loop()),
            supervisor=supervisor,
            migrate=False,
        )
        try:
            return await store.ledger.verify()
        finally:
            await store.close()
            await supervisor.stop()


def _columns(row_type: Any) -> str:
    return ", ".join(row_type._fields)


def _message(row: tuple[Any, ...]) -> MessageRow:
    message = MessageRow(*row)
    return message._replace(
        money=MoneyState(message.money),
        state=MessageState(message.state),
        notified=Notified(message.notified),
    )

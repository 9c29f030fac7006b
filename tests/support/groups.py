"""Commit groups in few words, for tests that write to a store."""

import asyncio
from typing import Any, Protocol

from gateway.domain.commit_group import (
    CommitGroup,
    CreditChange,
    LedgerKind,
    LedgerLine,
    MessageChange,
    NewMessage,
)
from gateway.domain.lifecycle import MessageState, MoneyState

PRICE = 35_000


class Committer(Protocol):
    def commit(self, group: CommitGroup, done: Any) -> None: ...


def new_message(key: int, **columns: Any) -> NewMessage:
    """A QUEUED row of account 1 that costs nothing."""
    row = NewMessage(
        key=key, account_id=1, credential_id=None, door=1, channel=0, batch_key=None, priority=1,
        sender="POSTERN", recipient="41790000001", text="hello", octets=None, data_coding=None,
        esm_class=None, tlvs=None, alphabet=0, part_count=1, charge_micros=0, money=0,
        notify_when=1, door_note=0, due_at_ms=1_000, expires_at_ms=90_000,
    )  # fmt: skip
    return row._replace(**columns)


def change(key: int, was_state: int, state: int, **columns: Any) -> MessageChange:
    """A change of a row by provider 1."""
    row = MessageChange(
        key=key, was_state=was_state, state=state, money=0, provider_id=1,
        provider_message_id=f"p{key}", attempts=1, due_at_ms=1_000, sent_at_ms=2_000,
        final_at_ms=3_000 if state >= MessageState.DELIVERED else 0, error="", notified=0,
    )  # fmt: skip
    return row._replace(**columns)


def accepting(account_id: int, *keys: int, price: int = PRICE, **columns: Any) -> CommitGroup:
    """Messages of one account, charged."""
    group = group_of(
        new_messages=[
            new_message(
                key, account_id=account_id, charge_micros=price, money=MoneyState.CHARGED, **columns
            )
            for key in keys
        ]
    )
    total = -price * len(keys)
    group.credit.append(CreditChange(account_id, total, 0, True))
    group.ledger.append(LedgerLine(account_id, LedgerKind.CHARGE, total, len(keys), 1_000, ""))
    return group


def group_of(**lists: list[Any]) -> CommitGroup:
    """A group with these lists."""
    group = CommitGroup()
    for name, rows in lists.items():
        setattr(group, name, rows)
    return group


async def commit(store: Committer, group: CommitGroup) -> Exception | None:
    """Commits and waits; returns the error, None when the group is on disk."""
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    store.commit(group, lambda _, error: done.set_result(error))
    async with asyncio.timeout(30):
        return await done


async def write(store: Committer, **lists: list[Any]) -> None:
    """Commits what must not fail."""
    assert await commit(store, group_of(**lists)) is None


async def writable(store: Committer) -> bool:
    """Whether the store takes writes now: an empty group asks just that."""
    return await commit(store, CommitGroup()) is None

"""Webhook deliveries: notifications owed to customers' URLs until taken or given up."""

# ruff: noqa: S608 - statements are built from names and numbers of our own; values are parameters

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from gateway.store.engine import Engine, Row, placeholders

_AT_ONCE = 500  # parameters in one statement


class DeliveryState(IntEnum):
    """Values are stored."""

    DUE = 0
    DONE = 1
    ABANDONED = 2


class WebhookDelivery(NamedTuple):
    """A row of `webhook_delivery` that is DUE."""

    id: int
    message_key: int
    account_id: int
    kind: int  # gateway.domain.commit_group.NoticeKind
    url: str
    due_at_ms: int
    attempts: int
    door_text: str  # of the message or its batch; empty when there is none


class DeliveryReport(NamedTuple):
    """A delivery as an operator sees it; `due_at_ms` of one that ended: of its last attempt."""

    id: int
    message_key: int
    account_id: int
    kind: int
    url: str
    state: DeliveryState
    due_at_ms: int
    attempts: int
    last_error: str


class WebhookDeliveries:
    """Commit groups make the rows; this tells what is due and records what became of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def due(self, now_ms: int, limit: int) -> list[WebhookDelivery]:
        """Deliveries whose time has come, the longest waiting first."""
        rows = await self._engine.fetch(
            "SELECT d.id, d.message_key, d.account_id, d.kind, d.url, d.due_at_ms, d.attempts,"
            " coalesce(t.text, '') FROM webhook_delivery d"
            " LEFT JOIN message m ON m.key = d.message_key"
            " LEFT JOIN door_text t ON t.key = coalesce(m.batch_key, m.key)"
            " WHERE d.state = 0 AND d.due_at_ms <= ? ORDER BY d.due_at_ms, d.id LIMIT ?",
            now_ms,
            limit,
        )
        return [WebhookDelivery._make(row) for row in rows]

    async def done(self, ids: Sequence[int]) -> None:
        """The customers took these."""
        async with self._engine.transaction() as transaction:
            for at in range(0, len(ids), _AT_ONCE):
                slice_ = ids[at : at + _AT_ONCE]
                await transaction.execute(
                    "UPDATE webhook_delivery"
                    f" SET state = {DeliveryState.DONE:d}, attempts = attempts + 1, last_error = ''"
                    f" WHERE state = 0 AND id IN ({placeholders(len(slice_))})",
                    *slice_,
                )

    async def retry(self, delivery_id: int, due_at_ms: int, error: str) -> None:
        """An attempt failed; the next is due at `due_at_ms`."""
        async with self._engine.transaction() as transaction:
            await transaction.execute(
                "UPDATE webhook_delivery SET due_at_ms = ?, attempts = attempts + 1, last_error = ?"
                " WHERE id = ? AND state = 0",
                due_at_ms,
                error,
                delivery_id,
            )

    async def abandon(self, delivery_id: int, error: str) -> None:
        """The last attempt failed."""
        async with self._engine.transaction() as transaction:
            await transaction.execute(
                "UPDATE webhook_delivery SET state = ?, attempts = attempts + 1, last_error = ?"
                " WHERE id = ? AND state = 0",
                DeliveryState.ABANDONED.value,
                error,
                delivery_id,
            )

    # --- what an operator asks ------------------------------------------------------------------

    async def report(
        self, state: DeliveryState, account_id: int | None, limit: int
    ) -> list[DeliveryReport]:
        """Up to `limit` deliveries in `state`: the owed by time, the others newest first."""
        order = "due_at_ms, id" if state == DeliveryState.DUE else "id DESC"
        # The state is no parameter: only then are the partial indexes of use.
        rows = await self._engine.fetch(
            f"SELECT {', '.join(DeliveryReport._fields)} FROM webhook_delivery"
            f" WHERE state = {state:d} AND account_id = coalesce(?, account_id)"
            f" ORDER BY {order} LIMIT ?",
            account_id,
            limit,
        )
        return [_report(row) for row in rows]

    async def last_id(self) -> int:
        """The greatest id, 0 when there is none."""
        rows = await self._engine.fetch("SELECT coalesce(max(id), 0) FROM webhook_delivery")
        last: int = rows[0][0]
        return last

    async def reopen(
        self,
        ids: tuple[int, int],
        states: Sequence[DeliveryState],
        account_id: int | None,
        since_ms: int,
        now_ms: int,
    ) -> int:
        """Makes deliveries due again, with all their attempts; how many.

        Those with first < id <= last in one of `states` whose last attempt was due at `since_ms` or
        later.
        """
        chosen = ", ".join(f"{state:d}" for state in states)
        async with self._engine.transaction() as transaction:
            return await transaction.execute(
                f"UPDATE webhook_delivery SET state = {DeliveryState.DUE:d}, attempts = 0,"
                f" due_at_ms = ? WHERE id > ? AND id <= ? AND state IN ({chosen})"
                " AND due_at_ms >= ? AND account_id = coalesce(?, account_id)",
                now_ms,
                *ids,
                since_ms,
                account_id,
            )


def _report(row: Row) -> DeliveryReport:
    id, message_key, account_id, kind, url, state, *rest = row
    return DeliveryReport(id, message_key, account_id, kind, url, DeliveryState(state), *rest)

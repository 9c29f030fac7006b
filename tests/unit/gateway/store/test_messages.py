"""Queries of the hot tables find their rows by index, however many finished ones there are."""

import sqlite3
from typing import Any

import pytest

from gateway.domain.message import IdempotencyKey
from gateway.store.messages import Messages
from gateway.store.migrate import known_migrations


class Explainer:
    """`Engine.fetch` that keeps the plan of every query and finds nothing."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:")
        for migration in known_migrations("sqlite"):
            self._connection.executescript(migration.sql)
        self.plan: list[str] = []

    async def fetch(self, sql: str, *params: object) -> list[Any]:
        rows = self._connection.execute(f"EXPLAIN QUERY PLAN {sql}", params).fetchall()
        self.plan += [row[3] for row in rows]
        return []

    def close(self) -> None:
        self._connection.close()


@pytest.mark.parametrize(
    ("method", "args", "index"),
    [
        ("queues", (), "message_queued (account_id=? AND priority=?)"),
        ("queued", (1, 1, (0, 0), 9, 9), "message_queued"),
        ("next_due_ms", (1, 1, (0, 0)), "message_queued"),
        ("expired", (9, 0, 9), "COVERING INDEX message_queued"),
        ("in_flight", (0, 9, 9), "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("by_provider_message_id", (1, ["a", "b"]), "INDEX message_provider_id"),
        ("by_provider_message_id", (1, ["a", "b"]), "INDEX part_provider_id"),
        ("awaited", (1, ("", 0), 9), "message_provider_id (provider_id=? AND <expr>>?)"),
        ("owed_notifications", (1, 0, 9), "message_owed (credential_id=? AND rowid>?)"),
        ("message", (1,), "INTEGER PRIMARY KEY (rowid=?)"),
        ("events", (1,), "event_message"),
        ("stored_answer", (1, IdempotencyKey("e", b"k", b"b"), 1), "PRIMARY KEY"),
    ],
)
async def test_query_uses_its_index(method: str, args: tuple[Any, ...], index: str) -> None:
    explainer = Explainer()
    await getattr(Messages(explainer), method)(*args)  # type: ignore[arg-type]
    explainer.close()
    plan = "\n".join(explainer.plan)
    assert index in plan
    # Rows of the hot table are never read one by one, nor sorted where the index has the order.
    assert "SCAN m\n" not in plan + "\n"
    if method in ("queued", "next_due_ms", "in_flight", "awaited", "owed_notifications"):
        assert "TEMP B-TREE" not in plan

"""Command tags and array types of the hot statements."""

import pytest

from gateway.domain.commit_group import IdempotencyRow, MessageChange, PartChange
from gateway.store import postgres_group
from gateway.store.migrate import known_migrations, statements
from gateway.store.postgres_group import changed_rows


@pytest.mark.parametrize(
    ("tag", "rows"),
    [("UPDATE 3", 3), ("INSERT 0 12", 12), ("DELETE 0", 0), ("CREATE TABLE", 0), ("BEGIN", 0)],
)
def test_rows_of_a_command_tag(tag: str, rows: int) -> None:
    assert changed_rows(tag) == rows


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("message", [c for c in MessageChange._fields if c != "was_state"]),
        ("part", PartChange._fields),
        ("idempotency", IdempotencyRow._fields),
    ],
)
def test_arrays_have_the_types_of_the_columns(table: str, columns: list[str]) -> None:
    sql = known_migrations("postgres")[0].sql
    [text] = [s for s in statements(sql) if s.startswith(f"CREATE TABLE {table} (")]
    types = dict(line.split()[:2] for line in text.splitlines()[1:-1])
    for column in columns:
        array_type = postgres_group._ARRAY_TYPES.get(column, "bigint")
        assert types[column].rstrip(",") == array_type, column

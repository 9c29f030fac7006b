"""Both engines have the same tables, columns and indexes."""

from pathlib import Path
from typing import Any

from tests.support.databases import PostgresServer

# Plumbing of one engine only.
PRIVATE = {"commit_marker", "sqlite_sequence"}


async def test_tables_and_columns_are_the_same(
    open_store: Any, postgres: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    sqlite = await open_store(f"sqlite:///{tmp_path}/store.db")
    other = await open_store(postgres.url(postgres_database))
    left = await sqlite._engine.fetch(
        "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c"
        " WHERE t.type = 'table'"
    )
    right = await other._engine.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public'"
    )
    assert {row for row in left if row[0] not in PRIVATE} == {
        row for row in right if row[0] not in PRIVATE
    }


async def test_indexes_are_the_same(
    open_store: Any, postgres: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    sqlite = await open_store(f"sqlite:///{tmp_path}/store.db")
    other = await open_store(postgres.url(postgres_database))
    left = await sqlite._engine.fetch(
        "SELECT tbl_name, name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
    )
    right = await other._engine.fetch(
        "SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public'"
        " AND indexname NOT LIKE '%_pkey' AND indexname NOT LIKE '%_name_key'"
    )
    assert set(left) == set(right)

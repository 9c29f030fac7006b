"""Multi-row statements: few texts, few statements per group."""

import sqlite3
from collections.abc import Iterator

import pytest

from gateway.domain.lifecycle import MessageState as S
from gateway.store.migrate import known_migrations
from gateway.store.sqlite_group import MultiRow, write_group
from tests.support.groups import change, group_of, new_message


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for migration in known_migrations("sqlite"):
        connection.executescript(migration.sql)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [(0, []), (1, [1]), (9, [8, 1]), (100, [96, 4]), (513, [256, 256, 1])],
)
def test_rows_are_cut_into_the_sizes(
    connection: sqlite3.Connection, rows: int, sizes: list[int]
) -> None:
    connection.execute("CREATE TABLE pair (a, b)")
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    insert = MultiRow("INSERT INTO pair VALUES", 2)
    assert insert.run(connection, [(n, "x") for n in range(rows)]) == rows
    connection.set_trace_callback(None)
    assert [text.count("(") for text in seen] == sizes
    assert connection.execute("SELECT a FROM pair ORDER BY a").fetchall() == [
        (n,) for n in range(rows)
    ]


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [(0, []), (1, [1]), (9, [12]), (12, [12]), (100, [128]), (257, [256, 1]), (340, [256, 96])],
)
def test_updates_are_filled_up_and_touch_nothing_else(
    connection: sqlite3.Connection, rows: int, sizes: list[int]
) -> None:
    connection.execute("CREATE TABLE pair (a INTEGER PRIMARY KEY, b)")
    MultiRow("INSERT INTO pair VALUES", 2).run(connection, [(n, 0) for n in range(rows + 1)])
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    update = MultiRow(
        "UPDATE pair SET b = v.column2 FROM (VALUES", 2, ") AS v WHERE a = v.column1", fill=True
    )
    assert update.run(connection, [(n, n) for n in range(rows)]) == rows
    connection.set_trace_callback(None)
    assert [text.count("(") - 1 for text in seen] == sizes
    assert connection.execute("SELECT * FROM pair ORDER BY a").fetchall() == [
        *((n, n) for n in range(rows)),
        (rows, 0),
    ]


def test_returned_rows_of_all_statements_are_gathered(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE pair (a, b)")
    insert = MultiRow("INSERT INTO pair VALUES", 2, " RETURNING a")
    assert insert.fetch(connection, [(n, "x") for n in range(5)]) == [(n,) for n in range(5)]


def test_changes_find_their_rows_by_key(connection: sqlite3.Connection) -> None:
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    group = group_of(
        new_messages=[new_message(1), new_message(2)],
        message_changes=[change(1, S.QUEUED, S.SENT), change(2, S.QUEUED, S.SENT)],
    )
    write_group(group, connection)
    connection.set_trace_callback(None)
    [update] = [text for text in seen if text.startswith("UPDATE message")]
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {update}")]
    assert "SEARCH message USING INTEGER PRIMARY KEY (rowid=?)" in plan


def test_group_is_one_transaction(connection: sqlite3.Connection) -> None:
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    write_group(group_of(new_messages=[new_message(1)]), connection)
    connection.set_trace_callback(None)
    assert seen[0] == "BEGIN IMMEDIATE"
    assert seen[-1] == "COMMIT"
    assert not connection.in_transaction


def test_failed_group_is_rolled_back(connection: sqlite3.Connection) -> None:
    group = group_of(new_messages=[new_message(1), new_message(1)])
    with pytest.raises(sqlite3.IntegrityError):
        write_group(group, connection)
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM message").fetchone() == (0,)


# --- COMMIT -------------------------------------------------------------------------------------


class FailingCommits:
    """A connection whose next COMMITs fail as one does whose sync fails."""

    def __init__(self, connection: sqlite3.Connection, failures: int, *, rolls_back: bool) -> None:
        self._connection = connection
        self._failures = failures
        self._rolls_back = rolls_back
        self.texts: list[str] = []

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        self.texts.append(sql.split()[0])
        if sql == "COMMIT" and self._failures:
            self._failures -= 1
            if self._rolls_back:
                self._connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(sql, *values)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def probed(connection: sqlite3.Connection) -> int:
    value: int = connection.execute("SELECT at_ms FROM write_probe").fetchone()[0]
    return value


@pytest.mark.parametrize("rolls_back", [True, False])
@pytest.mark.parametrize("failures", [1, 2])
def test_a_failed_commit_is_written_over_before_anybody_hears_of_it(
    connection: sqlite3.Connection, failures: int, rolls_back: bool
) -> None:
    failing = FailingCommits(connection, failures, rolls_back=rolls_back)
    before = probed(connection)
    with pytest.raises(sqlite3.OperationalError, match="I/O error"):
        write_group(group_of(new_messages=[new_message(1)]), failing)  # type: ignore[arg-type]
    assert failing.texts.count("COMMIT") == 2
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM message").fetchone() == (0,)
    assert (probed(connection) > before) == (failures == 1)
    write_group(group_of(new_messages=[new_message(1)]), connection)


def test_each_group_that_changes_nothing_writes_something_else(
    connection: sqlite3.Connection,
) -> None:
    seen = [probed(connection)]
    for _ in range(3):
        write_group(group_of(), connection)
        seen.append(probed(connection))
    assert seen == sorted(set(seen))
    write_group(group_of(new_messages=[new_message(1)]), connection)
    assert probed(connection) == seen[-1]

import sqlite3
from pathlib import Path

import pytest

from benchmarks.soak.audit import StoreWatch
from gateway.domain.lifecycle import MessageState, Notified

MIGRATIONS = Path(__file__).parents[4] / "gateway" / "store" / "migrations" / "sqlite"


@pytest.fixture
def database(tmp_path):
    connection = sqlite3.connect(tmp_path / "postern.db")
    for migration in sorted(MIGRATIONS.glob("*.sql")):
        connection.executescript(migration.read_text())
    yield connection
    connection.close()


def add(database, key, state, notified=Notified.NONE):
    database.execute(
        "INSERT INTO message (key, account_id, door, channel, priority, sender, recipient,"
        " alphabet, part_count, charge_micros, money, notify_when, door_note, due_at_ms,"
        " expires_at_ms, state, notified) VALUES (?, 1, 1, 0, 1, 'A', '1', 0, 1, 0, 0, 1, 0, 0, 0,"
        " ?, ?)",
        (key, state, notified),
    )


async def test_rows_are_counted_with_those_that_are_gone(database, tmp_path):
    add(database, 1, MessageState.DELIVERED, Notified.PENDING)
    add(database, 2, MessageState.SENT)
    database.execute(
        "INSERT INTO purged_total (account_id, message_count, charged_micros) VALUES (1, 40, 0)"
    )
    database.execute(
        "INSERT INTO webhook_delivery (message_key, account_id, url, due_at_ms)"
        " VALUES (1, 1, 'http://x', 0)"
    )
    database.commit()
    watch = StoreWatch(f"sqlite:///{tmp_path}/postern.db")
    rows = await watch.rows()
    assert (rows.stored, rows.purged, rows.not_final, rows.notices_owed) == (42, 40, 1, 2)
    assert rows.states == {"SENT": 1, "DELIVERED": 1}
    assert await watch.open_count() == 3


async def test_a_store_with_nothing_open(database, tmp_path):
    add(database, 1, MessageState.DELIVERED, Notified.DONE)
    database.commit()
    watch = StoreWatch(f"sqlite:///{tmp_path}/postern.db")
    assert await watch.open_count() == 0
    size = await watch.size()
    assert size.database > 4096
    assert size.wal == 0


async def test_a_log_is_counted_for_itself(database, tmp_path):
    (tmp_path / "postern.db-wal").write_bytes(bytes(1000))
    assert (await StoreWatch(f"sqlite:///{tmp_path}/postern.db").size()).wal == 1000

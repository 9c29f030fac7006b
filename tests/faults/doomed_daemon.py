"""A daemon that kills itself: ``python -m tests.faults.doomed_daemon CONFIG POINT N``.

It is `postern serve` with some of the product's functions wrapped from outside.  At the N-th
passing of the labelled POINT the process ends by SIGKILL, after one last line on standard error
that tells when it died and which moment its last commit covers.  For `random`, N is milliseconds.
`never` only serves.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway.domain.commit_group import CommitGroup
from gateway.domain.lifecycle import MessageState, is_final
from gateway.domain.outcome import Outcome, Sent
from gateway.flow.dispatcher import Dispatcher
from gateway.flow.journal import Journal
from gateway.flow.provider_sink import LaneSink
from gateway.store import postgres, sqlite, store
from gateway.store.postgres import PostgresTransaction
from gateway.store.postgres_writer import PostgresWriter
from gateway.store.sqlite import SqliteTransaction
from postern import cli
from protocols.smpp.provider import ProviderLink
from protocols.smpp.server import ServerLink, SmppServer

Wants = Callable[[CommitGroup], object]
# What is wrapped in these are names for themselves alone.
SQLITE: Any = sqlite
POSTGRES: Any = postgres
STORE: Any = store


class Doom:
    """Counts the passings of one point and ends the process at the chosen one.

    `is_sealed` is set between the decision and the end, while the last octets leave: from then on
    nothing that comes may be handled.
    """

    def __init__(self, point: str, number: int) -> None:
        self.point = point
        self.number = number
        self.is_sealed = False
        self._passings = 0
        self._covered = 0.0  # everything that happened before is on disk
        self._closing = 0.0

    def passes(self) -> bool:
        """Whether this passing of the point, or an earlier one, was to be the last."""
        self._passings += 1
        return self._passings >= self.number

    def closes_group(self) -> None:
        """A commit group was closed: what comes now is not in it."""
        self._closing = time.monotonic()

    def wrote_group(self) -> None:
        """The group closed last is on disk."""
        self._covered = self._closing

    def die(self) -> None:
        """Ends the process now, on any thread."""
        last_words = {
            "event": "doomed",
            "point": self.point,
            "died": time.monotonic(),
            "covered": self._covered,
        }
        os.write(2, f"{json.dumps(last_words)}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # the signal is on its way: no further statement may run

    def die_after_writes(self) -> None:
        """Ends the process once everything written to a transport has left.

        uvloop writes at the end of a turn of the loop; the turn after that is ours.
        """
        self.is_sealed = True
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self.die)


def keep_time(doom: Doom) -> None:
    """Notes what the last commit covers."""
    write, written = Journal._write, Journal._written

    def writing(journal: Journal, flight: Any) -> None:
        doom.closes_group()
        write(journal, flight)

    def was_written(journal: Journal, group: CommitGroup, error: Exception | None) -> None:
        if error is None:
            doom.wrote_group()
        written(journal, group, error)

    _replace(Journal, "_write", writing)
    _replace(Journal, "_written", was_written)


# --- around a commit ------------------------------------------------------------------------------


def _has_accepts(group: CommitGroup) -> object:
    return group.new_messages


def _has_outcomes(group: CommitGroup) -> object:
    sent = MessageState.SENT
    return [r for r in group.message_changes if r[2] == sent] or [
        r for r in group.part_changes if r.state == sent
    ]


def _has_fates(group: CommitGroup) -> object:
    return [row for row in group.message_changes if is_final(row[2])]


def before_commit(doom: Doom) -> None:
    """All rows of accepted messages are written, COMMIT is not."""
    _around_commit(doom, _has_accepts, before=True)


def after_commit(doom: Doom) -> None:
    """Accepted messages are on disk, nobody was answered."""
    _around_commit(doom, _has_accepts, before=False)


def outcome_stored(doom: Doom) -> None:
    """Answers of providers are on disk."""
    _around_commit(doom, _has_outcomes, before=False)


def receipt_unstored(doom: Doom) -> None:
    """Fates that receipts brought are written, COMMIT is not."""
    _around_commit(doom, _has_fates, before=True)


def _around_commit(doom: Doom, wants: Wants, *, before: bool) -> None:
    _around_sqlite_commit(doom, wants, before=before)
    _around_postgres_commit(doom, wants, before=before)


class _UncommittedConnection:
    """A connection on which COMMIT is never reached."""

    def __init__(self, connection: sqlite3.Connection, doom: Doom) -> None:
        self._connection = connection
        self._doom = doom

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            self._doom.die()
        return self._connection.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _around_sqlite_commit(doom: Doom, wants: Wants, *, before: bool) -> None:
    write_group = SQLITE.write_group

    def doomed(group: CommitGroup, connection: Any) -> None:
        is_last = wants(group) and doom.passes()
        if is_last and before:
            connection = _UncommittedConnection(connection, doom)
        write_group(group, connection)
        if is_last:
            doom.die()

    _replace(SQLITE, "write_group", doomed)


def _around_postgres_commit(doom: Doom, wants: Wants, *, before: bool) -> None:
    write_group, commit = POSTGRES.write_group, PostgresWriter.commit
    is_last = False

    async def writing(connection: Any, group: CommitGroup) -> None:
        nonlocal is_last
        is_last = bool(wants(group)) and doom.passes()
        await write_group(connection, group)

    async def doomed(writer: PostgresWriter, connection: Any) -> None:
        if is_last and before:
            doom.die()
        await commit(writer, connection)
        if is_last:
            doom.die()

    _replace(POSTGRES, "write_group", writing)
    _replace(PostgresWriter, "commit", doomed)


# --- between the wires ----------------------------------------------------------------------------


def after_answer(doom: Doom) -> None:
    """Customers have their answers, nothing of the group was given to a provider."""
    accepted = Dispatcher.accepted
    servers = _servers()

    def doomed(dispatcher: Dispatcher, messages: Any) -> None:
        if doom.is_sealed:
            return
        if not doom.passes():
            accepted(dispatcher, messages)
            return
        for server in servers:
            for link in server.links:
                link._flush()
        doom.die_after_writes()

    _replace(Dispatcher, "accepted", doomed)


def after_send(doom: Doom) -> None:
    """A submit_sm is on the wire, its answer was not handled."""
    submit = ProviderLink.submit

    def doomed(link: ProviderLink, message: Any, part: int) -> None:
        submit(link, message, part)
        if not doom.is_sealed and doom.passes():
            link._flush()
            doom.die_after_writes()

    _replace(ProviderLink, "submit", doomed)
    _deafen(doom, ProviderLink)


def outcome_noted(doom: Doom) -> None:
    """The provider's answer was handled and not committed."""
    settled = LaneSink.settled

    def doomed(sink: LaneSink, message: Any, part: int, outcome: Outcome) -> None:
        settled(sink, message, part, outcome)
        if type(outcome) is Sent and doom.passes():
            doom.die()

    _replace(LaneSink, "settled", doomed)


def receipt_stored(doom: Doom) -> None:
    """A provider's receipt is on disk and its deliver_sm_resp was not sent."""
    stored = ProviderLink._receipt_stored

    def doomed(link: ProviderLink, token: object, is_stored: bool) -> None:
        if is_stored and doom.passes():
            doom.die()
        stored(link, token, is_stored)

    _replace(ProviderLink, "_receipt_stored", doomed)


def notification_sent(doom: Doom) -> None:
    """A receipt has left for the customer, his deliver_sm_resp was not handled."""
    deliver = ServerLink.deliver

    def doomed(link: ServerLink, message: Any) -> None:
        deliver(link, message)
        if not doom.is_sealed and doom.passes():
            link._flush()
            doom.die_after_writes()

    _replace(ServerLink, "deliver", doomed)
    _deafen(doom, ServerLink)


def _servers() -> list[SmppServer]:
    """Every server made from now on."""
    servers: list[SmppServer] = []
    start = SmppServer.start

    async def starting(server: SmppServer, host: str, port: int) -> None:
        servers.append(server)
        await start(server, host, port)

    _replace(SmppServer, "start", starting)
    return servers


def _deafen(doom: Doom, link_type: Any) -> None:
    """Responses that come once the end is decided are not handled."""
    received = link_type.response_received

    def deaf(link: Any, *response: Any) -> None:
        if not doom.is_sealed:
            received(link, *response)

    _replace(link_type, "response_received", deaf)


# --- the store's own work -------------------------------------------------------------------------


def during_checkpoint(doom: Doom) -> None:
    """SQLite is moving pages from its log into the database."""
    checkpoint: Callable[[sqlite3.Connection], int] = SQLITE._checkpoint_passively

    def doomed(connection: sqlite3.Connection) -> int:
        if not doom.passes():
            return checkpoint(connection)
        file = connection.execute("PRAGMA database_list").fetchone()[2]
        is_over, before = threading.Event(), os.stat(file).st_mtime_ns
        watch = threading.Thread(target=_die_once_written, args=(doom, file, before, is_over))
        watch.start()
        pages = checkpoint(connection)
        # Nothing had to be moved: the next checkpoint is the one.
        is_over.set()
        watch.join()
        return pages

    _replace(SQLITE, "_checkpoint_passively", doomed)


def _die_once_written(doom: Doom, file: str, before: int, is_over: threading.Event) -> None:
    while not is_over.is_set():
        if os.stat(file).st_mtime_ns != before:
            doom.die()


def during_migration(doom: Doom) -> None:
    """Some statements of the schema's migrations have run; N counts them."""
    apply: Callable[..., Awaitable[list[str]]] = STORE.apply_migrations
    is_migrating = False

    async def migrating(*arguments: Any) -> list[str]:
        nonlocal is_migrating
        is_migrating = True
        try:
            return await apply(*arguments)
        finally:
            is_migrating = False

    def doomed_transaction(transaction_type: Any) -> None:
        execute = transaction_type.execute

        async def doomed(transaction: Any, sql: str, *params: object) -> int:
            changed: int = await execute(transaction, sql, *params)
            if is_migrating and doom.passes():
                doom.die()
            return changed

        _replace(transaction_type, "execute", doomed)

    _replace(STORE, "apply_migrations", migrating)
    doomed_transaction(SqliteTransaction)
    doomed_transaction(PostgresTransaction)


def random(doom: Doom) -> None:
    """Anywhere: N milliseconds from now."""
    timer = threading.Timer(doom.number / 1000, doom.die)
    timer.daemon = True
    timer.start()


def never(doom: Doom) -> None:
    """An ordinary daemon."""


COMMIT_POINTS = (before_commit, after_commit, outcome_stored, receipt_unstored)
WIRE_POINTS = (after_answer, after_send, outcome_noted, receipt_stored, notification_sent)
POINTS = {
    point.__name__: point
    for point in (
        *COMMIT_POINTS, *WIRE_POINTS, during_checkpoint, during_migration, random, never,
    )
}  # fmt: skip


def _replace(owner: Any, name: str, wrapper: Any) -> None:
    """Puts `wrapper` in the place of something that is there; a product that moved it fails here."""
    if not hasattr(owner, name):
        raise AttributeError(f"{owner.__name__} has no {name} any more: move the crash point")
    setattr(owner, name, wrapper)


def main(config: Path, point: str, number: int) -> int:
    """Serves until the end."""
    doom = Doom(point, number)
    keep_time(doom)
    POINTS[point](doom)
    return cli.main(["serve", "-c", str(config)])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))

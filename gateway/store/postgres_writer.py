"""The one connection that writes to PostgreSQL: its lock, its marker, its way back after a loss.

Theory of operation.  A session advisory lock shuts other daemons out; the server frees it when the
session ends.  Every group writes its number into the marker row inside its own transaction.  When
the connection is lost while COMMIT is under way, nobody knows whether the group is on disk.  The
writer then reconnects and takes the lock again: from that moment the old session is over, whatever
it was doing, and the marker tells the truth.  A marker row with another run's number means that
another daemon has opened the store meanwhile; this one must stop.
"""

import asyncio
import logging
import secrets
from collections.abc import Iterator
from itertools import chain, repeat

from asyncpg.exceptions import PostgresError

from gateway.domain.errors import GatewayError, StoreUnavailable
from gateway.ports import Clock
from gateway.runtime.supervisor import Supervisor
from gateway.store.postgres_connection import (
    CONNECT_TIMEOUT_S,
    TROUBLE,
    Connection,
    connect,
    place_of,
    translated,
)

log = logging.getLogger("postern.store")

COMMAND_TIMEOUT_S = 30.0
# Of everything in a group before its COMMIT: a server that does not answer for so long is given up,
# and the group is known to be undone.
GROUP_TIMEOUT_S = 10.0
# A daemon killed a moment ago: the server may need this long to notice.
LOCK_WAIT_S = 3.0
_LOCK_RETRY_S = 0.1
_LOCK_ID = 0x506F_7374_6572_6E00  # "Postern"
_RECONNECT_DELAYS_S = (0.0, 0.1, 0.3)
_LONGEST_RECONNECT_DELAY_S = 1.0
_NODE = 0  # the only one until several daemons share a store

_SETTINGS = {
    "application_name": "postern",
    "synchronous_commit": "on",
    # Every hot statement finds its rows by key, however small the table was when it was planned.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    # The server must notice a vanished daemon, or its lock would outlive it by hours.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_CREATE_MARKER = (
    "CREATE TABLE IF NOT EXISTS commit_marker"
    " (node smallint PRIMARY KEY, run bigint NOT NULL, group_number bigint NOT NULL)"
)
_CLAIM_MARKER = (
    "INSERT INTO commit_marker (node, run, group_number) VALUES ($1, $2, 0)"
    " ON CONFLICT (node) DO UPDATE SET run = excluded.run, group_number = 0"
)
_READ_MARKER = "SELECT run, group_number FROM commit_marker WHERE node = $1"
_BEGIN = "BEGIN; UPDATE commit_marker SET group_number = %d WHERE node = %d"


class PostgresWriter:
    """Keeps the writer's connection; `connection` is None while it is away."""

    def __init__(self, dsn: str, *, clock: Clock, supervisor: Supervisor) -> None:
        self.connection: Connection | None = None
        self.place = place_of(dsn)
        self._dsn = dsn
        self._clock = clock
        self._supervisor = supervisor
        self._run = secrets.randbits(63)
        self._group_number = 0
        self._reconnecting: asyncio.Task[int] | None = None
        self._is_open = False

    async def open(self) -> None:
        """Connects, takes the lock and claims the marker.

        Raises:
            StoreUnavailable: the server cannot be reached, or another daemon holds the lock.
        """
        connection = await self._connect()
        try:
            await self._take_lock(connection)
            await connection.execute(_CREATE_MARKER)
            await connection.execute(_CLAIM_MARKER, _NODE, self._run)
        except BaseException:
            connection.terminate()
            raise
        self._is_open = True
        self._adopt(connection)

    async def close(self) -> None:
        """Gives up the lock and the connection.  Idempotent."""
        self._is_open = False
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            await asyncio.wait([self._reconnecting])
        connection, self.connection = self.connection, None
        if connection is not None:
            try:
                await connection.close(timeout=CONNECT_TIMEOUT_S)
            except TROUBLE:
                connection.terminate()

    def require(self) -> Connection:
        """The connection.

        Raises:
            StoreUnavailable: it is away.
        """
        if self.connection is None:
            raise StoreUnavailable(f"the connection to {self.place} is lost; reconnecting")
        return self.connection

    async def begin(self, connection: Connection) -> None:
        """Opens the transaction of a group and marks it, in one round trip."""
        self._group_number += 1
        await connection.execute(_BEGIN % (self._group_number, _NODE))

    async def commit(self, connection: Connection) -> None:
        """Commits the group that `begin` opened.

        When the connection is lost, waits until the store can say what became of the group.

        Raises:
            StoreUnavailable, StoreRejected: it is not on disk.
        """
        try:
            await connection.execute("COMMIT")
        except Exception as error:
            if _is_clear_answer(error):
                raise self.translated(error) from error
            self.give_up(connection)
            await self._settle(error)

    async def roll_back(self, connection: Connection) -> None:
        """Ends a failed transaction; a connection that cannot even do that is given up."""
        try:
            await connection.execute("ROLLBACK")
        except Exception:
            self.give_up(connection)

    def give_up(self, connection: Connection) -> None:
        """Cuts a connection that does not answer; the server then undoes what was open."""
        connection.terminate()
        self._lose(connection)

    def translated(self, error: Exception) -> GatewayError:
        """What `error` means to the callers of a store."""
        return translated(error, self.place)

    def undone(self, connection: Connection, error: Exception) -> GatewayError:
        """What `error` before the COMMIT means; that of a lost connection is nobody's content."""
        if connection is self.connection or isinstance(error, GatewayError):
            return self.translated(error)
        return StoreUnavailable(f"lost {self.place} before COMMIT: {str(error) or repr(error)}")

    async def _connect(self) -> Connection:
        return await connect(self._dsn, settings=_SETTINGS, timeout_s=COMMAND_TIMEOUT_S)

    async def _take_lock(self, connection: Connection) -> None:
        deadline = self._clock.monotonic() + LOCK_WAIT_S
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_ID):
            if self._clock.monotonic() >= deadline:
                raise StoreUnavailable(f"{self.place} is in use by another daemon; stop it first")
            await self._clock.sleep(_LOCK_RETRY_S)

    def _adopt(self, connection: Connection) -> None:
        self.connection = connection
        connection.add_termination_listener(self._lose)

    def _lose(self, connection: Connection) -> None:
        if connection is not self.connection:
            return
        self.connection = None
        log.warning("store.connection_lost", extra={"fields": {"store": self.place}})
        if self._is_open:
            self._reconnecting = self._supervisor.spawn(self._reconnect(), "store.reconnect")

    async def _reconnect(self) -> int:
        """Tries until it succeeds; returns the number of the last group on disk."""
        delays: Iterator[float] = chain(_RECONNECT_DELAYS_S, repeat(_LONGEST_RECONNECT_DELAY_S))
        while True:
            await self._clock.sleep(next(delays))
            try:
                connection = await self._connect()
            except StoreUnavailable:
                continue
            try:
                number = await self._regain(connection)
            except TROUBLE:
                number = None
            except BaseException:
                connection.terminate()
                raise
            if number is not None:
                self._adopt(connection)
                log.info("store.reconnected", extra={"fields": {"store": self.place}})
                return number
            connection.terminate()

    async def _regain(self, connection: Connection) -> int | None:
        """Takes the lock again and reads the marker; None while the old session still lives.

        Raises:
            StoreUnavailable: another daemon has taken the store over; this one must stop.
        """
        has_lock = await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_ID)
        rows = await connection.fetch(_READ_MARKER, _NODE)
        if not rows or rows[0][0] != self._run:
            raise StoreUnavailable(
                f"another daemon has taken over {self.place} while the connection was lost"
            )
        number: int = rows[0][1]
        return number if has_lock else None

    async def _settle(self, cause: Exception) -> None:
        """Waits for the marker; returns when the group in doubt is on disk."""
        reconnecting = self._reconnecting
        if reconnecting is not None:
            await asyncio.wait([reconnecting])
        if reconnecting is None or reconnecting.cancelled() or reconnecting.exception():
            reason = f"lost {self.place} during COMMIT and cannot ask what became of the group"
            raise StoreUnavailable(reason) from cause
        if reconnecting.result() != self._group_number:
            raise StoreUnavailable(f"lost {self.place} during COMMIT: rolled back") from cause
        log.info("store.commit_settled", extra={"fields": {"store": self.place}})


def _is_clear_answer(error: Exception) -> bool:
    """Whether the server itself refused the COMMIT and goes on; its FATAL leaves a doubt."""
    return isinstance(error, PostgresError) and getattr(error, "severity_en", "") == "ERROR"

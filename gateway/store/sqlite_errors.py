"""What SQLite's errors mean to the callers of a store, and what an operator can do about them."""

import sqlite3
from pathlib import Path

from gateway.domain.errors import GatewayError, StoreRejected, StoreUnavailable

# SQLite's words for a value it does not take; its other errors are the database's own trouble.
_CONTENT_ERRORS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
_TROUBLE = (sqlite3.Error, OSError, MemoryError)

_ADVICE = {
    sqlite3.SQLITE_FULL: "make room on its file system",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable for the daemon's user",
    sqlite3.SQLITE_BUSY: "another program holds it: end that program's transaction",
    sqlite3.SQLITE_IOERR: "the disk is full, read-only or fails: see the kernel's log",
    sqlite3.SQLITE_CORRUPT: "stop the daemon and restore the file from a backup",
    sqlite3.SQLITE_NOTADB: "name another file, or restore this one from a backup",
    sqlite3.SQLITE_CANTOPEN: "its folder must exist and be writable for the daemon's user",
}
_PRIMARY_CODE = 0xFF  # of an extended one


def translated(error: Exception, path: Path) -> GatewayError:
    """`error` of the database at `path` in the words of `gateway.domain.errors`."""
    if isinstance(error, GatewayError):
        return error
    if not isinstance(error, _TROUBLE) or isinstance(error, _CONTENT_ERRORS):
        return StoreRejected(f"{path} refuses a row: {error!r}")
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    advice = _ADVICE.get(code)
    reason = f"{path} cannot be used now: {error or type(error).__name__}"
    return StoreUnavailable(reason if advice is None else f"{reason}; {advice}")

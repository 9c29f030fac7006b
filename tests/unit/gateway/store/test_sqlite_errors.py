import sqlite3
from pathlib import Path

import pytest

from gateway.domain.errors import CreditConflict, StoreRejected, StoreUnavailable
from gateway.store.sqlite_errors import translated

PATH = Path("/var/lib/postern/store.db")


def sqlite_error(kind: type[sqlite3.Error], text: str, code: int) -> sqlite3.Error:
    error = kind(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (sqlite3.SQLITE_FULL, "make room on its file system"),
        (sqlite3.SQLITE_READONLY, "make the file and its folder writable for the daemon's user"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "another program holds it: end that program's transaction"),
        (sqlite3.SQLITE_IOERR_FSYNC, "see the kernel's log"),
        (sqlite3.SQLITE_CORRUPT, "restore the file from a backup"),
    ],
)
def test_trouble_of_the_database_is_unavailable_and_says_what_to_do(code: int, advice: str) -> None:
    error = translated(sqlite_error(sqlite3.OperationalError, "it hurts", code), PATH)
    assert isinstance(error, StoreUnavailable)
    assert str(error).startswith(f"{PATH} cannot be used now: it hurts; ")
    assert advice in str(error)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError()])
def test_trouble_of_the_machine_is_nobodys_content(error: Exception) -> None:
    assert isinstance(translated(error, PATH), StoreUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.IntegrityError("a row"),
        sqlite3.DataError("too big"),
        UnicodeEncodeError("utf-8", "", 0, 1, ""),
    ],
)
def test_a_value_it_does_not_take_is_rejected(error: Exception) -> None:
    assert isinstance(translated(error, PATH), StoreRejected)


def test_errors_of_our_own_stay_what_they_are() -> None:
    conflict = CreditConflict(frozenset({1}))
    assert translated(conflict, PATH) is conflict

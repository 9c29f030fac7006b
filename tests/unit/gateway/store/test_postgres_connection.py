"""What asyncpg's errors mean, and that no text shows a password."""

import pytest
from asyncpg import exceptions

from gateway.domain.errors import CreditConflict, StoreRejected, StoreUnavailable
from gateway.store.postgres_connection import place_of, translated


@pytest.mark.parametrize(
    ("dsn", "place"),
    [
        (
            "postgresql://user:secret@db.example:5432/postern",
            "postgresql://db.example:5432/postern",
        ),
        ("postgresql://user:se@cr/et@host/db", "postgresql://host/db"),
        ("postgresql://user:secret@/db?host=/run/pg", "postgresql:///run/pg/db"),
        ("postgresql:///db", "postgresql://localhost/db"),
        ("postgresql://host/db?password=secret", "postgresql://host/db"),
    ],
)
def test_place_names_host_and_database_only(dsn: str, place: str) -> None:
    assert place_of(dsn) == place


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.UniqueViolationError("duplicate key"), StoreRejected),
        (exceptions.NotNullViolationError("null"), StoreRejected),
        (exceptions.CharacterNotInRepertoireError("0x00"), StoreRejected),
        (exceptions.NumericValueOutOfRangeError("smallint"), StoreRejected),
        (exceptions.ProgramLimitExceededError("index row size"), StoreRejected),
        (exceptions._base.DataError("invalid input for query argument $1"), StoreRejected),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), StoreRejected),
        (TypeError("not a row"), StoreRejected),
        (exceptions.DiskFullError("no space"), StoreUnavailable),
        (exceptions.ReadOnlySQLTransactionError("read-only"), StoreUnavailable),
        (exceptions.AdminShutdownError("terminating"), StoreUnavailable),
        (exceptions.DeadlockDetectedError("deadlock"), StoreUnavailable),
        (exceptions.ConnectionDoesNotExistError("closed"), StoreUnavailable),
        (exceptions.InterfaceError("connection is closed"), StoreUnavailable),
        (ConnectionResetError("reset"), StoreUnavailable),
        (TimeoutError(), StoreUnavailable),
    ],
)
def test_error_is_of_the_row_or_of_the_database(error: Exception, kind: type[Exception]) -> None:
    meaning = translated(error, "postgresql://host/db")
    assert type(meaning) is kind
    assert "postgresql://host/db" in str(meaning)
    assert not str(meaning).endswith(": ")


def test_our_own_errors_pass() -> None:
    conflict = CreditConflict(frozenset({1}))
    assert translated(conflict, "x") is conflict

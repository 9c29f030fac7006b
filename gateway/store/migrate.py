"""Numbered migrations: `migrations/<dialect>/NNNN_name.sql`, each in one transaction, once."""

import re
from importlib import resources
from typing import NamedTuple

from gateway.domain.errors import ConfigurationError
from gateway.store.engine import Engine, Row

_CREATE_TABLE = (
    "CREATE TABLE IF NOT EXISTS migration"
    " (number bigint PRIMARY KEY, name text NOT NULL, applied_at_ms bigint NOT NULL)"
)
APPLIED = "SELECT number, name FROM migration ORDER BY number"
_FILE_NAME = re.compile(r"(\d{4})_\w+\.sql")


class Migration(NamedTuple):
    """One step of the schema."""

    number: int
    name: str
    sql: str


def known_migrations(dialect: str) -> list[Migration]:
    """All migrations of `dialect`, in order."""
    folder = resources.files("gateway.store") / "migrations" / dialect
    found = []
    for file in folder.iterdir():
        match = _FILE_NAME.fullmatch(file.name)
        if match:
            found.append(Migration(int(match[1]), file.name[:-4], file.read_text("utf-8")))
    return sorted(found)


async def apply_migrations(engine: Engine, at_ms: int) -> list[str]:
    """Brings the store to this program's schema; returns the names applied now.

    Raises:
        ConfigurationError: the store was written by a newer program.
        StoreUnavailable: the store cannot be written.
    """
    applied = []
    for migration in await _missing(engine):
        async with engine.transaction() as transaction:
            for statement in statements(migration.sql):
                await transaction.execute(statement)
            await transaction.execute(
                "INSERT INTO migration (number, name, applied_at_ms) VALUES (?, ?, ?)",
                migration.number,
                migration.name,
                at_ms,
            )
        applied.append(migration.name)
    return applied


async def check_schema(engine: Engine) -> None:
    """Makes sure that the store has this program's schema, and changes nothing of it.

    Raises:
        ConfigurationError: the store lacks migrations, or was written by a newer program.
    """
    refuse_missing(await _missing(engine))


def refuse_missing(missing: list[Migration]) -> None:
    """Raises ConfigurationError when migrations are missing."""
    if missing:
        raise ConfigurationError(
            f"the store lacks migration {missing[0].name}: run `postern migrate`"
        )


async def _missing(engine: Engine) -> list[Migration]:
    async with engine.transaction() as transaction:
        await transaction.execute(_CREATE_TABLE)
        rows = await transaction.fetch(APPLIED)
    return missing_migrations(engine.dialect, rows)


def missing_migrations(dialect: str, applied: list[Row]) -> list[Migration]:
    """Those that are not among `applied`, the rows of `APPLIED`.

    Raises:
        ConfigurationError: the store was written by a newer program.
    """
    known = known_migrations(dialect)
    unknown = [name for number, name in applied if number > known[-1].number]
    if unknown:
        raise ConfigurationError(
            f"the store has migration {unknown[-1]}, this program ends at {known[-1].name}: "
            "start the newer program again"
        )
    present = {number for number, _ in applied}
    return [migration for migration in known if migration.number not in present]


def statements(sql: str) -> list[str]:
    """The statements of a migration; no literal in it may contain a semicolon or two hyphens."""
    without_comments = re.sub(r"--.*", "", sql)
    return [text.strip() for text in without_comments.split(";") if text.strip()]

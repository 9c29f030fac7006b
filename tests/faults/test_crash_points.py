"""SIGKILL at each labelled point, on both stores: what was promised is kept after the restart."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.domain.lifecycle import MessageState
from gateway.store.migrate import known_migrations, statements
from tests.faults.crash_checks import Evidence, problems
from tests.faults.crash_plan import HOLDING, RESENDING, Fate, sms_to
from tests.faults.crash_site import Site, ordeal
from tests.faults.doomed_daemon import COMMIT_POINTS, WIRE_POINTS
from tests.support.databases import PostgresServer, postgres_server

pytestmark = pytest.mark.slow

POINTS = [point.__name__ for point in (*COMMIT_POINTS, *WIRE_POINTS)]
PASSING = 25
MORE = 60  # messages that the next daemon must accept


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'postern.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(asyncio.run(server.new_database()))


async def evidence_of(site: Site) -> Evidence:
    """A second daemon takes over and everything comes to its end."""
    await site.start()
    await site.accepts(MORE)
    await site.settle()
    return Evidence(site, await site.database.read())


def lost_outcomes(evidence: Evidence) -> list[str]:
    """Recipients of messages whose answer died with the daemon."""
    return [
        row.recipient
        for row in evidence.rows.messages
        if row.state == MessageState.UNKNOWN
        or (
            sms_to(row.recipient).fate is not Fate.REFUSED
            and not evidence.is_known_to_provider(row)
        )
    ]


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_breaks_no_promise(point: str, store: str, tmp_path: Path) -> None:
    async def scene() -> list[str]:
        async with ordeal(tmp_path, store) as site:
            await site.killed(point, PASSING)
            return problems(await evidence_of(site))

    assert asyncio.run(scene()) == []


@pytest.mark.parametrize("point", ["after_send", "outcome_noted"])
def test_what_is_to_be_held_never_leaves_twice(point: str, store: str, tmp_path: Path) -> None:
    async def scene() -> tuple[list[str], int]:
        async with ordeal(tmp_path, store, (HOLDING,)) as site:
            await site.killed(point, PASSING)
            evidence = await evidence_of(site)
            return problems(evidence), len(lost_outcomes(evidence))

    broken, lost = asyncio.run(scene())
    assert broken == []
    assert lost > 0  # else the kill came at a moment that proves nothing


def test_a_kill_amid_a_checkpoint_breaks_no_promise(tmp_path: Path) -> None:
    async def scene() -> list[str]:
        async with ordeal(tmp_path, f"sqlite:///{tmp_path / 'postern.db'}") as site:
            await site.killed("during_checkpoint", 2)
            return problems(await evidence_of(site))

    assert asyncio.run(scene()) == []


@pytest.mark.parametrize("share", [0.2, 0.5, 0.98])
def test_a_kill_amid_the_first_start_leaves_a_store_that_starts(
    share: float, store: str, tmp_path: Path
) -> None:
    dialect = "sqlite" if store.startswith("sqlite") else "postgres"
    # Each migration is one transaction, after one that looks which there are.  Beside the statements
    # of the file it has a BEGIN and the note that it was applied; SQLite's COMMIT is no statement.
    frame = 2 if dialect == "sqlite" else 3
    count = frame + sum(frame + len(statements(one.sql)) for one in known_migrations(dialect))

    async def scene() -> list[str]:
        async with ordeal(tmp_path, store, (RESENDING,)) as site:
            await site.killed("during_migration", round(count * share))
            return problems(await evidence_of(site))

    assert asyncio.run(scene()) == []

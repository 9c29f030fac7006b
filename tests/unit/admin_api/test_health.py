import pytest

from admin_api.health import readiness
from tests.support.operations import FakeOperations, gauges, provider_gauges


async def test_ready_when_store_and_listeners_are() -> None:
    found = await readiness(FakeOperations(), listening=True)
    assert found.facts() == {
        "ready": True,
        "checks": {"store": "ok", "listeners": "ok", "providers": {"carrier": "up"}},
    }


@pytest.mark.parametrize(
    ("available", "writable", "listening", "store", "listeners"),
    [
        (False, True, True, "cannot be written", "ok"),
        (True, False, True, "cannot be written", "ok"),
        (True, True, False, "ok", "not listening"),
    ],
)
async def test_not_ready(
    available: bool, writable: bool, listening: bool, store: str, listeners: str
) -> None:
    operations = FakeOperations()
    operations.now = gauges(store_available=available)
    operations.is_writable = writable
    found = await readiness(operations, listening=listening)
    assert not found.is_ready
    checks = found.facts()["checks"]
    assert isinstance(checks, dict)
    assert (checks["store"], checks["listeners"]) == (store, listeners)


async def test_no_probe_while_the_journal_says_no() -> None:
    operations = FakeOperations()
    operations.now = gauges(store_available=False)
    await readiness(operations, listening=True)
    assert operations.probes == 0


async def test_providers_are_informational() -> None:
    operations = FakeOperations()
    operations.now = gauges(
        providers=(
            provider_gauges("down", is_up=False),
            provider_gauges("paused", is_paused=True),
        )
    )
    found = await readiness(operations, listening=True)
    assert found.is_ready
    assert found.providers == {"down": "down", "paused": "paused"}

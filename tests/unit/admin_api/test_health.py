from admin_api.health import readiness
from tests.support.operations import FakeOperations, gauges, provider_gauges


async def test_ready_when_store_and_listeners_are() -> None:
    found = await readiness(FakeOperations(), listening=True)
    assert found.facts() == {
        "ready": True,
        "checks": {"store": "ok", "listeners": "ok", "providers": {"carrier": "up"}},
    }


class Full(FakeOperations):
    """Its journal learns from the probe that the disk is full."""

    async def store_writable(self) -> bool:
        self.now = gauges(store_available=False, store_trouble="disk full")
        return False


async def test_store_in_an_outage_says_why() -> None:
    operations = FakeOperations()
    operations.now = gauges(store_available=False, store_trouble="connection lost")
    found = await readiness(operations, listening=True)
    assert not found.is_ready
    assert found.store == "cannot be written: connection lost"


async def test_a_probe_that_finds_trouble_says_so_at_once() -> None:
    found = await readiness(Full(), listening=True)
    assert not found.is_ready
    assert found.store == "cannot be written: disk full"


async def test_a_probe_without_an_answer() -> None:
    operations = FakeOperations()
    operations.is_writable = False
    found = await readiness(operations, listening=True)
    assert not found.is_ready
    assert found.store == "cannot be written: a write takes too long"


async def test_not_ready_before_the_listeners_are_up() -> None:
    found = await readiness(FakeOperations(), listening=False)
    assert not found.is_ready
    assert found.facts()["checks"] == {
        "store": "ok",
        "listeners": "not listening",
        "providers": {"carrier": "up"},
    }


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

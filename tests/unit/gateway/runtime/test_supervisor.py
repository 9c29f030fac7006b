"""A task that dies is reported; one that ends or is cancelled is not."""

import asyncio
import logging

import pytest

from gateway.runtime.supervisor import Supervisor
from tests.support.clock import settle


class Deaths(list[tuple[str, BaseException]]):
    def note(self, name: str, error: BaseException) -> None:
        self.append((name, error))


@pytest.fixture
def deaths() -> Deaths:
    return Deaths()


@pytest.fixture
def supervisor(deaths: Deaths) -> Supervisor:
    return Supervisor(deaths.note)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise LookupError("broken")


async def test_a_dead_task_is_reported_with_its_name(
    supervisor: Supervisor, deaths: Deaths, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        supervisor.spawn(fail(), name="reader")
        await settle()
    [(name, error)] = deaths
    assert name == "reader"
    assert isinstance(error, LookupError)
    [record] = caplog.records
    assert record.getMessage() == "task.died"
    assert record.fields == {"task": "reader"}  # type: ignore[attr-defined]
    assert record.exc_info


async def test_a_task_that_ends_is_not(supervisor: Supervisor, deaths: Deaths) -> None:
    async def answer() -> int:
        return 7

    assert await supervisor.spawn(answer(), name="one-shot") == 7
    await settle()
    assert deaths == []


async def test_a_cancelled_task_is_not(supervisor: Supervisor, deaths: Deaths) -> None:
    task = supervisor.spawn(for_ever(), name="service")
    await settle()
    task.cancel()
    await settle()
    assert task.cancelled()
    assert deaths == []


async def test_tasks_are_named(supervisor: Supervisor) -> None:
    assert supervisor.spawn(for_ever(), name="service").get_name() == "service"
    await supervisor.stop()


async def test_stop_waits_until_all_have_cleaned_up(supervisor: Supervisor, deaths: Deaths) -> None:
    cleaned = []

    async def service(n: int) -> None:
        try:
            await for_ever()
        finally:
            await settle(3)
            cleaned.append(n)

    tasks = [supervisor.spawn(service(n), name=f"service-{n}") for n in range(3)]
    await settle()
    await supervisor.stop()
    assert sorted(cleaned) == [0, 1, 2]
    assert all(task.cancelled() for task in tasks)
    await supervisor.stop()
    assert deaths == []


async def test_a_task_that_fails_while_it_is_stopped_is_reported(
    supervisor: Supervisor, deaths: Deaths
) -> None:
    async def stubborn() -> None:
        try:
            await for_ever()
        finally:
            raise LookupError("cleaning up")

    supervisor.spawn(stubborn(), name="stubborn")
    await settle()
    await supervisor.stop()
    await settle()
    assert [name for name, _ in deaths] == ["stubborn"]


async def test_a_task_may_stop_all_the_others(supervisor: Supervisor) -> None:
    other = supervisor.spawn(for_ever(), name="other")
    await supervisor.spawn(supervisor.stop(), name="stopper")
    assert other.cancelled()

"""Blocking by command, against a real heart."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from admin_api.operations import OperationRefusedError
from gateway.domain.errors import Refusal, RefusalCode
from postern.operations import LiveOperations
from tests.support.hearts import RunningHeart, running_heart

NUMBER = "+37120000000"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningHeart]:
    async with running_heart(tmp_path) as running:
        yield running


@pytest.fixture
def operations(running: RunningHeart) -> LiveOperations:
    return LiveOperations(running.heart, list, dict)


async def code_of(running: RunningHeart, **fields: str) -> RefusalCode | None:
    result = await running.send(**fields)
    return result.code if isinstance(result, Refusal) else None


POOR = {"account": "poor", "sender": "ANY"}


async def test_a_number_is_blocked_at_once_and_let_through_again(
    running: RunningHeart, operations: LiveOperations
) -> None:
    assert await code_of(running) is None
    facts = await operations.block(None, [NUMBER, "junk", NUMBER, "+1"], "")
    assert facts == {"account": None, "numbers": 4, "changed": 1, "invalid": ["junk", "+1"]}
    assert await code_of(running) == RefusalCode.RECIPIENT_BLOCKED
    assert await code_of(running, **POOR) == RefusalCode.RECIPIENT_BLOCKED
    assert (await operations.block(None, [NUMBER], ""))["changed"] == 0
    assert (await operations.unblock(None, [NUMBER], ""))["changed"] == 1
    assert await code_of(running) is None


async def test_an_accounts_list_is_its_own(
    running: RunningHeart, operations: LiveOperations
) -> None:
    assert (await operations.block("acme", [NUMBER], ""))["account"] == "acme"
    assert await code_of(running) == RefusalCode.RECIPIENT_BLOCKED
    assert await code_of(running, **POOR) is None
    assert (await operations.unblock(None, [NUMBER], ""))["changed"] == 0
    assert await code_of(running) == RefusalCode.RECIPIENT_BLOCKED


@pytest.mark.parametrize(
    ("account", "written", "region"),
    [
        ("acme", "20 000 000", ""),  # the account's region is LV
        ("poor", "20-000-000", "LV"),
        (None, "(20) 000 000", "LV"),
        (None, " 00371 20000000 ", ""),
        (None, "37120000000", ""),
    ],
)
async def test_numbers_as_they_are_written(
    operations: LiveOperations, account: str | None, written: str, region: str
) -> None:
    assert (await operations.block(account, [written], region))["changed"] == 1
    listed: Any = await operations.blocked(account, "", 10)
    assert listed["entries"] == [{"account": account, "number": NUMBER}]


async def test_a_national_number_without_a_region_is_not_understood(
    operations: LiveOperations,
) -> None:
    assert (await operations.block(None, ["020 0"], ""))["invalid"] == ["020 0"]


async def test_the_list_in_pages(operations: LiveOperations) -> None:
    numbers = [f"+3712000000{n}" for n in range(3)]
    await operations.block("poor", numbers[:1], "")
    await operations.block(None, numbers, "")
    await operations.block("acme", numbers[1:], "")

    async def pages(account: str | None, limit: int) -> list[tuple[str | None, str]]:
        found: list[tuple[str | None, str]] = []
        after: str | None = ""
        while after is not None:
            page: Any = await operations.blocked(account, after, limit)
            assert page["size"] == 6
            found += [(entry["account"], entry["number"]) for entry in page["entries"]]
            after = page["next_after"]
        return found

    expected = [
        *((None, number) for number in numbers),
        *(("acme", number) for number in numbers[1:]),
        ("poor", numbers[0]),
    ]
    for limit in (1, 2, 3, 6, 100):
        assert await pages(None, limit) == expected
        assert await pages("acme", limit) == expected[3:5]
        assert await pages("poor", limit) == expected[5:]


@pytest.mark.parametrize("after", ["x", "1", "1-", "1-x"])
async def test_a_page_that_is_none(operations: LiveOperations, after: str) -> None:
    with pytest.raises(OperationRefusedError, match="next_after"):
        await operations.blocked(None, after, 1)


async def test_what_is_refused(operations: LiveOperations) -> None:
    with pytest.raises(OperationRefusedError, match="region 'XX'"):
        await operations.block(None, [NUMBER], "XX")
    with pytest.raises(OperationRefusedError, match="accounts: acme, poor"):
        await operations.block("nobody", [NUMBER], "")


async def test_the_list_survives_a_restart(tmp_path: Path) -> None:
    async with running_heart(tmp_path) as running:
        operations = LiveOperations(running.heart, list, dict)
        await operations.block("acme", [NUMBER], "")
    async with running_heart(tmp_path) as running:
        assert await code_of(running) == RefusalCode.RECIPIENT_BLOCKED


async def test_a_dry_run_knows_the_list(operations: LiveOperations) -> None:
    await operations.block(None, [NUMBER], "")
    facts: Any = operations.explain("acme", "", NUMBER, "hello")
    assert facts["refusal"] == {
        "code": "recipient_blocked", "reason": "+37120000000 is on the blocklist",
    }  # fmt: skip
    assert facts["recipient"]["valid"] is True


async def test_many_numbers_let_the_loop_turn(operations: LiveOperations) -> None:
    numbers = [f"+3712{n:07}" for n in range(1_000)]
    facts = await operations.block(None, numbers, "")
    assert (facts["numbers"], facts["changed"], facts["invalid"]) == (1_000, 1_000, [])

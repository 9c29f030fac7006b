"""Webhook deliveries by command, against a real heart."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from admin_api.operations import OperationRefusedError
from gateway.domain.commit_group import NewWebhookDelivery
from postern import webhook_operations as module
from postern.operations import LiveOperations
from tests.support.groups import new_message
from tests.support.hearts import RunningHeart, running_heart

DAY_MS = 86_400_000
MORNING_MS = 1_769_904_000_000  # 2026-02-01T00:00:00Z


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningHeart]:
    async with running_heart(tmp_path) as running:
        yield running


@pytest.fixture
def operations(running: RunningHeart) -> LiveOperations:
    return LiveOperations(running.heart, list, dict)


@pytest.fixture
async def ids(running: RunningHeart) -> list[int]:
    """Deliveries of acme: abandoned on the 1st, abandoned on the 2nd, done, owed; one owed of poor's."""
    by_name = running.heart.directory.by_name
    accounts = [by_name["acme"].id] * 4 + [by_name["poor"].id]
    deliveries = running.heart.store.webhooks
    async with running.heart.store._engine.transaction() as transaction:
        for key, account_id in enumerate(accounts, 1):
            message = new_message(key, account_id=account_id)
            await transaction.execute(
                f"INSERT INTO message ({', '.join(message._fields)})"  # noqa: S608 - our own names
                f" VALUES ({', '.join('?' * len(message))})",
                *message,
            )
            delivery = NewWebhookDelivery(
                key, account_id, 0, f"https://hooks.example:8443/{key}", MORNING_MS + key * DAY_MS
            )
            await transaction.execute(
                "INSERT INTO webhook_delivery (message_key, account_id, kind, url, due_at_ms)"
                " VALUES (?, ?, ?, ?, ?)",
                *delivery,
            )
    ids = [d.id for d in await deliveries.due(MORNING_MS + 9 * DAY_MS, 10)]
    await deliveries.abandon(ids[0], "answered 410")
    await deliveries.abandon(ids[1], "timed out")
    await deliveries.done([ids[2]])
    return ids


async def listed(operations: LiveOperations, state: str = "all", **fields: Any) -> list[Any]:
    values = {"account": None, "limit": 10} | fields
    facts: Any = await operations.webhooks(values["account"], state, values["limit"])
    deliveries: list[Any] = facts["deliveries"]
    return deliveries


async def states(operations: LiveOperations) -> dict[int, str]:
    return {d["id"]: d["state"] for d in await listed(operations)}


async def test_what_is_owed_and_what_was_given_up(
    operations: LiveOperations, ids: list[int]
) -> None:
    found = await listed(operations)
    assert [(d["id"], d["state"], d["account"]) for d in found] == [
        (ids[3], "owed", "acme"), (ids[4], "owed", "poor"),
        (ids[1], "abandoned", "acme"), (ids[0], "abandoned", "acme"),
    ]  # fmt: skip
    assert found[3] == {
        "id": ids[0], "account": "acme", "message_id": f"{1:016x}", "kind": "signed",
        "host": "hooks.example", "state": "abandoned", "attempts": 1,
        "due_at": "2026-02-02T00:00:00.000Z", "error": "answered 410",
    }  # fmt: skip
    assert [d["id"] for d in await listed(operations, "abandoned", limit=1)] == [ids[1]]
    assert [d["id"] for d in await listed(operations, "owed", account="poor")] == [ids[4]]


async def test_replay_opens_what_was_given_up_and_wakes_the_notifier(
    running: RunningHeart, operations: LiveOperations, ids: list[int]
) -> None:
    woken: list[object] = []
    running.heart.fates.wake_webhooks = lambda *_: woken.append(1)
    assert await operations.replay(None, "", None, "abandoned") == {"replayed": 2}
    assert len(woken) == 1
    assert set((await states(operations)).values()) == {"owed"}
    again = next(d for d in await listed(operations) if d["id"] == ids[0])
    assert (again["attempts"], again["error"]) == (0, "answered 410")
    assert await operations.replay(None, "", None, "abandoned") == {"replayed": 0}


@pytest.mark.parametrize("page", [1, 2, 10_000])
async def test_replay_of_all_that_ended(
    operations: LiveOperations, ids: list[int], monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(module, "IDS_AT_ONCE", page)
    assert await operations.replay(None, "", None, "all") == {"replayed": 3}
    assert set(await states(operations)) == set(ids)


@pytest.mark.parametrize(
    ("since", "count"),
    [
        ("2026-02-02", 2), ("2026-02-02T00:00:00.001Z", 1), ("2026-02-03T01:00:00+01:00", 1),
        ("2026-02-03T00:00:01", 0),
    ],
)  # fmt: skip
async def test_replay_since(
    operations: LiveOperations, ids: list[int], since: str, count: int
) -> None:
    assert await operations.replay("acme", since, None, "abandoned") == {"replayed": count}


async def test_replay_of_another_account(operations: LiveOperations, ids: list[int]) -> None:
    assert await operations.replay("poor", "", None, "all") == {"replayed": 0}


async def test_replay_of_one_in_any_state(operations: LiveOperations, ids: list[int]) -> None:
    for id in ids[1:4]:
        assert await operations.replay(None, "", id, "abandoned") == {"replayed": 1}
    assert (await states(operations)) == {
        ids[0]: "abandoned", **dict.fromkeys(ids[1:], "owed"),
    }  # fmt: skip


async def test_what_is_refused(operations: LiveOperations, ids: list[int]) -> None:
    for account, since, delivery, chosen, why in [
        (None, "", 404, "abandoned", "no delivery 404"),
        ("poor", "", ids[0], "abandoned", f"no delivery {ids[0]}"),
        (None, "yesterday", None, "abandoned", "since 'yesterday'"),
        (None, "", None, "owed", "states must be"),
        ("nobody", "", None, "all", "accounts: acme, poor"),
    ]:
        with pytest.raises(OperationRefusedError, match=why):
            await operations.replay(account, since, delivery, chosen)
    with pytest.raises(OperationRefusedError, match="state must be owed, abandoned, all"):
        await operations.webhooks(None, "done", 1)

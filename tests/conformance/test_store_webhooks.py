"""Webhook deliveries until they are taken or given up."""

from gateway.domain.commit_group import NewWebhookDelivery
from gateway.store.store import Store
from gateway.store.webhook_deliveries import DeliveryState
from tests.support.groups import write


async def owe(store: Store, *due_at_ms: int) -> None:
    await write(
        store,
        new_webhook_deliveries=[
            NewWebhookDelivery(n, 1, 0, f"https://a.example/{n}", due)
            for n, due in enumerate(due_at_ms)
        ],
    )


async def due(store: Store, now_ms: int) -> list[int]:
    return [d.message_key for d in await store.webhooks.due(now_ms, 10)]


async def test_due_in_order_of_time(store: Store) -> None:
    await owe(store, 30, 10, 20, 40)
    assert await due(store, 30) == [1, 2, 0]
    assert [d.message_key for d in await store.webhooks.due(30, 1)] == [1]
    assert await due(store, 9) == []


async def test_done_is_over(store: Store) -> None:
    await owe(store, 1, 2, 3)
    one, two, _ = await store.webhooks.due(9, 10)
    await store.webhooks.done([one.id, two.id])
    assert await due(store, 9) == [2]


async def test_retry_is_due_again_later(store: Store) -> None:
    await owe(store, 1)
    [delivery] = await store.webhooks.due(9, 10)
    assert delivery.attempts == 0
    await store.webhooks.retry(delivery.id, 50, "503")
    assert await due(store, 49) == []
    [again] = await store.webhooks.due(50, 10)
    assert (again.id, again.attempts, again.due_at_ms) == (delivery.id, 1, 50)


async def test_abandoned_is_over_and_keeps_its_reason(store: Store) -> None:
    await owe(store, 1)
    [delivery] = await store.webhooks.due(9, 10)
    await store.webhooks.abandon(delivery.id, "410 Gone")
    await store.webhooks.retry(delivery.id, 1, "late news")
    assert await due(store, 2**41) == []
    [row] = await store._engine.fetch("SELECT state, attempts, last_error FROM webhook_delivery")
    assert row == (2, 1, "410 Gone")


# --- what an operator asks ----------------------------------------------------------------------

DUE, DONE, ABANDONED = DeliveryState


async def report(store: Store, state: DeliveryState, account_id: int | None = None) -> list[int]:
    return [r.message_key for r in await store.webhooks.report(state, account_id, 10)]


async def ended(store: Store) -> dict[int, int]:
    """Deliveries 0 to 4 by message: 1 done, 2 and 4 abandoned; their ids.  Odd ones are account 1's."""
    await write(
        store,
        new_webhook_deliveries=[
            NewWebhookDelivery(n, n % 2, 0, f"https://a.example/{n}", 50 - n) for n in range(5)
        ],
    )
    ids = {d.message_key: d.id for d in await store.webhooks.due(100, 10)}
    await store.webhooks.done([ids[1]])
    for n in (2, 4):
        await store.webhooks.abandon(ids[n], "410 Gone")
    return ids


async def test_the_owed_are_told_by_time_and_the_others_newest_first(store: Store) -> None:
    ids = await ended(store)
    assert await report(store, DUE) == [3, 0]
    assert await report(store, ABANDONED) == [4, 2]
    assert await report(store, ABANDONED, 1) == []
    assert await report(store, DUE, 1) == [3]
    assert await store.webhooks.last_id() == max(ids.values())
    [row] = await store.webhooks.report(ABANDONED, 0, 1)
    assert row == (ids[4], 4, 0, 0, "https://a.example/4", ABANDONED, 46, 1, "410 Gone")


async def test_an_empty_table_has_no_last_id(store: Store) -> None:
    assert await store.webhooks.last_id() == 0


async def test_what_ended_is_due_again_with_all_attempts(store: Store) -> None:
    ids = await ended(store)
    reopen = store.webhooks.reopen
    everything = (0, await store.webhooks.last_id())
    assert await reopen(everything, [ABANDONED], 1, 0, 200) == 0
    assert await reopen(everything, [ABANDONED], None, 47, 200) == 1  # the one due at 48
    assert await report(store, ABANDONED) == [4]
    assert await reopen(everything, [ABANDONED, DONE], None, 0, 300) == 2
    again = {d.message_key: d for d in await store.webhooks.due(300, 10)}
    assert {n: (d.due_at_ms, d.attempts) for n, d in again.items()} == {
        0: (50, 0), 1: (300, 0), 2: (200, 0), 3: (47, 0), 4: (300, 0),
    }  # fmt: skip
    assert await reopen((ids[3] - 1, ids[3]), list(DeliveryState), None, 0, 400) == 1
    assert await reopen((ids[3] - 1, ids[3]), list(DeliveryState), 0, 0, 400) == 0

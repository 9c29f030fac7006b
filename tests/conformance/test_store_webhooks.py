"""Webhook deliveries until they are taken or given up."""

from gateway.domain.commit_group import NewWebhookDelivery
from gateway.store.store import Store
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

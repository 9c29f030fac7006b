"""The blocklist on disk and in memory, and what admission makes of it."""

import pytest

from gateway.domain.errors import RefusalCode, StoreUnavailable
from gateway.flow import blocking as module
from gateway.flow.blocking import Blocking
from tests.support.clock import FakeClock
from tests.support.heart import NUMBER, World, account_spec
from tests.support.memory_store import MemoryStore

OTHER = "41790000002"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FakeClock())


@pytest.fixture
def blocking(store: MemoryStore) -> Blocking:
    return Blocking(store)


async def test_what_is_blocked_is_stored_and_live(store: MemoryStore, blocking: Blocking) -> None:
    assert await blocking.block(7, [1, 2, 2]) == 2
    assert await blocking.block(7, [2, 3]) == 1
    assert store.blocked_rows == {(7, 1), (7, 2), (7, 3)}
    assert blocking.blocklist.blocked(7, "3")
    assert await blocking.page((7, 1), 1) == [(7, 2)]


async def test_what_is_unblocked_is_gone_at_once(store: MemoryStore, blocking: Blocking) -> None:
    await blocking.block(0, [1, 2])
    assert await blocking.unblock(7, [1]) == 0
    assert await blocking.unblock(0, [1, 9]) == 1
    assert store.blocked_rows == {(0, 2)}
    assert not blocking.blocklist.blocked(7, "1")


async def test_a_store_that_is_away_changes_nothing(store: MemoryStore, blocking: Blocking) -> None:
    await blocking.block(0, [1])
    store.unavailable = True
    with pytest.raises(StoreUnavailable):
        await blocking.block(0, [2])
    with pytest.raises(StoreUnavailable):
        await blocking.unblock(0, [1])
    assert blocking.blocklist.size == 1
    assert await blocking.block(0, [1]) == 0  # known: the store is not asked


async def test_the_list_is_read_again_page_by_page(
    store: MemoryStore, blocking: Blocking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    await blocking.block(0, [1, 2, 3])
    await blocking.block(7, [1])
    again = Blocking(store)
    await again.load()
    assert again.blocklist.size == 4
    assert again.blocklist.blocked(7, "1")


# --- at admission -------------------------------------------------------------------------------


@pytest.fixture
async def world() -> World:
    return await World.build(accounts=[account_spec("acme"), account_spec("bolt")], are_up=False)


async def test_a_blocked_recipient_is_refused_before_anything_is_charged(world: World) -> None:
    await world.heart.blocking.block(world.account().id, [int(NUMBER)])
    for recipient in (NUMBER, f"+{NUMBER}", f"00{NUMBER}"):
        assert world.submit(recipient=recipient).refusal.code == RefusalCode.RECIPIENT_BLOCKED
    await world.after(1.0)
    assert world.spent() == (0, 0)
    assert world.store.rows == {}
    assert dict(world.heart.counters.refused) == {("smpp", RefusalCode.RECIPIENT_BLOCKED): 3}


async def test_other_accounts_and_other_numbers_go_through(world: World) -> None:
    await world.heart.blocking.block(world.account().id, [int(NUMBER)])
    world.submit(recipient=OTHER)
    world.submit(account="bolt")
    await world.after(1.0)
    assert len(world.store.rows) == 2
    await world.heart.blocking.block(0, [int(NUMBER)])
    assert world.submit(account="bolt").refusal.code == RefusalCode.RECIPIENT_BLOCKED


async def test_a_batch_leaves_blocked_recipients_out(world: World) -> None:
    await world.heart.blocking.block(0, [int(NUMBER)])
    batch = world.submit_batch([NUMBER, OTHER]).batch
    assert [message.recipient for message in batch.messages] == [OTHER]
    [(index, refusal)] = batch.refused
    assert (index, refusal.code) == (0, RefusalCode.RECIPIENT_BLOCKED)


async def test_the_list_survives_a_restart(world: World) -> None:
    await world.heart.blocking.block(0, [int(NUMBER)])
    world = await world.restarted()
    assert world.submit().refusal.code == RefusalCode.RECIPIENT_BLOCKED


async def test_a_message_that_waits_is_not_recalled(world: World) -> None:
    message = world.submit().message
    await world.heart.blocking.block(0, [int(NUMBER)])
    world.wire.come_up()
    await world.after(1.0)
    assert world.wire.keys() == [message.key]

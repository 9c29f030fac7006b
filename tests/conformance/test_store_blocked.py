"""The blocklist on disk."""

from gateway.store.store import Store

NUMBER = 37_120_000_000


async def everything(store: Store, page: int = 100) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    after = (-1, 0)
    while rows := await store.blocked.page(after, page):
        found += rows
        after = rows[-1]
    return found


async def test_what_was_blocked_comes_back_in_order(store: Store) -> None:
    await store.blocked.block(7, {NUMBER + 1, NUMBER})
    await store.blocked.block(0, {NUMBER, 999_999_999_999_999})
    expected = [(0, NUMBER), (0, 999_999_999_999_999), (7, NUMBER), (7, NUMBER + 1)]
    assert await everything(store) == expected
    assert await everything(store, page=1) == expected
    assert await store.blocked.page((0, NUMBER), 2) == expected[1:3]


async def test_blocking_twice_is_blocking_once(store: Store) -> None:
    await store.blocked.block(0, {NUMBER})
    await store.blocked.block(0, {NUMBER, NUMBER + 1})
    assert await everything(store) == [(0, NUMBER), (0, NUMBER + 1)]


async def test_only_the_entries_of_the_account_are_removed(store: Store) -> None:
    for account_id in (0, 7, 8):
        await store.blocked.block(account_id, {NUMBER, NUMBER + 1})
    await store.blocked.unblock(7, {NUMBER, NUMBER + 5})
    assert await everything(store) == [
        (0, NUMBER), (0, NUMBER + 1), (7, NUMBER + 1), (8, NUMBER), (8, NUMBER + 1),
    ]  # fmt: skip


async def test_many_at_a_time(store: Store) -> None:
    numbers = set(range(NUMBER, NUMBER + 1_001))
    await store.blocked.block(0, numbers)
    assert [number for _, number in await everything(store)] == sorted(numbers)
    await store.blocked.unblock(0, set(list(numbers)[:1_000]))
    assert len(await everything(store)) == 1


async def test_nothing_at_all(store: Store) -> None:
    await store.blocked.block(0, ())
    await store.blocked.unblock(0, ())
    assert await everything(store) == []

"""Provider rows: stable ids, and what the operator switched."""

from gateway.domain.identity import Origin
from gateway.store.store import Store


async def test_declared_provider_keeps_its_id(store: Store) -> None:
    one = await store.providers.declare("one")
    two = await store.providers.declare("two")
    assert await store.providers.declare("one") == one
    assert await store.providers.load() == [
        (one, "one", Origin.FILE, True, False),
        (two, "two", Origin.FILE, True, False),
    ]


async def test_undeclared_provider_is_disabled_and_comes_back(store: Store) -> None:
    one = await store.providers.declare("one")
    await store.providers.declare("two")
    assert await store.providers.disable_undeclared({"two"}) == ["one"]
    assert await store.providers.disable_undeclared({"two"}) == []
    assert [p.enabled for p in await store.providers.load()] == [False, True]
    assert await store.providers.declare("one") == one
    assert [p.enabled for p in await store.providers.load()] == [True, True]


async def test_pause_outlives_a_new_declaration(store: Store) -> None:
    one = await store.providers.declare("one")
    await store.providers.set_paused(one, True)
    await store.providers.declare("one")
    assert [p.paused for p in await store.providers.load()] == [True]
    await store.providers.set_paused(one, False)
    assert [p.paused for p in await store.providers.load()] == [False]

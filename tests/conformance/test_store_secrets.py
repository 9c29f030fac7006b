"""Secrets of the installation, in clear and sealed."""

import pytest

from gateway.domain.errors import ConfigurationError
from gateway.store.secrets import Secrets
from gateway.store.store import Store

KEY = b"sixteen octets.." * 2


def secrets(store: Store, seal: bytes | None) -> Secrets:
    return Secrets(store._engine, seal)


async def stored(store: Store, name: str) -> bytes:
    rows = await store._engine.fetch("SELECT value FROM secret WHERE name = ?", name)
    return bytes(rows[0][0])


async def test_secret_is_made_once(store: Store) -> None:
    secret = await store.secrets.get_or_create("ids", 32)
    assert len(secret) == 32
    assert await store.secrets.get_or_create("ids", 32) == secret
    assert await store.secrets.get_or_create("other", 32) != secret


async def test_sealed_secret_is_not_in_the_store(store: Store) -> None:
    secret = await secrets(store, KEY).get_or_create("ids", 32)
    assert secret not in await stored(store, "ids")
    assert await secrets(store, KEY).get_or_create("ids", 32) == secret


async def test_wrong_and_missing_keys_are_named(store: Store) -> None:
    await secrets(store, KEY).get_or_create("ids", 32)
    with pytest.raises(ConfigurationError, match="does not open the secret 'ids'"):
        await secrets(store, KEY[::-1]).get_or_create("ids", 32)
    with pytest.raises(ConfigurationError, match="'ids' in the store is sealed"):
        await secrets(store, None).get_or_create("ids", 32)


async def test_secret_in_clear_is_sealed_when_a_key_comes(store: Store) -> None:
    secret = await secrets(store, None).get_or_create("ids", 32)
    assert secret in await stored(store, "ids")
    assert await secrets(store, KEY).get_or_create("ids", 32) == secret
    assert secret not in await stored(store, "ids")


async def test_sealed_secret_does_not_open_under_another_name(store: Store) -> None:
    await secrets(store, KEY).get_or_create("ids", 32)
    async with store._engine.transaction() as transaction:
        await transaction.execute("UPDATE secret SET name = 'tokens'")
    with pytest.raises(ConfigurationError):
        await secrets(store, KEY).get_or_create("tokens", 32)


async def test_short_key_is_refused(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="holds 15 octets"):
        secrets(store, KEY[:15])

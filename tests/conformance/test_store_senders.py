"""Sender ids in two stages, and how many messages each was used for."""

import asyncio

import pytest

from gateway.domain.identity import Origin, SenderState, SenderVerification, StoredSender
from gateway.store.store import Store
from tests.support.groups import new_message, write

PENDING, APPROVED, REJECTED = SenderState
AWAITED, VERIFIED, REFUSED = SenderVerification
FILE, STORE = Origin.FILE, Origin.STORE


async def account(store: Store, name: str = "acme") -> int:
    return (await store.accounts.declare(name, "EUR", 0, 0, 1)).id


async def row(store: Store, account_id: int, name: str) -> StoredSender:
    rows = await store.senders.load_senders(account_id)
    return next(row for row in rows if row.name == name)


async def usable(store: Store, account_id: int, name: str) -> int:
    await store.senders.set_sender(account_id, name, APPROVED, VERIFIED, "", STORE, 5)
    return (await row(store, account_id, name)).id


async def test_a_request_waits_for_both_stages(store: Store) -> None:
    acme, bolt = await account(store), await account(store, "bolt")
    made = await store.senders.request_sender(acme, "SHOP", 7)
    assert made is not None
    assert made[1:] == (acme, "SHOP", PENDING, AWAITED, "", STORE, False, 0, 7, 0, 0, 7)
    assert not made.may_send
    assert await store.senders.load_senders() == [made]
    assert await store.senders.request_sender(acme, "SHOP", 8) is None
    assert await store.senders.request_sender(acme, "Shop", 8) is not None
    assert await store.senders.request_sender(bolt, "SHOP", 8) is not None
    assert len(await store.senders.load_senders()) == 3
    assert len(await store.senders.load_senders(bolt)) == 1


async def test_times_are_those_of_the_first_yes_since_the_last_no(store: Store) -> None:
    acme = await account(store)
    await store.senders.request_sender(acme, "SHOP", 1)
    seen = []
    for at_ms, (state, verification) in enumerate(
        [
            (APPROVED, AWAITED), (APPROVED, VERIFIED), (APPROVED, VERIFIED), (REJECTED, VERIFIED),
            (APPROVED, VERIFIED), (APPROVED, REFUSED),
        ],
        start=2,
    ):  # fmt: skip
        await store.senders.set_sender(acme, "SHOP", state, verification, "r", STORE, at_ms)
        found = await row(store, acme, "SHOP")
        seen.append((found.may_send, found.approved_at_ms, found.verified_at_ms))
        assert (found.created_at_ms, found.changed_at_ms, found.reason) == (1, at_ms, "r")
    assert seen == [
        (False, 2, 0), (True, 2, 3), (True, 2, 3), (False, 0, 3), (True, 6, 3), (False, 6, 0),
    ]  # fmt: skip


async def test_the_file_takes_over_a_request(store: Store) -> None:
    acme = await account(store)
    made = await store.senders.request_sender(acme, "SHOP", 1)
    assert made is not None
    await store.senders.set_sender(acme, "SHOP", APPROVED, VERIFIED, "", FILE, 2)
    found = await row(store, acme, "SHOP")
    assert (found.id, found.origin, found.may_send) == (made.id, FILE, True)


async def test_one_default_per_account_and_only_one_that_may_send(store: Store) -> None:
    acme, bolt = await account(store), await account(store, "bolt")
    one, two = await usable(store, acme, "ONE"), await usable(store, acme, "TWO")
    other = await usable(store, bolt, "ONE")
    await store.senders.request_sender(acme, "NEW", 1)
    new = (await row(store, acme, "NEW")).id

    async def defaults() -> set[int]:
        return {row.id for row in await store.senders.load_senders() if row.is_default}

    assert await store.senders.make_default(acme, one)
    assert await store.senders.make_default(bolt, other)
    assert await store.senders.make_default(acme, two)
    assert await defaults() == {two, other}
    assert await store.senders.make_default(acme, two)
    assert not await store.senders.make_default(acme, new)
    assert not await store.senders.make_default(acme, other)  # another account's
    assert not await store.senders.make_default(acme, 404)
    assert await defaults() == {two, other}


@pytest.mark.parametrize(
    ("state", "verification"), [(REJECTED, VERIFIED), (APPROVED, REFUSED), (APPROVED, AWAITED)]
)
async def test_what_may_not_send_is_no_default(
    store: Store, state: SenderState, verification: SenderVerification
) -> None:
    acme = await account(store)
    await store.senders.make_default(acme, await usable(store, acme, "ONE"))
    await store.senders.set_sender(acme, "ONE", APPROVED, VERIFIED, "again", STORE, 6)
    assert (await row(store, acme, "ONE")).is_default
    await store.senders.set_sender(acme, "ONE", state, verification, "", STORE, 7)
    assert not (await row(store, acme, "ONE")).is_default


async def count_all(store: Store, limit: int = 100) -> list[int]:
    looked_at = []
    while looked_at[-1:] != [0]:
        looked_at.append(await store.senders.count_messages(limit))
    return looked_at


async def test_messages_are_counted_once_and_for_their_own_sender(store: Store) -> None:
    acme, bolt = await account(store), await account(store, "bolt")
    for owner, name in ((acme, "ONE"), (acme, "TWO"), (bolt, "ONE")):
        await usable(store, owner, name)
    used = [(acme, "ONE")] * 3 + [(acme, "TWO"), (bolt, "ONE"), (acme, "UNKNOWN"), (404, "ONE")]
    await write(
        store,
        new_messages=[
            new_message(key, account_id=owner, sender=name)
            for key, (owner, name) in enumerate(used, 1)
        ],
    )
    assert await count_all(store, 2) == [2, 2, 2, 1, 0]

    async def counts() -> dict[tuple[int, str], int]:
        rows = await store.senders.load_senders()
        return {(row.account_id, row.name): row.message_count for row in rows}

    assert await counts() == {(acme, "ONE"): 3, (acme, "TWO"): 1, (bolt, "ONE"): 1}
    await write(store, new_messages=[new_message(50, account_id=acme, sender="TWO")])
    assert await count_all(store) == [1, 0]
    assert (await counts())[acme, "TWO"] == 2


async def test_two_counts_at_a_time_count_nothing_twice(store: Store) -> None:
    acme = await account(store)
    await usable(store, acme, "ONE")
    await write(
        store,
        new_messages=[new_message(key, account_id=acme, sender="ONE") for key in range(1, 21)],
    )
    await asyncio.gather(*(count_all(store, 5) for _ in range(4)))
    assert (await row(store, acme, "ONE")).message_count == 20


async def test_only_what_was_never_used_is_deleted(store: Store) -> None:
    acme = await account(store)
    one, two = await usable(store, acme, "ONE"), await usable(store, acme, "TWO")
    await write(store, new_messages=[new_message(1, account_id=acme, sender="ONE")])
    await count_all(store)
    assert not await store.senders.delete_sender(one)
    assert await store.senders.delete_sender(two)
    assert not await store.senders.delete_sender(two)
    assert [row.id for row in await store.senders.load_senders()] == [one]


async def test_the_id_of_a_deleted_sender_is_never_given_again(store: Store) -> None:
    acme = await account(store)
    gone = await usable(store, acme, "ONE")
    assert await store.senders.delete_sender(gone)
    assert await usable(store, acme, "TWO") > gone

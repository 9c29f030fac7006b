"""Keyed digests, and slow hashes that are checked once."""

import asyncio
import hmac
from collections.abc import Callable
from hashlib import sha256

import pytest
from argon2 import PasswordHasher

from gateway.domain.account import Account, Credential
from gateway.flow.passwords import Passwords
from tests.support.clock import settle

KEY = b"k" * 32
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
RIGHT, WRONG = "right", "wrong"
RIGHT_HASH = HASHER.hash(RIGHT)


class Thread:
    """Runs at once, or when the test lets it; counts."""

    def __init__(self) -> None:
        self.calls = 0
        self.held: list[Callable[[], None]] | None = None

    def __call__(self, function: Callable[..., bool], *args: object) -> "asyncio.Future[bool]":
        self.calls += 1
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.held is None:
            future.set_result(function(*args))
        else:
            self.held.append(lambda: future.set_result(function(*args)))
        return future


@pytest.fixture
def thread() -> Thread:
    return Thread()


@pytest.fixture
def passwords(thread: Thread) -> Passwords:
    return Passwords(KEY, thread)


def credential(id: int = 1, password_hash: str = "", digest: bytes = b"") -> Credential:
    made = Credential(id, Account(1, "acme"), "acme")
    made.password_hash, made.digest = password_hash, digest
    return made


def test_digests_are_keyed(passwords: Passwords) -> None:
    assert passwords.digest("x") == hmac.digest(KEY, b"x", sha256)
    assert Passwords(b"o" * 32, Thread()).digest("x") != passwords.digest("x")


def test_any_text_has_a_digest(passwords: Passwords) -> None:
    assert len(passwords.digest("\ud800 é")) == 32


async def test_a_secret_of_the_file_is_compared_without_a_thread(
    passwords: Passwords, thread: Thread
) -> None:
    way = credential(digest=passwords.digest(RIGHT), password_hash=HASHER.hash(WRONG))
    assert await passwords.check(way, RIGHT)
    assert not await passwords.check(way, WRONG)
    assert thread.calls == 0


async def test_without_any_secret_nothing_opens(passwords: Passwords) -> None:
    assert not await passwords.check(credential(), "")


@pytest.mark.parametrize(("password", "opens"), [(RIGHT, True), (WRONG, False), ("", False)])
async def test_a_stored_password_is_verified(
    passwords: Passwords, password: str, opens: bool
) -> None:
    assert await passwords.check(credential(password_hash=RIGHT_HASH), password) is opens


async def test_a_broken_hash_opens_nothing(passwords: Passwords) -> None:
    assert not await passwords.check(credential(password_hash="no hash"), RIGHT)


async def test_a_verified_password_is_remembered_and_a_wrong_one_is_not(
    passwords: Passwords, thread: Thread
) -> None:
    way = credential(password_hash=RIGHT_HASH)
    for password, calls in ((RIGHT, 1), (RIGHT, 1), (WRONG, 2), (WRONG, 3), (RIGHT, 3)):
        assert await passwords.check(way, password) is (password == RIGHT)
        assert thread.calls == calls


async def test_a_changed_hash_is_verified_again(passwords: Passwords) -> None:
    way = credential(password_hash=RIGHT_HASH)
    assert await passwords.check(way, RIGHT)
    way.password_hash = HASHER.hash("new")
    assert not await passwords.check(way, RIGHT)
    assert await passwords.check(way, "new")


async def test_what_is_remembered_opens_no_other_credential(passwords: Passwords) -> None:
    assert await passwords.check(credential(1, RIGHT_HASH), RIGHT)
    assert not await passwords.check(credential(2, HASHER.hash("other")), RIGHT)


async def test_a_storm_of_binds_costs_one_verification(
    passwords: Passwords, thread: Thread
) -> None:
    thread.held = []
    way = credential(password_hash=RIGHT_HASH)
    binds = [asyncio.ensure_future(passwords.check(way, RIGHT)) for _ in range(20)]
    await settle()
    assert thread.calls == 1
    thread.held.pop()()
    assert await asyncio.gather(*binds) == [True] * 20
    assert thread.calls == 1

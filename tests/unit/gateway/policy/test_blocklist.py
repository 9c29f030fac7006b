import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.blocklist import EVERYBODY, Blocklist

NUMBER = 37_120_000_000
DIGITS = str(NUMBER)
LONGEST = 999_999_999_999_999


def test_an_empty_list_blocks_nobody() -> None:
    blocklist = Blocklist()
    assert blocklist.size == 0
    assert not blocklist.blocked(1, DIGITS)


def test_one_account_or_everybody() -> None:
    blocklist = Blocklist()
    blocklist.add(7, [NUMBER])
    blocklist.add(EVERYBODY, [NUMBER + 1])
    assert blocklist.blocked(7, DIGITS)
    assert not blocklist.blocked(8, DIGITS)
    assert all(blocklist.blocked(account_id, str(NUMBER + 1)) for account_id in (7, 8))
    assert not blocklist.blocked(7, str(NUMBER + 2))
    assert (blocklist.has(7, NUMBER), blocklist.has(EVERYBODY, NUMBER)) == (True, False)


def test_each_list_is_left_alone_by_the_other() -> None:
    blocklist = Blocklist()
    for account_id in (EVERYBODY, 7):
        blocklist.add(account_id, [NUMBER])
    blocklist.remove(EVERYBODY, [NUMBER])
    assert (blocklist.blocked(7, DIGITS), blocklist.blocked(8, DIGITS)) == (True, False)
    blocklist.remove(7, [NUMBER])
    assert not blocklist.blocked(7, DIGITS)
    assert blocklist.size == 0


def test_entries_are_counted_once() -> None:
    blocklist = Blocklist()
    blocklist.add(7, [NUMBER, NUMBER, NUMBER + 1])
    blocklist.add(7, [NUMBER])
    assert blocklist.size == 2
    blocklist.remove(7, [NUMBER, NUMBER, NUMBER + 9])
    assert blocklist.size == 1


@pytest.mark.parametrize("number", [1, 1023, 1024, LONGEST])
@pytest.mark.parametrize("account_id", [EVERYBODY, 1, 1023, 1 << 40])
def test_the_bounds_of_numbers_and_accounts(number: int, account_id: int) -> None:
    blocklist = Blocklist()
    blocklist.add(account_id, [number])
    assert blocklist.blocked(account_id or 5, str(number))
    assert blocklist.blocked(account_id + 1, str(number)) is (account_id == EVERYBODY)
    assert not blocklist.blocked(account_id or 5, str(number - 1 or 2))


ENTRIES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 4) | st.integers(1, LONGEST)), max_size=30
)


@given(ENTRIES, ENTRIES)
def test_it_is_a_set_of_pairs(added: list[tuple[int, int]], removed: list[tuple[int, int]]) -> None:
    blocklist, pairs = Blocklist(), set(added) - set(removed)
    for account_id, number in added:
        blocklist.add(account_id, [number])
    for account_id, number in removed:
        blocklist.remove(account_id, [number])
    assert blocklist.size == len(pairs)
    for _, number in added:
        for account_id in range(1, 4):
            is_blocked = (0, number) in pairs or (account_id, number) in pairs
            assert blocklist.blocked(account_id, str(number)) is is_blocked

"""Whatever waits: accounts of one class share in parts, and no class waits for ever."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.account import Account, Door
from gateway.domain.lifecycle import MoneyState, NotifyWhen
from gateway.domain.message import PRIORITIES, Message
from gateway.domain.sms_text import Alphabet
from gateway.policy.fair_queue import LOWER_CLASS_TURN, QUANTUM_PARTS, FairQueue

PARTS = st.integers(1, 12)


def message(keys: "count[int]", account: Account, priority: int, parts: int) -> Message:
    return Message(
        next(keys), account, None, Door.SMPP, "ACME", "41790000001", "x", None, Alphabet.GSM7,
        parts, 0, MoneyState.NONE, NotifyWhen.NEVER, priority, 0, 0,
    )  # fmt: skip


@given(
    piles=st.lists(st.lists(PARTS, min_size=60, max_size=120), min_size=2, max_size=5),
    pops=st.integers(1, 110),
)
def test_accounts_that_all_have_something_waiting_get_the_same_number_of_parts(
    piles: list[list[int]], pops: int
) -> None:
    keys, queue = count(1), FairQueue()
    accounts = [Account(n, str(n)) for n in range(len(piles))]
    waiting = [len(pile) for pile in piles]
    for account, pile in zip(accounts, piles, strict=True):
        for parts in pile:
            queue.push(message(keys, account, 1, parts))
    served = [0] * len(piles)
    for _ in range(pops):
        popped = queue.pop()
        assert popped is not None
        served[popped.account.id] += popped.part_count
        waiting[popped.account.id] -= 1
        if not all(waiting):
            break
        # A round is a quantum; a message may overdraw it by its other parts, paid back next time.
        assert max(served) - min(served) <= 2 * (QUANTUM_PARTS + max(map(max, piles)))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, PRIORITIES - 1), PARTS), max_size=200))
def test_nothing_is_lost_doubled_or_put_out_of_its_accounts_order(
    arrivals: list[tuple[int, int, int]],
) -> None:
    keys, queue = count(1), FairQueue()
    accounts = [Account(n, str(n)) for n in range(4)]
    pushed = [message(keys, accounts[a], priority, parts) for a, priority, parts in arrivals]
    for each in pushed:
        queue.push(each)
    popped = queue.drain()
    assert sorted(m.key for m in popped) == [m.key for m in pushed]
    for account in accounts:
        for priority in range(PRIORITIES):
            mine = [m.key for m in popped if (m.account, m.priority) == (account, priority)]
            assert mine == sorted(mine)


@given(st.integers(0, PRIORITIES - 2), st.integers(1, 5))
def test_a_class_below_busy_ones_still_gets_its_turns(lower: int, waiting: int) -> None:
    keys, queue = count(1), FairQueue()
    low, high = Account(1, "low"), Account(2, "high")
    for _ in range(waiting):
        queue.push(message(keys, low, lower, 1))
    seen = 0
    for _ in range(waiting * LOWER_CLASS_TURN):
        queue.push(message(keys, high, PRIORITIES - 1, 1))
        popped = queue.pop()
        assert popped is not None
        seen += popped.account is low
    assert seen == waiting


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=100))
def test_keeping_some_keeps_their_order(arrivals: list[tuple[int, bool]]) -> None:
    keys, queue = count(1), FairQueue()
    accounts = [Account(n, str(n)) for n in range(3)]
    wanted: set[int] = set()
    for account, is_wanted in arrivals:
        each = message(keys, accounts[account], 1, 1)
        queue.push(each)
        if is_wanted:
            wanted.add(each.key)
    queue.keep(lambda m: m.key in wanted)
    assert queue.size == len(wanted)
    left = queue.drain()
    assert {m.key for m in left} == wanted
    for account_ in accounts:
        mine = [m.key for m in left if m.account is account_]
        assert mine == sorted(mine)

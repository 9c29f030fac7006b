"""Order inside an account, shares between accounts, classes over each other."""

from collections import Counter
from itertools import count

from gateway.domain.account import Account, Door
from gateway.domain.lifecycle import MoneyState, NotifyWhen
from gateway.domain.message import Message
from gateway.domain.sms_text import Alphabet
from gateway.policy.fair_queue import LOWER_CLASS_TURN, QUANTUM_PARTS, FairQueue

A, B, C = Account(1, "a"), Account(2, "b"), Account(3, "c")
_keys = count(1)


def message(account: Account = A, priority: int = 1, parts: int = 1) -> Message:
    return Message(
        next(_keys), account, None, Door.SMPP, "ACME", "41790000001", "x", None, Alphabet.GSM7,
        parts, 0, MoneyState.NONE, NotifyWhen.NEVER, priority, 0, 0,
    )  # fmt: skip


def filled(*messages: Message) -> FairQueue:
    queue = FairQueue()
    for each in messages:
        queue.push(each)
    return queue


def pop(queue: FairQueue, times: int) -> list[Message]:
    popped = [queue.pop() for _ in range(times)]
    assert None not in popped
    return [m for m in popped if m is not None]


def test_an_empty_queue_has_nothing() -> None:
    queue = FairQueue()
    assert queue.pop() is None
    assert queue.size == 0
    assert queue.drain() == []


def test_one_account_keeps_its_order() -> None:
    messages = [message() for _ in range(50)]
    assert filled(*messages).drain() == messages


def test_size_counts_what_waits() -> None:
    queue = filled(message(), message(B), message(priority=3))
    assert queue.size == 3
    queue.pop()
    assert queue.size == 2
    queue.push_front(message())
    assert queue.size == 3
    assert len(queue.drain()) == 3
    assert queue.size == 0


def test_a_queue_can_be_used_again_after_it_ran_empty() -> None:
    queue = filled(message())
    queue.drain()
    again = [message(), message(B), message()]
    for each in again:
        queue.push(each)
    assert set(queue.drain()) == set(again)


def test_accounts_share_in_parts() -> None:
    long_ones = [message(A, parts=4) for _ in range(100)]
    short_ones = [message(B) for _ in range(400)]
    popped = pop(filled(*long_ones, *short_ones), 100)
    parts = Counter[str]()
    for each in popped:
        parts[each.account.name] += each.part_count
    assert abs(parts["a"] - parts["b"]) <= QUANTUM_PARTS + 4


def test_who_comes_late_does_not_wait_for_a_bulk() -> None:
    queue = filled(*[message(A) for _ in range(1000)])
    pop(queue, 20)
    late = message(B)
    queue.push(late)
    assert late in pop(queue, 2 * QUANTUM_PARTS + 1)


def test_a_message_larger_than_the_quantum_leaves_and_waits_longer_afterwards() -> None:
    huge = [message(A, parts=10 * QUANTUM_PARTS) for _ in range(2)]
    popped = pop(filled(*huge, *[message(B) for _ in range(300)]), 100)
    between = popped.index(huge[1]) - popped.index(huge[0])
    assert 8 * QUANTUM_PARTS <= between <= 11 * QUANTUM_PARTS


def test_what_is_put_back_goes_first_and_in_its_order() -> None:
    first, second, third, fourth = (message() for _ in range(4))
    queue = filled(first, second, third)
    pop(queue, 2)
    queue.push_front(second)
    queue.push_front(first)
    queue.push(fourth)
    assert queue.drain() == [first, second, third, fourth]


def test_what_is_put_back_into_an_empty_queue_is_found() -> None:
    only = message()
    queue = filled(only)
    queue.pop()
    queue.push_front(only)
    assert queue.pop() is only


def test_all_that_is_put_back_into_an_empty_queue_is_found() -> None:
    first, second = message(), message()
    queue = filled(first, second)
    queue.drain()
    queue.push_front(second)
    queue.push_front(first)
    assert queue.drain() == [first, second]


def test_a_debt_ends_when_nobody_else_was_kept_waiting() -> None:
    queue = filled(message(A, parts=100 * QUANTUM_PARTS))
    queue.pop()
    later = message(A)
    queue.push(later)
    for _ in range(200):
        queue.push(message(B))
    assert later in pop(queue, QUANTUM_PARTS + 1)


def test_higher_classes_go_first() -> None:
    bulk, normal, high, urgent = (message(priority=p) for p in range(4))
    queue = filled(bulk, normal, high, urgent)
    assert queue.drain() == [urgent, high, normal, bulk]


def test_a_lower_class_gets_one_turn_in_sixteen() -> None:
    urgent = [message(A, priority=3) for _ in range(200)]
    bulk = [message(B, priority=0) for _ in range(50)]
    classes = [m.priority for m in pop(filled(*urgent, *bulk), 10 * LOWER_CLASS_TURN)]
    assert classes.count(0) == 10
    assert classes.index(0) == LOWER_CLASS_TURN - 1


def test_every_lower_class_gets_its_turn() -> None:
    waiting = [message(account, p) for p, account in ((3, A), (1, B), (0, C)) for _ in range(400)]
    served = Counter(m.priority for m in pop(filled(*waiting), 20 * LOWER_CLASS_TURN))
    assert served == {3: 20 * (LOWER_CLASS_TURN - 1), 1: 10, 0: 10}


def test_draining_many_accounts_and_classes_loses_and_doubles_nothing() -> None:
    messages = [message(account, n % 4, 1 + n % 7) for n in range(60) for account in (A, B, C)]
    drained = filled(*messages).drain()
    assert len(drained) == len(messages)
    assert set(drained) == set(messages)
    for account in (A, B, C):
        for priority in range(4):
            keys = [m.key for m in drained if (m.account, m.priority) == (account, priority)]
            assert keys == sorted(keys)

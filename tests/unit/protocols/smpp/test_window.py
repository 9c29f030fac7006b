"""Outstanding requests of one bind."""

from protocols.smpp.window import MAX_LATE, MAX_SEQUENCE_NUMBER, Window


def filled(window: Window[str], *items: str, deadline: float = 10.0) -> list[int]:
    numbers = []
    for item in items:
        number = window.next_sequence()
        window.offer(number, item, deadline)
        numbers.append(number)
    return numbers


def test_a_response_completes_its_own_request_in_any_order() -> None:
    window: Window[str] = Window(10)
    first, second = filled(window, "a", "b")

    assert window.complete(second) == "b"
    assert window.complete(first) == "a"
    assert len(window) == 0


def test_a_response_completes_a_request_once() -> None:
    window: Window[str] = Window(10)
    (number,) = filled(window, "a")

    assert window.complete(number) == "a"
    assert window.complete(number) is None
    assert window.complete(12345) is None


def test_room_shrinks_and_grows_and_never_goes_below_zero() -> None:
    window: Window[str] = Window(2)
    numbers = filled(window, "a", "b", "c")

    assert (window.room, len(window)) == (0, 3)
    window.complete(numbers[0])
    window.complete(numbers[1])
    assert (window.room, len(window)) == (1, 1)


def test_sequence_numbers_begin_at_one_and_skip_nothing() -> None:
    window: Window[str] = Window(10)

    assert [window.next_sequence() for _ in range(3)] == [1, 2, 3]


def test_sequence_numbers_wrap_and_skip_those_in_flight() -> None:
    window: Window[str] = Window(10)
    window.offer(1, "a", 10.0)
    window.offer(2, "b", 10.0)
    window.offer(MAX_SEQUENCE_NUMBER, "z", 10.0)
    window._last_sequence = MAX_SEQUENCE_NUMBER - 1

    assert [window.next_sequence() for _ in range(2)] == [3, 4]


def test_requests_expire_at_their_deadline_oldest_first() -> None:
    window: Window[str] = Window(10)
    filled(window, "a", "b", deadline=5.0)
    filled(window, "c", deadline=6.0)

    assert window.expire(4.9) == []
    assert window.expire(5.0) == ["a", "b"]
    assert window.expire(5.0) == []
    assert window.expire(100.0) == ["c"]
    assert len(window) == 0


def test_expiry_steps_over_answered_requests() -> None:
    window: Window[str] = Window(1000)
    numbers = filled(window, *map(str, range(1000)), deadline=5.0)
    for number in numbers[:-2]:
        window.complete(number)

    assert window.expire(5.0) == ["998", "999"]


def test_a_late_response_finds_its_expired_request_once() -> None:
    window: Window[str] = Window(10)
    (number,) = filled(window, "a", deadline=5.0)
    assert window.late(number) is None
    window.expire(5.0)

    assert window.complete(number) is None
    assert window.late(number) == "a"
    assert window.late(number) is None


def test_the_memory_of_expired_requests_is_bounded_and_forgets_the_oldest() -> None:
    window: Window[int] = Window(10)
    for number in range(MAX_LATE + 1):
        window.offer(number, number + 7, 5.0)
    window.expire(5.0)

    assert window.late(0) is None
    assert window.late(1) == 8
    assert window.late(MAX_LATE) == MAX_LATE + 7


def test_draining_hands_out_everything_and_remembers_nothing() -> None:
    window: Window[str] = Window(10)
    numbers = filled(window, "a", "b", "c")
    window.complete(numbers[1])

    assert window.drain() == ["a", "c"]
    assert len(window) == 0
    assert window.drain() == []
    assert window.late(numbers[0]) is None

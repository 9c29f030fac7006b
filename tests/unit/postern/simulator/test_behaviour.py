from dataclasses import replace

import pytest

from postern.simulator.behaviour import (
    MAGIC_NUMBERS,
    MOST_THROTTLED,
    THROTTLE_MEMORY_S,
    Answer,
    Behaviour,
    Fate,
    IdFormat,
    Judge,
    Plan,
)
from postern.simulator.garbage import Garbage

FIXED = Behaviour(receipt_delay_s=(1.0, 1.0), late_by_s=10.0)


@pytest.mark.parametrize(
    ("recipient", "plan"),
    [
        ("37120000000", Plan(Answer.ACCEPT, Fate.DELIVERED, 1.0)),
        ("+37120000010", Plan(Answer.ACCEPT, Fate.DELIVERED, 1.0)),
        ("37120000001", Plan(Answer.ACCEPT, Fate.FAILED, 1.0)),
        ("37120000002", Plan(Answer.ACCEPT)),
        ("37120000003", Plan(Answer.ACCEPT, Fate.DELIVERED, 11.0)),
        ("37120000004", Plan(Answer.THROTTLE)),
        ("37120000005", Plan(Answer.ACCEPT, Fate.EXPIRED, 1.0)),
        ("1", Plan(Answer.ACCEPT, Fate.DELIVERED, 1.0)),
    ],
)
def test_the_last_four_digits_decide(recipient: str, plan: Plan) -> None:
    assert Judge(FIXED).judge(recipient, 0.0) == plan


def test_every_magic_number_is_described() -> None:
    assert list(MAGIC_NUMBERS) == ["0001", "0002", "0003", "0004", "0005"]


def test_a_throttled_recipient_passes_for_a_while() -> None:
    judge = Judge(FIXED)
    answers = [
        judge.judge("37120000004", now).answer
        for now in (0.0, 0.1, THROTTLE_MEMORY_S - 1, THROTTLE_MEMORY_S, THROTTLE_MEMORY_S + 1)
    ]

    assert [answer is Answer.THROTTLE for answer in answers] == [True, False, False, True, False]


def test_recipients_are_throttled_one_by_one() -> None:
    judge = Judge(FIXED)

    assert judge.judge("37120000004", 0.0).answer is Answer.THROTTLE
    assert judge.judge("37130000004", 0.0).answer is Answer.THROTTLE
    assert judge.judge("37120000004", 0.0).answer is Answer.ACCEPT


def test_the_memory_of_throttled_recipients_is_bounded() -> None:
    judge = Judge(FIXED)
    for number in range(MOST_THROTTLED + 1):
        judge.judge(f"371{number:06d}0004", 0.0)

    assert judge.judge("3710000010004", 0.0).answer is Answer.ACCEPT
    assert judge.judge("3710000000004", 0.0).answer is Answer.THROTTLE


def test_delays_spread_over_their_range() -> None:
    judge = Judge(Behaviour(receipt_delay_s=(0.2, 0.5)))
    delays = [judge.judge("37120000000", 0.0).receipt_delay_s for _ in range(100)]

    assert min(delays) >= 0.2
    assert max(delays) <= 0.5
    assert max(delays) - min(delays) > 0.28
    assert len(set(delays)) == 100


def test_each_nth_submit_is_throttled() -> None:
    judge = Judge(Behaviour(throttle_every=3))
    answers = [judge.judge("37120000000", 0.0).answer for _ in range(6)]

    assert [answer is Answer.THROTTLE for answer in answers] == [False, False, True] * 2


def test_a_rejecting_carrier_rejects_every_number() -> None:
    judge = Judge(Behaviour(reject_status=0x45))

    assert {judge.judge(f"3712000000{n}", 0.0) for n in range(6)} == {Plan(Answer.REJECT)}


def test_each_nth_submit_is_rejected() -> None:
    judge = Judge(Behaviour(reject_status=0x45, reject_every=2))
    answers = [judge.judge("37120000000", 0.0).answer for _ in range(4)]

    assert answers == [Answer.ACCEPT, Answer.REJECT] * 2


def test_a_silent_carrier_says_nothing() -> None:
    assert Judge(Behaviour(silence_every=1)).judge("37120000000", 0.0) == Plan(Answer.SILENCE)


def test_each_nth_message_meets_silence() -> None:
    judge = Judge(Behaviour(silence_every=3))
    answers = [judge.judge("37120000000", 0.0).answer for _ in range(6)]

    assert [answer is Answer.SILENCE for answer in answers] == [False, False, True] * 2


@pytest.mark.parametrize("kind", list(Garbage))
def test_garbage_comes_before_the_answer_or_instead(kind: Garbage) -> None:
    judge = Judge(replace(FIXED, garbage=kind, garbage_every=2))

    assert judge.judge("37120000000", 0.0) == Plan(Answer.ACCEPT, Fate.DELIVERED, 1.0)
    if kind in (Garbage.COMMAND, Garbage.STRAY):
        plan = Plan(Answer.ACCEPT, Fate.DELIVERED, 1.0, kind)
    else:
        plan = Plan(Answer.GARBAGE, garbage=kind)
    assert judge.judge("37120000000", 0.0) == plan


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"receipt_delay_s": (0.5, 0.2)}, "receipt delays"),
        ({"receipt_delay_s": (-1.0, 0.2)}, "receipt delays"),
        ({"late_by_s": -1.0}, "late_by_s is -1.0"),
        ({"throttle_every": -1}, "throttle_every is -1"),
        ({"refuse_binds": -1}, "refuse_binds is -1"),
    ],
)
def test_an_impossible_script_is_refused(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Behaviour(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("format", "text"),
    [
        (IdFormat.DECIMAL, "255"),
        (IdFormat.HEX, "ff"),
        (IdFormat.UPPER_HEX, "FF"),
        (IdFormat.PADDED_DECIMAL, "00000000000000000255"),
        (IdFormat.PADDED_HEX, "00000000000000ff"),
    ],
)
def test_one_id_in_every_format(format: IdFormat, text: str) -> None:
    assert format.render(255) == text

from dataclasses import replace

import pytest

from benchmarks.overflow import BUDGET_S, Overflow, render

GOOD = Overflow(
    count=1_000_000, fill_per_s=140_000.0, empty_mib=70.0, filled_mib=170.0, store_mib=230.0,
    accepting_s=0.4, restarted_mib=90.0, bound_s=0.2, drained=1_000_001, receipts=1_000_000,
    doubled=0, stood_still=False, drain_per_s=60_000.0, drained_mib=200.0, cpu_us=20.0,
)  # fmt: skip


def test_memory_is_given_for_each_message():
    assert GOOD.octets_per_message == pytest.approx(100 * 2**20 / 1_000_000)
    assert "105 octets per message" in render(GOOD)


@pytest.mark.parametrize(
    ("changes", "words", "is_sound"),
    [
        ({}, "OK", True),
        ({"accepting_s": BUDGET_S + 1}, "OVER", True),
        ({"doubled": 3}, "DOUBLED 3", False),
        ({"drained": 900_001, "stood_still": True}, "messages LOST: 100,000", False),
        ({"drained": 900_001}, "messages not waited for: 100,000", True),
        ({"receipts": 1}, "receipts not waited for: 999,999", True),
    ],
)
def test_what_is_wrong_is_shown_and_a_loss_is_unsound(changes, words, is_sound):
    overflow = replace(GOOD, **changes)
    assert words in render(overflow)
    assert overflow.is_sound is is_sound


def test_a_whole_drain_has_nothing_to_add():
    assert len(render(GOOD).splitlines()) == 4

from dataclasses import replace

import pytest

from benchmarks.fairness import (
    BUDGET_MS,
    Arrival,
    Fairness,
    is_equal_share,
    parse_arrivals,
    render,
    share_of,
)
from tests.support.figures import LATENCY

GOOD = Fairness(
    count=500_000, probes=200, missing=0, response_ms=LATENCY, wait_ms=LATENCY, way_ms=LATENCY,
    sent_per_s=1000.0, share=0.5,
)  # fmt: skip


def test_arrivals_are_read_as_the_sink_records_them():
    lines = ["12.500000 20001 46700000001", "12.600000 20003 46790000000"]
    assert parse_arrivals(lines)[1] == Arrival(12.6, "20003", "46790000000")


def test_a_share_is_of_the_two_accounts_alone():
    arrivals = [Arrival(0.0, sender, "1") for sender in ("a", "b", "b", "b", "c")]
    assert share_of(arrivals, "a", "b") == 0.25
    assert share_of([], "a", "b") == 0.0


@pytest.mark.parametrize(
    ("share", "is_fair"), [(0.5, True), (0.475, True), (0.525, True), (0.47, False), (0.6, False)]
)
def test_equal_is_within_a_tenth_of_the_other(share, is_fair):
    assert is_equal_share(share) is is_fair


@pytest.mark.parametrize(
    ("changes", "word", "is_sound"),
    [
        ({}, "OK", True),
        ({"wait_ms": {"p50": 1.0, "p99": BUDGET_MS + 1, "max": 99.0}}, "OVER", True),
        ({"share": 0.3}, "UNFAIR", True),
        ({"missing": 2}, "LOST 2", False),
    ],
)
def test_what_is_wrong_is_shown_and_only_a_loss_is_unsound(changes, word, is_sound):
    fairness = replace(GOOD, **changes)
    assert word in render(fairness)
    assert fairness.is_sound is is_sound

import json
from dataclasses import replace

import pytest

from benchmarks.bulk import (
    BUDGET_CPU_S,
    BUDGET_LIVE_MS,
    BUDGET_MIB,
    BUDGET_STALL_MS,
    BulkCost,
    PageCost,
    render,
    render_body,
)

GOOD = BulkCost(
    count=2_000_000, cpu_s=4.0, took_s=5.0, extra_mib=170.0,
    first_page=PageCost(response_ms=0.4, cpu_us=300.0),
    last_page=PageCost(response_ms=0.5, cpu_us=310.0),
    live_count=2_500, live_lost=0,
    live_ms={"p50": 2.0, "p99": 20.0, "max": 30.0}, busy_ms={"p50": 1.0, "p99": 5.0, "max": 9.0},
    feed_per_s=20_000.0, feed_cpu_us=25.0,
)  # fmt: skip


def test_what_is_within_budget_says_so():
    assert GOOD.is_sound
    assert GOOD.is_within_budget
    assert "in one request, OK" in render(GOOD)
    assert len(render(GOOD).splitlines()) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"cpu_s": BUDGET_CPU_S + 1},
        {"extra_mib": BUDGET_MIB + 1},
        {"busy_ms": {"p50": 1.0, "p99": 2.0, "max": BUDGET_STALL_MS + 1}},
        {"live_ms": {"p50": 1.0, "p99": BUDGET_LIVE_MS + 1, "max": 99.0}},
    ],
)
def test_each_budget_counts(changes):
    assert "in one request, OVER" in render(replace(GOOD, **changes))


def test_live_messages_that_were_lost_are_shown_and_unsound():
    lossy = replace(GOOD, live_lost=3)
    assert not lossy.is_sound
    assert "LOST 3 of 2500 live messages" in render(lossy)


@pytest.mark.parametrize("count", [1, 3_999, 4_000, 4_001])
def test_a_request_has_as_many_different_numbers(count):
    body = json.loads(b"".join(render_body(count, is_for_later=count > 1)))
    assert len(set(body["msisdns"])) == len(body["msisdns"]) == count
    assert ("scheduledTime" in body) is (count > 1)

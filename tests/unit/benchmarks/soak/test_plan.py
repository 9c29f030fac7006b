from itertools import pairwise

import pytest

from benchmarks.soak.plan import FULL_S, IN_CYCLES, SLOT_S, FaultKind, make_plan

KILL = FaultKind.GATEWAY_KILLED
LENGTHS = [15.0, 60.0, 300.0, FULL_S, 4 * 3600.0]


def kills(plan):
    return [fault for fault in plan.faults if fault.kind is KILL]


@pytest.mark.parametrize("duration_s", LENGTHS)
def test_kills_come_before_and_after_the_quiet_stretch_and_never_in_it(duration_s):
    plan = make_plan(duration_s, seed=1)
    at = [fault.at_s for fault in kills(plan)]
    assert not any(plan.quiet.holds(moment) for moment in at)
    assert min(at) < plan.quiet.start_s
    assert plan.quiet.end_s <= max(at) < duration_s


@pytest.mark.parametrize("duration_s", LENGTHS)
@pytest.mark.parametrize("seed", range(5))
def test_faults_follow_each_other_and_end_before_the_next_begins(duration_s, seed):
    faults = make_plan(duration_s, seed).faults
    assert all(a.at_s + a.lasts_s <= b.at_s for a, b in pairwise(faults))


@pytest.mark.parametrize("duration_s", LENGTHS)
def test_nothing_happens_in_a_calm(duration_s):
    plan = make_plan(duration_s, seed=3)
    for calm in plan.calms:
        assert not any(
            fault.at_s < calm.end_s and calm.start_s < fault.at_s + fault.lasts_s
            for fault in plan.faults
        )


def test_every_kind_of_fault_comes_before_each_calm():
    plan = make_plan(FULL_S, seed=2)
    since = plan.quiet.start_s
    for calm in plan.calms:
        kinds = [fault.kind for fault in plan.faults if since <= fault.at_s < calm.start_s]
        assert sorted(kinds) == sorted(IN_CYCLES)
        since = calm.end_s


def test_half_an_hour_is_held_against_its_tenth_minute():
    plan = make_plan(FULL_S, seed=1)
    assert plan.is_judged
    assert plan.baseline == (600.0, 660.0)
    assert plan.last_calm is not None
    assert plan.last_calm.start_s > 1500
    assert plan.quiet == (180.0, 1710.0)
    assert len(kills(plan)) >= 5
    assert {fault.lasts_s for fault in plan.faults} == {0.0, SLOT_S / 2}


def test_the_seed_decides():
    assert make_plan(600, 1) == make_plan(600, 1)
    assert make_plan(600, 1) != make_plan(600, 2)


def test_a_short_run_has_faults_and_no_judgement():
    plan = make_plan(15, seed=1)
    assert plan.kinds()[0] is KILL
    assert len(plan.kinds()) > 1
    assert not plan.is_judged
    assert plan.baseline is None


def test_a_run_without_room_for_a_fault_is_refused():
    with pytest.raises(ValueError, match="4 s are too short"):
        make_plan(4, seed=1)

from dataclasses import replace

import pytest

from benchmarks.soak.plan import make_plan
from benchmarks.soak.verdict import BAD, OK, UNJUDGED, books, flatness
from tests.support.soak_figures import ENDING, FINDINGS, ROWS, sample, times

PLAN = make_plan(1800, seed=1)


def verdicts(plan=PLAN, **changes):
    """Of a run that is as `changes` say in its last calm and during the faults."""
    assert PLAN.baseline is not None
    assert PLAN.last_calm is not None
    samples = [
        *(sample(PLAN.baseline.start_s + n) for n in range(3)),
        sample(PLAN.baseline.end_s + 20, rss_mib=500.0, fds=500, response=times(9000)),
        *(sample(PLAN.last_calm.start_s + n, **changes) for n in range(3)),
    ]
    return {row.name: row.verdict for row in flatness(samples, plan)}


def test_what_stays_the_same_is_flat_whatever_happened_between_the_calms():
    assert set(verdicts().values()) == {OK}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"rss_mib": 105.2}, "RSS, MiB"),
        ({"fds": 53}, "file descriptors"),
        ({"response": times(6.6)}, "answer p99, ms"),
        ({"receipt": times(530)}, "receipt p99, ms"),
        ({"database_mib": 50.5}, "database, MiB"),
        ({"wal_mib": 100.0}, "WAL at most, MiB"),
    ],
)
def test_growth_over_the_limit_is_bad(changes, name):
    found = verdicts(**changes)
    assert [row for row, verdict in found.items() if verdict == BAD] == [name]


@pytest.mark.parametrize(
    "changes",
    [
        {"rss_mib": 104.9},
        {"fds": 52},
        {"response": times(6.0)},
        {"database_mib": 49.0},
        {"rss_mib": 50.0},
    ],
)
def test_growth_within_the_limit_and_shrinking_are_good(changes):
    assert set(verdicts(**changes).values()) == {OK}


def test_a_short_run_is_not_judged_but_for_its_disk():
    found = verdicts(plan=make_plan(300, seed=1), rss_mib=900.0)
    assert found.pop("WAL at most, MiB") == OK
    assert set(found.values()) == {UNJUDGED}


def test_the_middle_sample_of_a_calm_counts():
    assert PLAN.last_calm is not None
    assert PLAN.baseline is not None
    rss = [100.0, 100.0, 900.0]
    samples = [
        *(sample(PLAN.baseline.start_s + n) for n in range(3)),
        *(sample(PLAN.last_calm.start_s + n, rss_mib=mib) for n, mib in enumerate(rss)),
    ]
    assert flatness(samples, PLAN)[0].verdict == OK


def test_books_that_agree_are_good():
    assert {row.verdict for row in books(ENDING)} == {OK}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"lost": 1}, "accepted, at no carrier"),
        ({"without_notice": 1}, "accepted, customer not told"),
        ({"sent_though_refused": 1}, "refused, yet at a carrier"),
        ({"changed_fates": 1}, "told two fates"),
        ({"wrong_ids": 1}, "notices with a wrong id"),
        ({"strangers": 1}, "notices and arrivals of no message"),
        ({"refusals_missed": 1}, "accepted, though they had to be refused"),
        ({"duplicates": 1}, "duplicates at carriers"),
    ],
)
def test_each_finding_has_its_row(changes, name):
    rows = books(replace(ENDING, findings=replace(FINDINGS, **changes)))
    assert [row.name for row in rows if not row.is_good] == [name]


def test_duplicates_after_unknown_outcomes_and_kills_are_explained():
    rows = books(replace(ENDING, findings=replace(FINDINGS, duplicates=3), explained=3))
    assert all(row.is_good for row in rows)


@pytest.mark.parametrize(("stored", "verdict"), [(99, BAD), (100, OK), (105, OK), (106, BAD)])
def test_the_store_holds_what_was_accepted_and_at_most_what_was_not_answered(stored, verdict):
    rows = books(replace(ENDING, rows=replace(ROWS, stored=stored)))
    assert rows[0].verdict == verdict


@pytest.mark.parametrize(
    ("ending", "name"),
    [
        (replace(ENDING, is_ledger_sound=False), "ledger"),
        (replace(ENDING, exit_code=1), "exit code after SIGTERM"),
        (replace(ENDING, is_drained=False), "drained in time"),
        (replace(ENDING, rows=replace(ROWS, not_final=1)), "without a final state"),
        (replace(ENDING, rows=replace(ROWS, notices_owed=1)), "notices owed in the store"),
    ],
)
def test_an_end_that_is_not_clean_is_bad(ending, name):
    assert [row.name for row in books(ending) if not row.is_good] == [name]

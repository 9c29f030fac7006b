import pytest

from benchmarks.shapes import (
    BUDGETS,
    SHAPES,
    Budget,
    Case,
    Mode,
    Subject,
    cases,
    is_within,
    select,
)

BOTH = (Subject.SQLITE, Subject.POSTGRESQL)


def test_no_name_is_every_shape():
    assert select([]) == list(SHAPES)


def test_shapes_come_as_they_were_named():
    assert [shape.name for shape in select(["4x100", "1x1"])] == ["4x100", "1x1"]


def test_an_unknown_name_is_an_error_that_tells_the_known_ones():
    with pytest.raises(ValueError, match=r"no shape 3x3: there are 1x1"):
        select(["1x1", "3x3"])


def test_the_count_can_be_bounded():
    assert {shape.count for shape in select([], count=77)} == {77}
    quick = select([], is_quick=True)
    assert all(less.count < full.count for less, full in zip(quick, SHAPES, strict=True))


def test_the_yardstick_stands_before_what_it_is_held_against():
    rows = [(case.subject, case.mode) for case in cases(select(["4x100"]), BOTH)]
    assert rows == [
        (Subject.NULL_RELAY, Mode.SENT),
        (Subject.SQLITE, Mode.SENT),
        (Subject.SQLITE, Mode.RECEIPT),
        (Subject.POSTGRESQL, Mode.SENT),
        (Subject.POSTGRESQL, Mode.RECEIPT),
    ]


def test_only_the_main_shapes_run_on_postgresql():
    on_postgresql = {
        case.shape.name for case in cases(SHAPES, BOTH) if case.subject is Subject.POSTGRESQL
    }
    assert on_postgresql == {"10x10", "4x100"}


def test_rest_is_measured_with_and_without_a_carrier_and_has_no_yardstick():
    rows = [(case.subject, case.mode) for case in cases(select(["rest-send"]), BOTH)]
    assert rows == [(Subject.SQLITE, Mode.ACCEPT), (Subject.SQLITE, Mode.SENT)]


def test_every_budget_belongs_to_a_row():
    rows = {(case.shape.name, case.subject, case.mode) for case in cases(SHAPES, BOTH)}
    assert set(BUDGETS) <= rows


def test_the_yardstick_runs_longer_unless_it_is_paced():
    [saturated], [paced] = select(["4x100"]), select(["paced-1000"])
    assert Case(saturated, Subject.NULL_RELAY, Mode.SENT).count > saturated.count
    assert Case(paced, Subject.NULL_RELAY, Mode.SENT).count == paced.count


@pytest.mark.parametrize(
    ("budget", "cpu_us", "ratio", "kept"),
    [
        (Budget(30), 30.0, None, True),
        (Budget(30), 30.1, 1.0, False),
        (Budget(30, ratio=15), 40.0, 15.0, True),
        (Budget(30, ratio=15), 40.0, 15.1, False),
        (Budget(30, ratio=15), 40.0, None, False),
        (Budget(30, ratio=15), 20.0, 99.0, True),
    ],
)
def test_the_kinder_bound_counts(budget, cpu_us, ratio, kept):
    assert is_within(budget, cpu_us, ratio) is kept

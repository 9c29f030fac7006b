import pytest

from benchmarks.soak.histogram import Histogram


def histogram(*durations_s):
    made = Histogram()
    for duration_s in durations_s:
        made.add(duration_s)
    return made


@pytest.mark.parametrize(("percent", "ms"), [(1, 1), (50, 50), (99, 99), (100, 100)])
def test_a_percentile_is_the_nearest_rank_within_two_percent(percent, ms):
    times = histogram(*(n / 1000 for n in range(1, 101)))
    assert ms * 0.999 <= times.percentile_ms(percent) <= ms * 1.021


def test_nothing_counted_is_zero():
    assert Histogram().percentile_ms(99) == 0.0


def test_merged_counts_everything_and_changes_nothing():
    fast, slow = histogram(0.001, 0.001, 0.001), histogram(1.0)
    both = Histogram.merged([fast, slow])
    assert (both.count, fast.count, slow.count) == (4, 3, 1)
    assert both.percentile_ms(75) < 2 < 900 < both.percentile_ms(100)


def test_no_time_at_all_has_a_bucket_too():
    assert 0 < histogram(0.0).percentile_ms(50) < 0.1

import os

from benchmarks.soak.sampler import progress_line
from benchmarks.soak.samples import fd_count, thread_count
from tests.support.soak_figures import sample, times


def test_progress_merges_times_and_shows_the_newest_state():
    line = progress_line(
        [
            sample(5.0, response=times(900), rss_mib=80.0, accepted=100, cpu_s=0.02),
            sample(10.0, response=times(1), rss_mib=90.0, accepted=300, cpu_s=0.06, ping_ms=7.0),
        ]
    )
    assert "RSS 90 MiB" in line
    assert "200 us/message" in line
    assert "answer p50/p99 1.0/9" in line
    assert "loop 7 ms" in line


def test_the_first_sample_of_a_life_has_no_cpu_to_show():
    assert " 200 us/message" in progress_line(
        [sample(5.0, accepted=999, cpu_s=None), sample(10.0, accepted=300, cpu_s=0.06)]
    )


def test_without_samples_the_gateway_is_away():
    assert "not running" in progress_line([])


def test_a_process_is_counted_while_it_lives():
    assert fd_count(os.getpid()) > 2
    assert thread_count(os.getpid()) >= 1
    gone = 2**22 + 1  # above the largest pid
    assert fd_count(gone) == thread_count(gone) == 0

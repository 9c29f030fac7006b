from benchmarks.soak.gateway import Metric, parse_metrics, total

EXPOSITION = """\
# HELP postern_provider_queued Messages ready for this provider.
# TYPE postern_provider_queued gauge
postern_provider_queued{provider="smsc"} 3.0
postern_provider_queued{provider="http"} 4.0
postern_provider_outcomes_total{outcome="unknown",provider="smsc"} 2.0
postern_provider_outcomes_total{outcome="deferred",provider="smsc"} 9.0
postern_uptime_seconds 1.5
"""


def test_samples_are_read_and_comments_are_not():
    metrics = parse_metrics(EXPOSITION)
    assert len(metrics) == 5
    assert metrics[-1] == Metric("postern_uptime_seconds", "", 1.5)


def test_a_total_is_over_all_labels_or_those_named():
    metrics = parse_metrics(EXPOSITION)
    assert total(metrics, "postern_provider_queued") == 7
    assert total(metrics, "postern_provider_outcomes_total", 'outcome="unknown"') == 2
    assert total(metrics, "postern_nothing") == 0

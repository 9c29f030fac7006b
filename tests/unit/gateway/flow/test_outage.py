"""What the log and the operator learn of an outage."""

import pytest

from gateway.flow.outage import Outage
from tests.support.clock import FakeClock


def test_each_outage_is_logged_once_at_its_beginning_and_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    clock = FakeClock()
    outage = Outage(clock)
    assert outage.reason == ""
    outage.begin("disk full")
    outage.refused += 2
    clock.advance(1.5)
    outage.begin("read-only")
    assert outage.reason == "read-only"
    clock.advance(0.25)
    outage.end()
    assert outage.reason == ""
    events = [(r.levelname, r.getMessage(), r.__dict__["fields"]) for r in caplog.records]
    assert events == [
        ("ERROR", "store.unavailable", {"reason": "disk full"}),
        ("INFO", "store.recovered", {"reason": "read-only", "lasted_s": 1.75, "refused": 2}),
    ]


def test_the_next_outage_counts_anew() -> None:
    outage = Outage(FakeClock())
    for _ in range(2):
        outage.begin("away")
        assert outage.refused == 0
        outage.refused += 1
        outage.end()

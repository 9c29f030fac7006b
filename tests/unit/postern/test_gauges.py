from collections.abc import Mapping
from pathlib import Path

from postern.gauges import live_gauges
from tests.support.hearts import HeldWire, running_heart


class HttpWire(HeldWire):
    """A provider without binds."""

    def describe(self) -> Mapping[str, object]:
        return {"wire": "http", "url": "http://carrier", "outstanding": 4, "last_error": ""}


async def test_providers_of_both_wires(tmp_path: Path) -> None:
    async with running_heart(tmp_path) as running:
        running.lane("second").wire = HttpWire()
        running.lane("second").paused = True
        running.lane("third").enabled = False
        await running.send()
        await running.idle()
        gauges = live_gauges(running.heart, [], 1.5)
    assert [
        (p.name, p.links_up, p.outstanding, p.is_up, p.is_paused) for p in gauges.providers
    ] == [("first", 1, 1, True, False), ("second", 1, 4, True, True)]
    assert (gauges.uptime_s, gauges.in_memory, gauges.message_log_lost) == (1.5, 1, 0)


async def test_a_link_that_is_down_is_not_counted(tmp_path: Path) -> None:
    async with running_heart(tmp_path) as running:
        running.wires["first"].up = False
        gauges = live_gauges(running.heart, [], 0)
    assert (gauges.providers[0].links_up, gauges.providers[0].is_up) == (0, False)

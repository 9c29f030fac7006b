"""Reads the live figures of a heart for /metrics and `postern status`."""

from collections import Counter
from collections.abc import Iterable, Mapping

from admin_api.operations import Gauges, ProviderGauges
from gateway.flow.lane import Lane
from gateway.policy.breaker import Circuit
from postern.heart import Heart


def live_gauges(
    heart: Heart, connections: Iterable[Mapping[str, object]], uptime_s: float
) -> Gauges:
    """What is true now; `connections` are the customers' SMPP links."""
    available: Counter[str] = Counter()
    for account in heart.directory.accounts.values():
        if account.enabled:
            available[account.currency] += account.available_micros
    return Gauges(
        providers=tuple(
            _provider_gauges(lane) for lane in heart.dispatcher.lanes.values() if lane.enabled
        ),
        waiting=heart.dispatcher.waiting_for_any(),
        in_memory=len(heart.backlogs.live),
        binds=Counter(str(link["system_id"]) for link in connections if _is_bound(link)),
        available_micros=available,
        journal_pending=heart.journal.pending,
        store_available=heart.journal.available,
        store_trouble=heart.journal.trouble,
        message_log_lost=0 if heart.message_log is None else heart.message_log.lost,
        uptime_s=uptime_s,
    )


def _provider_gauges(lane: Lane) -> ProviderGauges:
    live = lane.wire.describe()
    binds = live.get("binds")
    if isinstance(binds, list):
        links_up = sum(_is_bound(bind) for bind in binds)
        outstanding = sum(bind["outstanding"] for bind in binds)
    else:
        links_up = int(lane.wire.is_up())
        outstanding = live.get("outstanding", 0)
    return ProviderGauges(
        name=lane.name,
        queued=lane.queue.size,
        outstanding=outstanding,
        awaiting_receipts=len(lane.awaiting),
        links_up=links_up,
        is_up=lane.wire.is_up(),
        is_paused=lane.paused,
        is_circuit_open=lane.breaker.circuit is not Circuit.CLOSED,
        rate_limit=lane.pace.current,
        window_limit=lane.window.limit or 0,
        balance=None if live.get("balance") is None else float(str(live["balance"])),
    )


def _is_bound(link: Mapping[str, object]) -> bool:
    return str(link["state"]).startswith("bound")

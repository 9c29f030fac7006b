"""The Prometheus exposition: plain integers of the hot path and live gauges, read at each scrape.

Labels are bounded by what the configuration declares: provider, account, door, system_id, currency,
and closed sets of words.
"""

from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from admin_api.operations import Gauges, Operations
from gateway.domain.money import MICROS
from gateway.runtime.metrics import Counters


class CounterSpec(NamedTuple):
    """How one field of `Counters` is shown; `per_unit` divides its integers."""

    field: str
    name: str
    help: str
    labels: tuple[str, ...] = ()
    per_unit: int = 1


COUNTERS = (
    CounterSpec(
        "accepted",
        "postern_messages_accepted",
        "Messages accepted from customers.",
        ("door", "account"),
    ),
    CounterSpec(
        "refused",
        "postern_messages_refused",
        "Submissions refused at admission.",
        ("door", "code"),
    ),
    CounterSpec(
        "fates",
        "postern_messages_final",
        "Messages that reached a final state.",
        ("provider", "state"),
    ),
    CounterSpec(
        "outcomes",
        "postern_provider_outcomes",
        "Answers of providers other than success.",
        ("provider", "outcome"),
    ),
    CounterSpec(
        "receipts", "postern_receipts", "Receipts that providers sent.", ("provider", "kind")
    ),
    CounterSpec(
        "notifications",
        "postern_notifications",
        "Status notifications to customers.",
        ("door", "result"),
    ),
    CounterSpec(
        "circuits_opened",
        "postern_provider_circuits_opened",
        "Times a provider was taken out because it answered nothing good.",
        ("provider",),
    ),
    CounterSpec("parts_sent", "postern_parts_sent", "Parts that providers took.", ("provider",)),
    CounterSpec(
        "charged_micros",
        "postern_charged",
        "Amounts charged, in units of the currency.",
        ("currency",),
        MICROS,
    ),
    CounterSpec(
        "refunded_micros",
        "postern_refunded",
        "Amounts refunded, in units of the currency.",
        ("currency",),
        MICROS,
    ),
    CounterSpec("commits", "postern_store_commits", "Commit groups written."),
    CounterSpec("commits_failed", "postern_store_commits_failed", "Commit groups that failed."),
    CounterSpec(
        "resent_after_restart",
        "postern_messages_resent_after_restart",
        "Queued messages that had been handed to a provider when the daemon died.",
    ),
    CounterSpec("rows_committed", "postern_store_rows", "Rows written by commit groups."),
)


class GatewayCollector(Collector):
    """Reads counters and gauges; allocates only while it is scraped."""

    def __init__(self, counters: Counters, operations: Operations) -> None:
        self._counters = counters
        self._operations = operations

    def collect(self) -> Iterator[Metric]:
        """Every family of ours."""
        for spec in COUNTERS:
            yield _counter(spec, getattr(self._counters, spec.field))
        yield from _gauges(self._operations.gauges())


def build_registry(counters: Counters, operations: Operations) -> CollectorRegistry:
    """A registry of its own: the gateway's families, and CPU, memory and files of the process."""
    registry = CollectorRegistry()
    registry.register(GatewayCollector(counters, operations))
    ProcessCollector(registry=registry)
    return registry


def _counter(spec: CounterSpec, value: object) -> Metric:
    if not spec.labels:
        assert isinstance(value, int)  # noqa: S101 - the table names a plain counter
        return CounterMetricFamily(spec.name, spec.help, value=value / spec.per_unit)
    assert isinstance(value, dict)  # noqa: S101 - the table names a labelled counter
    family = CounterMetricFamily(spec.name, spec.help, labels=spec.labels)
    for key, count in value.items():
        family.add_metric((key,) if isinstance(key, str) else key, count / spec.per_unit)
    return family


def _gauges(gauges: Gauges) -> Iterator[Metric]:
    yield from _provider_gauges(gauges)
    yield _gauge("postern_messages_waiting", "Messages no provider can take now.", gauges.waiting)
    yield _gauge(
        "postern_messages_in_memory", "Messages queued or at a provider.", gauges.in_memory
    )
    yield _gauge(
        "postern_journal_pending", "Accepts waiting for their commit.", gauges.journal_pending
    )
    yield _gauge(
        "postern_store_available", "1 while the store takes writes.", int(gauges.store_available)
    )
    yield CounterMetricFamily(
        "postern_message_log_lost_lines",
        "Message log lines lost to a full buffer or disk.",
        value=gauges.message_log_lost,
    )
    yield _gauge("postern_uptime_seconds", "Seconds since the daemon started.", gauges.uptime_s)
    binds = GaugeMetricFamily(
        "postern_customer_binds", "Bound SMPP links of customers.", labels=("system_id",)
    )
    for system_id, count in gauges.binds.items():
        binds.add_metric((system_id,), count)
    yield binds
    available = GaugeMetricFamily(
        "postern_available", "What accounts may spend, by currency.", labels=("currency",)
    )
    for currency, micros in gauges.available_micros.items():
        available.add_metric((currency,), micros / MICROS)
    yield available


def _provider_gauges(gauges: Gauges) -> Iterator[Metric]:
    families = (
        ("queued", "postern_provider_queued", "Messages ready for this provider."),
        ("outstanding", "postern_provider_outstanding", "Parts sent and not answered yet."),
        ("awaiting_receipts", "postern_provider_awaiting_receipts", "Receipts awaited in memory."),
        ("links_up", "postern_provider_links_up", "Links that are up."),
        ("is_paused", "postern_provider_paused", "1 while the operator has paused it."),
        ("is_circuit_open", "postern_provider_circuit_open", "1 while it is out, or on trial."),
        ("rate_limit", "postern_provider_rate_limit", "Parts per second it gets now; 0 = any."),
        (
            "window_limit",
            "postern_provider_window_limit",
            "Parts outstanding it gets now; 0 = its own window.",
        ),
        ("balance", "postern_provider_balance", "What a prepaid provider says is left."),
    )
    for field, name, text in families:
        family = GaugeMetricFamily(name, text, labels=("provider",))
        for provider in gauges.providers:
            value = getattr(provider, field)
            if value is not None:
                family.add_metric((provider.name,), float(value))
        yield family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)

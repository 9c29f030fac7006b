import re
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from admin_api.metrics import COUNTERS, GatewayCollector, build_registry
from gateway.runtime.metrics import Counters
from tests.support.operations import FakeOperations, gauges, provider_gauges

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(counters: Counters, operations: FakeOperations) -> Samples:
    text = generate_latest(build_registry(counters, operations)).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_counter_is_exposed_once() -> None:
    assert sorted(spec.field for spec in COUNTERS) == sorted(Counters.__slots__)


def test_names_differ() -> None:
    assert len({spec.name for spec in COUNTERS}) == len(COUNTERS)


def test_every_counter_has_the_labels_of_its_keys() -> None:
    """One sample in each field; a key of another length would be refused by the library."""
    counters = Counters()
    for spec in COUNTERS:
        values = getattr(counters, spec.field)
        if not spec.labels:
            setattr(counters, spec.field, 7 * spec.per_unit)
        elif len(spec.labels) == 1:
            values["a"] = 7 * spec.per_unit
        else:
            values["a", "b"] = 7 * spec.per_unit
    samples = scrape(counters, FakeOperations())
    for spec in COUNTERS:
        labels = tuple(sorted(zip(spec.labels, "ab", strict=False)))
        assert samples[f"{spec.name}_total", labels] == 7, spec.field


def test_money_is_shown_in_units() -> None:
    counters = Counters()
    counters.refunded_micros["EUR"] = 35_000
    samples = scrape(counters, FakeOperations())
    assert samples["postern_refunded_total", (("currency", "EUR"),)] == 0.035


def test_gauges() -> None:
    operations = FakeOperations()
    operations.now = gauges(
        providers=(provider_gauges("a", queued=11, is_paused=True), provider_gauges("b"))
    )
    samples = scrape(Counters(), operations)
    a, b = (("provider", "a"),), (("provider", "b"),)
    assert samples["postern_provider_queued", a] == 11
    assert samples["postern_provider_queued", b] == 3
    assert samples["postern_provider_paused", a] == 1
    assert samples["postern_provider_paused", b] == 0
    assert samples["postern_provider_outstanding", a] == 2
    assert samples["postern_provider_awaiting_receipts", a] == 7
    assert samples["postern_provider_links_up", a] == 1
    assert samples["postern_messages_waiting", ()] == 4
    assert samples["postern_messages_in_memory", ()] == 9
    assert samples["postern_journal_pending", ()] == 1
    assert samples["postern_store_available", ()] == 1
    assert samples["postern_message_log_lost_lines_total", ()] == 5
    assert samples["postern_uptime_seconds", ()] == 12.5
    assert samples["postern_customer_binds", (("system_id", "acme"),)] == 2
    assert samples["postern_available", (("currency", "EUR"),)] == 99.965


def test_the_process_is_measured() -> None:
    samples = scrape(Counters(), FakeOperations())
    assert samples["process_cpu_seconds_total", ()] > 0
    assert samples["process_resident_memory_bytes", ()] > 1_000_000


def test_counters_are_read_at_each_scrape() -> None:
    counters = Counters()
    registry = build_registry(counters, FakeOperations())
    counters.commits = 1
    assert b"postern_store_commits_total 1.0" in generate_latest(registry)
    counters.commits = 2
    assert b"postern_store_commits_total 2.0" in generate_latest(registry)


def test_hostile_label_values_stay_inside_their_quotes() -> None:
    counters = Counters()
    counters.accepted["smpp", 'a"} 1\nx'] = 1
    samples = scrape(counters, FakeOperations())
    assert (
        samples["postern_messages_accepted_total", (("account", 'a"} 1\nx'), ("door", "smpp"))] == 1
    )


def test_the_documentation_lists_exactly_what_is_exposed() -> None:
    text = (Path(__file__).parents[3] / "docs/metrics.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(postern_\w+)`", text, re.MULTILINE))
    exposed = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in GatewayCollector(Counters(), FakeOperations()).collect()
    }
    assert documented == exposed

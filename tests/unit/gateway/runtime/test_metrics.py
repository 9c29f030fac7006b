from gateway.runtime.metrics import Counters


def test_everything_starts_at_nothing_and_can_be_counted() -> None:
    counters = Counters()
    for name in Counters.__slots__:
        value = getattr(counters, name)
        if isinstance(value, int):
            assert value == 0, name
        else:
            value["label"] += 2
            assert dict(value) == {"label": 2}, name


def test_counters_of_two_gateways_are_apart() -> None:
    first, second = Counters(), Counters()
    first.accepted["smpp", "acme"] += 1
    assert not second.accepted

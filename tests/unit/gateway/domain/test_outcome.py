from gateway.domain.outcome import Deferred, Refused, Sent, Unknown


def test_outcomes_show_themselves() -> None:
    assert [repr(o) for o in (Sent("1"), Deferred("x", throttled=True), Refused("y"), Unknown("z"))] == [
        "Sent('1')", "Deferred('x', throttled=True)", "Refused('y', everywhere=False)", "Unknown('z')",
    ]  # fmt: skip


def test_silence_shows() -> None:
    assert repr(Unknown("z", silent=True)) == "Unknown('z', silent=True)"
    assert not Unknown("z").silent


def test_a_delay_is_no_throttling_and_a_refusal_is_this_providers_unless_said() -> None:
    assert not Deferred("busy").throttled
    assert not Refused("no").everywhere

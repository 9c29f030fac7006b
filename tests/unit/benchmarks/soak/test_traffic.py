from random import Random

import pytest

from benchmarks.soak.numbers import Area
from benchmarks.soak.traffic import (
    LATER,
    LONG,
    QUIET,
    SHORT,
    UCS2,
    WRONG_NUMBER,
    WRONG_SENDER,
    Mixer,
)
from gateway.domain.sms_text import measure
from protocols.smpp.codec import decode_sm, frame, tlv
from protocols.smpp.constants import Tag

TO = "491500000006"


def decoded(kind, schedule_s=0):
    [(_, _, sequence_number, body)], rest = frame(kind.encode(7, TO, schedule_s))
    assert (sequence_number, rest) == (7, b"")
    return decode_sm(body)


@pytest.mark.parametrize("kind", [SHORT, LONG, UCS2, QUIET, LATER], ids=lambda kind: kind.name)
def test_a_kind_has_as_many_parts_as_the_gateway_will_make(kind):
    sm = decoded(kind)
    octets = sm.short_message or tlv(sm.tlvs, Tag.MESSAGE_PAYLOAD) or b""
    text = octets.decode("utf-16-be" if kind.data_coding == 8 else "ascii")
    assert measure(text)[1] == kind.parts
    assert sm.destination_addr == TO
    assert bool(sm.registered_delivery) == kind.wants_receipt


def test_a_schedule_is_a_relative_time():
    assert decoded(LATER, 75).schedule_delivery_time == "000000000115000R"
    assert decoded(LATER).schedule_delivery_time == ""


def test_wrong_ones_are_wrong():
    assert decoded(WRONG_NUMBER).destination_addr != TO
    assert decoded(WRONG_SENDER).source_addr != decoded(SHORT).source_addr


def test_a_mixer_draws_by_weight_and_the_same_for_the_same_seed():
    mixers = [Mixer(((SHORT, 3), (LONG, 1)), Random(5), (4, 5)) for _ in range(2)]
    drawn = [[mixer.kind().name for _ in range(400)] for mixer in mixers]
    assert drawn[0] == drawn[1]
    assert 250 < drawn[0].count("short") < 350
    assert {mixers[0].area() for _ in range(100)} == set(Area)


def test_only_scheduled_kinds_wait():
    mixer = Mixer(((SHORT, 1),), Random(5), (4, 5))
    assert mixer.schedule_s(SHORT) == 0
    assert {mixer.schedule_s(LATER) for _ in range(50)} == {4, 5}

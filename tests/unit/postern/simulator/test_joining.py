from itertools import permutations

import pytest

from postern.simulator.joining import INCOMPLETE_KEPT_S, MOST_INCOMPLETE, JoinedMessage, Joiner
from protocols.smpp.codec import ShortMessage, encode_tlv
from protocols.smpp.constants import ESM_UDHI, Tag
from protocols.smpp.udh import encode_concatenation, encode_sar
from tests.support.clock import FakeClock


def make_sm(
    octets: bytes,
    *,
    esm_class: int = 0,
    data_coding: int = 0,
    tlvs: bytes = b"",
    to: str = "37120000000",
) -> ShortMessage:
    return ShortMessage(
        "", 5, 0, "POSTERN", 1, 1, to, esm_class, 0, 0, "", "", 1, 0, data_coding, 0, octets, tlvs
    )


def udh8(
    number: int, total: int, octets: bytes, reference: int = 7, **fields: object
) -> ShortMessage:
    header = encode_concatenation(reference, total, number)
    return make_sm(header + octets, esm_class=ESM_UDHI, **fields)  # type: ignore[arg-type]


def udh16(number: int, total: int, octets: bytes) -> ShortMessage:
    header = bytes((6, 0x08, 4, 0x12, 0x34, total, number))
    return make_sm(header + octets, esm_class=ESM_UDHI)


def sar(number: int, total: int, octets: bytes) -> ShortMessage:
    return make_sm(octets, tlvs=encode_sar(0x1234, total, number))


def payload(number: int, total: int, octets: bytes) -> ShortMessage:
    header = encode_concatenation(7, total, number)
    return make_sm(b"", esm_class=ESM_UDHI, tlvs=encode_tlv(Tag.MESSAGE_PAYLOAD, header + octets))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def joiner(clock: FakeClock) -> Joiner:
    return Joiner(clock, "gsm")


@pytest.mark.parametrize(
    ("sm", "text"),
    [
        (make_sm(b"hello"), "hello"),
        (make_sm(b""), ""),
        (make_sm(b"\x00\x1b\x65"), "@€"),
        (make_sm("тест".encode("utf-16-be"), data_coding=8), "тест"),
        (make_sm(b"caf\xe9", data_coding=3), "café"),
        (make_sm(b"\x01\xff", data_coding=4), "hex:01ff"),
        (make_sm(b"\x04", data_coding=8), "hex:04"),
        (make_sm(b"flash", data_coding=0x10), "hex:666c617368"),
        (make_sm(b"", tlvs=encode_tlv(Tag.MESSAGE_PAYLOAD, b"a" * 300)), "a" * 300),
        (make_sm(b"\x06\x05\x04\x0b\x84\x23\xf0\x01\x02", esm_class=ESM_UDHI, data_coding=4), "hex:0102"),
        (udh8(1, 1, b"alone"), "alone"),
    ],
    ids=[
        "gsm", "empty", "gsm extension", "ucs2", "latin1", "binary", "half a character", "flash",
        "payload", "port header", "part 1 of 1",
    ],
)  # fmt: skip
def test_a_single_message_is_read_at_once(joiner: Joiner, sm: ShortMessage, text: str) -> None:
    assert joiner.add("esme", sm) == JoinedMessage(text, 1)
    assert len(joiner) == 0


@pytest.mark.parametrize("make", [udh8, udh16, sar, payload])
def test_parts_are_joined_in_any_order(joiner: Joiner, make: object) -> None:
    texts = [b"one ", b"two ", b"three"]
    for order in permutations(range(3)):
        joined = [joiner.add("esme", make(n + 1, 3, texts[n])) for n in order]  # type: ignore[operator]

        assert joined == [None, None, JoinedMessage("one two three", 3)]
    assert len(joiner) == 0


def test_a_repeated_part_counts_once(joiner: Joiner) -> None:
    assert joiner.add("esme", udh8(1, 2, b"old ")) is None
    assert joiner.add("esme", udh8(1, 2, b"new ")) is None
    assert joiner.add("esme", udh8(2, 2, b"end")) == JoinedMessage("new end", 2)


def test_a_character_cut_in_two_is_whole_again(joiner: Joiner) -> None:
    octets = "😀".encode("utf-16-be")
    joiner.add("esme", udh8(1, 2, octets[:2], data_coding=8))

    assert joiner.add("esme", udh8(2, 2, octets[2:], data_coding=8)) == JoinedMessage("😀", 2)


def test_parts_may_differ_in_their_coding(joiner: Joiner) -> None:
    joiner.add("esme", udh8(1, 2, b"@".replace(b"@", b"\0")))

    joined = joiner.add("esme", udh8(2, 2, "ж".encode("utf-16-be"), data_coding=8))
    assert joined == JoinedMessage("@ж", 2)


def test_messages_are_kept_apart(joiner: Joiner) -> None:
    joiner.add("esme", udh8(1, 2, b"a"))

    assert joiner.add("other", udh8(2, 2, b"x")) is None
    assert joiner.add("esme", udh8(2, 2, b"x", to="37130000000")) is None
    assert joiner.add("esme", udh8(2, 2, b"x", reference=8)) is None
    assert joiner.add("esme", udh8(2, 3, b"x")) is None
    assert joiner.add("esme", make_sm(b"x", tlvs=encode_sar(7, 2, 2))) is None
    assert joiner.add("esme", udh8(2, 2, b"b")) == JoinedMessage("ab", 2)


def test_an_incomplete_message_is_dropped_in_time(joiner: Joiner, clock: FakeClock) -> None:
    joiner.add("esme", udh8(1, 2, b"old"))
    clock.advance(INCOMPLETE_KEPT_S)

    assert joiner.add("esme", udh8(2, 2, b"late")) is None
    assert joiner.dropped == 1
    assert len(joiner) == 1


def test_incomplete_messages_are_bounded(joiner: Joiner) -> None:
    for number in range(MOST_INCOMPLETE + 1):
        joiner.add("esme", udh8(1, 2, b"a", to=f"{37120000000 + number}"))

    assert len(joiner) == MOST_INCOMPLETE
    assert joiner.dropped == 1
    assert joiner.add("esme", udh8(2, 2, b"b", to="37120000001")) == JoinedMessage("ab", 2)

import pytest

from gateway.domain.account import Door
from gateway.domain.lifecycle import NotifyWhen
from gateway.domain.message import Message, Opaque
from gateway.domain.sms_text import Alphabet
from protocols.smpp import segments as segments_module
from protocols.smpp.codec import ShortMessage, decode_sm, encode_tlv, tlv
from protocols.smpp.constants import ESM_UDHI, Tag
from protocols.smpp.segments import PASS_VALIDITY_BELOW_MS, SegmentEncoder
from protocols.smpp.udh import Concatenation, concatenation, encode_sar, sar
from tests.support.clock import START_MS, FakeClock
from tests.support.upstream import make_message

CLOCK = FakeClock()
# 200 septets: more than one part, with an escape pair across the cut at 153.
LONG = "x" * 152 + "€" + "y" * 46


def sent(encoder: SegmentEncoder, message: Message, part: int = 0) -> ShortMessage:
    """The submit_sm of one part, as the carrier reads it."""
    pdu = encoder.encode(message, part, 9, CLOCK)
    assert int.from_bytes(pdu[:4], "big") == len(pdu)
    assert pdu[4:16] == bytes.fromhex("00000004 00000000 00000009")
    return decode_sm(pdu[16:])


def opaque(octets: bytes, data_coding: int = 4, esm_class: int = 0, tlvs: bytes = b"") -> Message:
    message = make_message(None)
    message.opaque = Opaque(octets, data_coding, esm_class, tlvs)
    return message


# --- text ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charset", "text", "data_coding", "octets"),
    [
        ("gsm", "hello", 0, b"hello"),
        ("gsm", "@£ {€}", 0, b"\x00\x01 \x1b\x28\x1b\x65\x1b\x29"),
        ("gsm", "Привет 😀", 8, "Привет 😀".encode("utf-16-be")),
        ("latin1", "hello", 0, b"hello"),
        ("latin1", "Grüße @", 0, b"Gr\xfc\xdfe @"),
        ("latin1", "Привет", 8, "Привет".encode("utf-16-be")),
        ("ascii", "a@b", 0, b"a@b"),
        ("utf8", "Grüße €", 0, "Grüße €".encode()),
    ],
)
def test_a_single_part(charset: str, text: str, data_coding: int, octets: bytes) -> None:
    sm = sent(SegmentEncoder(charset=charset), make_message(text))

    assert (sm.data_coding, sm.short_message, sm.esm_class) == (data_coding, octets, 0)
    assert not sm.tlvs


@pytest.mark.parametrize("charset", ["gsm", "latin1"])
def test_plain_text_goes_as_ucs2_when_the_customer_wants_it(charset: str) -> None:
    message = make_message("hello")
    message.alphabet = Alphabet.UCS2
    sm = sent(SegmentEncoder(charset=charset), message)

    assert (sm.data_coding, sm.short_message) == (8, "hello".encode("utf-16-be"))


@pytest.mark.parametrize(
    ("charset", "text"), [("latin1", "5 €"), ("ascii", "Grüße"), ("latin1", "Δ" * 70)]
)
@pytest.mark.parametrize("concatenation", ["udh", "payload"])
def test_text_that_the_carriers_charset_does_not_have_goes_as_ucs2(
    charset: str, text: str, concatenation: str
) -> None:
    encoder = SegmentEncoder(charset=charset, concatenation=concatenation)
    sm = sent(encoder, make_message(text))

    assert (sm.data_coding, sm.short_message) == (8, text.encode("utf-16-be"))


def test_all_parts_of_such_a_text_go_as_ucs2() -> None:
    message = make_message("e" * 10 + "€" * 76)  # 162 septets, 86 UTF-16 units: two parts in either
    parts = [sent(SegmentEncoder(charset="latin1"), message, part) for part in range(2)]

    assert [sm.data_coding for sm in parts] == [8, 8]
    joined = b"".join(sm.short_message[6:] for sm in parts)
    assert joined.decode("utf-16-be") == message.text


@pytest.mark.parametrize("text", ["€" + "x" * 70, "x" * 152 + "€" + "y" * 46])
@pytest.mark.parametrize("concatenation", ["udh", "sar", "payload"])
def test_but_not_for_more_parts_than_were_paid(text: str, concatenation: str) -> None:
    message = make_message(text)
    encoder = SegmentEncoder(charset="latin1", concatenation=concatenation)
    for part in range(message.part_count):  # none of them leaves
        with pytest.raises(ValueError, match=r"can't encode .* more parts"):
            encoder.encode(message, part, 9, CLOCK)


@pytest.mark.parametrize(
    ("text", "data_coding", "wire"),
    [
        (LONG, 0, lambda part: part.replace("€", "\x1b\x65").encode("latin-1")),
        ("Ж" * 66 + "😀" + "Щ" * 30, 8, lambda part: part.encode("utf-16-be")),
    ],
)
def test_parts_carry_a_header_each_and_together_the_text(
    text: str, data_coding: int, wire: object
) -> None:
    message = make_message(text)
    parts = [sent(SegmentEncoder(), message, part) for part in range(message.part_count)]

    assert [concatenation(sm.short_message) for sm in parts] == [
        Concatenation(message.reference, 2, 1), Concatenation(message.reference, 2, 2),
    ]  # fmt: skip
    assert {(sm.esm_class, sm.data_coding, sm.tlvs) for sm in parts} == {
        (ESM_UDHI, data_coding, b"")
    }
    joined = b"".join(sm.short_message[6:] for sm in parts)
    assert joined == wire(text)  # type: ignore[operator]
    # 140 octets on the air, header included; the GSM alphabet packs eight septets into seven.
    limit = 6 + (134 if data_coding == 8 else 153)
    assert all(len(sm.short_message) <= limit for sm in parts)


def test_parts_with_sar_tlvs_have_no_header() -> None:
    message = make_message(LONG)
    parts = [sent(SegmentEncoder(concatenation="sar"), message, part) for part in range(2)]

    assert [sar(sm.tlvs) for sm in parts] == [
        Concatenation(message.reference, 2, 1), Concatenation(message.reference, 2, 2),
    ]  # fmt: skip
    assert parts[0].short_message == b"x" * 152
    assert parts[1].short_message == b"\x1b\x65" + b"y" * 46
    assert {sm.esm_class for sm in parts} == {0}


def test_a_whole_text_goes_in_one_piece() -> None:
    encoder = SegmentEncoder(concatenation="payload")
    long = sent(encoder, make_message("x" * 400))
    assert (long.short_message, long.esm_class) == (b"", 0)
    assert tlv(long.tlvs, Tag.MESSAGE_PAYLOAD) == b"x" * 400

    short = sent(encoder, make_message("x" * 200))
    assert (short.short_message, short.tlvs) == (b"x" * 200, b"")


def test_vendor_tlvs_of_a_text_go_with_every_part() -> None:
    vendor = encode_tlv(0x1401, b"template-7")
    for text, encoder in (
        ("hello", SegmentEncoder()),
        ("Привет", SegmentEncoder()),
        (LONG, SegmentEncoder()),
        (LONG, SegmentEncoder(concatenation="sar")),
        ("x" * 400, SegmentEncoder(concatenation="payload")),
    ):
        message = make_message(text)
        message.opaque = Opaque(b"", 0, 0, vendor)
        for part in range(1 if encoder._concatenation == "payload" else message.part_count):
            sm = sent(encoder, message, part)
            assert tlv(sm.tlvs, 0x1401) == b"template-7"
            assert sm.short_message or tlv(sm.tlvs, Tag.MESSAGE_PAYLOAD)


# --- what passes through --------------------------------------------------------------------------


def test_opaque_octets_are_untouched() -> None:
    octets = b"\x06\x05\x04\x0b\x84\x23\xf0" + bytes(range(133))
    port = encode_tlv(Tag.USER_MESSAGE_REFERENCE, b"\0\1")

    sm = sent(SegmentEncoder(concatenation="payload"), opaque(octets, 0xF5, ESM_UDHI, port))

    assert (sm.short_message, sm.data_coding, sm.esm_class) == (octets, 0xF5, ESM_UDHI)
    assert sm.tlvs == port


def test_opaque_sar_parts_keep_their_tlvs() -> None:
    tlvs = encode_sar(300, 3, 2)
    sm = sent(SegmentEncoder(), opaque(b"second", 0, 0, tlvs))
    assert (sm.short_message, sm.tlvs) == (b"second", tlvs)


def test_opaque_octets_over_the_limit_of_short_message() -> None:
    sm = sent(SegmentEncoder(), opaque(b"\x05" * 255))
    assert sm.short_message == b""
    assert tlv(sm.tlvs, Tag.MESSAGE_PAYLOAD) == b"\x05" * 255
    assert sent(SegmentEncoder(), opaque(b"\x05" * 254)).short_message == b"\x05" * 254


def test_a_pdu_that_would_be_too_long() -> None:
    with pytest.raises(ValueError, match="over 65536"):
        SegmentEncoder().encode(opaque(b"\x05" * 65_500), 0, 9, CLOCK)


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "ton", "npi", "octets"),
    [
        ("ACME", 5, 0, "ACME"),
        ("37120000009", 1, 1, "37120000009"),
        ("+37120000009", 1, 1, "37120000009"),
        ("1234", 3, 0, "1234"),
        ("Caf\xe9", 5, 0, "Caf\xe9"),
        ("", 0, 0, ""),
    ],
)
def test_the_sender(sender: str, ton: int, npi: int, octets: str) -> None:
    encoder = SegmentEncoder()
    for _ in range(2):  # the second time from memory
        sm = sent(encoder, make_message(sender=sender))
        assert (sm.source_addr_ton, sm.source_addr_npi, sm.source_addr) == (ton, npi, octets)
    assert (sm.dest_addr_ton, sm.dest_addr_npi, sm.destination_addr) == (1, 1, "37120000001")


def test_ton_and_npi_that_the_carrier_insists_on() -> None:
    encoder = SegmentEncoder(source_ton=0, source_npi=9, dest_ton=2, dest_npi=8)
    sm = sent(encoder, make_message())
    assert (sm.source_addr_ton, sm.source_addr_npi) == (0, 9)
    assert (sm.dest_addr_ton, sm.dest_addr_npi) == (2, 8)


@pytest.mark.parametrize("sender", ["ΣΩ", "A" * 21, "A\0B"])
def test_senders_that_no_carrier_could_take(sender: str) -> None:
    encoder = SegmentEncoder()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"can't encode|over its limit"):
            encoder.encode(make_message(sender=sender), 0, 9, CLOCK)


def test_the_memory_of_senders_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments_module, "MOST_SENDERS", 2)
    encoder = SegmentEncoder()
    for sender in ("A", "B", "C", "A"):
        assert sent(encoder, make_message(sender=sender)).source_addr == sender
        assert len(encoder._sources) <= 2


# --- the other fields -----------------------------------------------------------------------------


def test_a_short_validity_is_passed_on_and_the_default_is_not() -> None:
    encoder = SegmentEncoder()
    assert sent(encoder, make_message()).validity_period == "000000010000000R"
    by_default = make_message(expires_at_ms=START_MS + PASS_VALIDITY_BELOW_MS)
    assert sent(encoder, by_default).validity_period == ""
    late = make_message(expires_at_ms=START_MS + 3_600_000)
    clock = FakeClock()
    clock.advance(4000.0)
    assert decode_sm(encoder.encode(late, 0, 9, clock)[16:]).validity_period == "000000000001000R"


def test_priority() -> None:
    message = make_message()
    flags = []
    for message.priority in range(4):
        flags.append(sent(SegmentEncoder(), message).priority_flag)
    assert flags == [0, 0, 1, 3]


@pytest.mark.parametrize(
    ("receipts", "notify_when", "door", "registered"),
    [
        ("asked", NotifyWhen.ALWAYS, Door.SMPP, 1),
        ("asked", NotifyWhen.FAILURE, Door.SMPP, 1),
        ("asked", NotifyWhen.NEVER, Door.SMPP, 0),
        ("asked", NotifyWhen.NEVER, Door.EXOSEND, 1),
        ("always", NotifyWhen.NEVER, Door.SMPP, 1),
        ("never", NotifyWhen.ALWAYS, Door.EXOSEND, 0),
    ],
)
def test_receipts_are_asked_for(
    receipts: str, notify_when: NotifyWhen, door: Door, registered: int
) -> None:
    message = make_message()
    message.notify_when, message.door = notify_when, door
    assert sent(SegmentEncoder(receipts=receipts), message).registered_delivery == registered


def test_settings_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="charset 'ebcdic'"):
        SegmentEncoder(charset="ebcdic")
    with pytest.raises(ValueError, match="concatenation 'glue'"):
        SegmentEncoder(concatenation="glue")

"""SMPP codec: round trips, any split of a stream, and nothing but our errors on any octets."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.smpp.codec import (
    MAX_PDU,
    Bind,
    FrameError,
    PduError,
    decode_bind,
    decode_message_id,
    decode_sm,
    decode_tlvs,
    encode_bind,
    encode_deliver_sm,
    encode_header,
    encode_submit_sm,
    encode_submit_sm_resp,
    encode_tlv,
    frame,
    tlv,
)
from protocols.smpp.constants import CommandId
from protocols.smpp.receipt_text import is_receipt, parse
from protocols.smpp.times import decode_time, encode_relative
from protocols.smpp.udh import concatenation, sar, split_header

OCTET = st.integers(0, 255)
SEQUENCE = st.integers(0, 0xFFFFFFFF)
NOW_MS = 1_790_000_000_000


def c_octets(limit: int) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=limit).map(lambda octets: octets.replace(b"\0", b"\1"))


TLVS = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=4)


@given(
    sequence=SEQUENCE,
    service_type=c_octets(5),
    source=st.tuples(OCTET, OCTET, c_octets(20)),
    dest=st.tuples(OCTET, OCTET, c_octets(20)),
    octets=st.tuples(OCTET, OCTET, OCTET, OCTET, OCTET),
    scheduled=c_octets(16),
    validity=c_octets(16),
    short_message=st.binary(max_size=254),
    tlvs=TLVS,
)
def test_submit_sm_round_trip(
    sequence: int,
    service_type: bytes,
    source: tuple[int, int, bytes],
    dest: tuple[int, int, bytes],
    octets: tuple[int, int, int, int, int],
    scheduled: bytes,
    validity: bytes,
    short_message: bytes,
    tlvs: list[tuple[int, bytes]],
) -> None:
    esm_class, priority_flag, registered_delivery, data_coding, protocol_id = octets
    raw = b"".join(encode_tlv(tag, value) for tag, value in tlvs)
    pdu = encode_submit_sm(
        sequence, *source, *dest, esm_class, priority_flag, scheduled, validity,
        registered_delivery, data_coding, short_message, raw, service_type, protocol_id,
    )  # fmt: skip

    [(command_id, command_status, sequence_number, body)], rest = frame(pdu)
    message = decode_sm(body)

    assert (command_id, command_status, sequence_number, rest) == (4, 0, sequence, b"")
    assert message.service_type.encode("latin-1") == service_type
    assert (message.source_addr_ton, message.source_addr_npi) == source[:2]
    assert message.source_addr.encode("latin-1") == source[2]
    assert (message.dest_addr_ton, message.dest_addr_npi) == dest[:2]
    assert message.destination_addr.encode("latin-1") == dest[2]
    assert message.esm_class == esm_class
    assert message.protocol_id == protocol_id
    assert message.priority_flag == priority_flag
    assert message.schedule_delivery_time.encode("latin-1") == scheduled
    assert message.validity_period.encode("latin-1") == validity
    assert message.registered_delivery == registered_delivery
    assert message.replace_if_present == 0
    assert message.data_coding == data_coding
    assert message.sm_default_msg_id == 0
    assert message.short_message == short_message
    assert message.tlvs == raw
    assert decode_tlvs(message.tlvs) == tlvs


@given(
    source=st.tuples(OCTET, OCTET, c_octets(20)),
    dest=st.tuples(OCTET, OCTET, c_octets(20)),
    esm_class=OCTET,
    data_coding=OCTET,
    short_message=st.binary(max_size=254),
    tlvs=TLVS,
)
def test_deliver_sm_round_trip(
    source: tuple[int, int, bytes],
    dest: tuple[int, int, bytes],
    esm_class: int,
    data_coding: int,
    short_message: bytes,
    tlvs: list[tuple[int, bytes]],
) -> None:
    raw = b"".join(encode_tlv(tag, value) for tag, value in tlvs)
    pdu = encode_deliver_sm(7, *source, *dest, esm_class, data_coding, short_message, raw)

    message = decode_sm(frame(pdu)[0][0][3])

    assert message.source_addr.encode("latin-1") == source[2]
    assert message.destination_addr.encode("latin-1") == dest[2]
    assert (message.source_addr_ton, message.source_addr_npi) == source[:2]
    assert (message.dest_addr_ton, message.dest_addr_npi) == dest[:2]
    assert (message.esm_class, message.data_coding) == (esm_class, data_coding)
    assert (message.short_message, message.tlvs) == (short_message, raw)


LATIN1 = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=255)


@given(st.builds(Bind, LATIN1, LATIN1, LATIN1, OCTET, OCTET, OCTET, LATIN1))
def test_bind_round_trip(bind: Bind) -> None:
    pdu = encode_bind(CommandId.BIND_TRANSCEIVER, 1, *bind)

    assert decode_bind(pdu[16:]) == bind


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=255), max_size=64))
def test_message_id_round_trip(message_id: str) -> None:
    pdu = encode_submit_sm_resp(1, 0, message_id.encode("latin-1"))

    assert decode_message_id(pdu[16:]) == message_id


@given(TLVS.flatmap(lambda tlvs: st.tuples(st.just(tlvs), st.integers(0, 0xFFFF))))
def test_tlv_finds_the_first_of_its_tag(case: tuple[list[tuple[int, bytes]], int]) -> None:
    tlvs, absent = case
    raw = b"".join(encode_tlv(tag, value) for tag, value in tlvs)

    for tag in {absent, *(tag for tag, _ in tlvs)}:
        assert tlv(raw, tag) == next((value for found, value in tlvs if found == tag), None)


PDUS = st.lists(
    st.builds(
        lambda command_id, status, sequence, body: (
            (16 + len(body)).to_bytes(4, "big") + encode_header(command_id, status, sequence)[4:]
            + body
        ),
        SEQUENCE, SEQUENCE, SEQUENCE, st.binary(max_size=40),
    ),
    max_size=6,
)  # fmt: skip
# A good stream, a good stream with a bad end, or noise.
STREAMS = st.one_of(
    PDUS.map(b"".join),
    st.tuples(PDUS.map(b"".join), st.binary(max_size=40)).map(b"".join),
    st.binary(max_size=80),
)


def framed(chunks: list[bytes]) -> tuple[list[tuple[int, int, int, bytes]], int | None, bytes]:
    """PDUs, the impossible command_length if one came, and the rest, of a stream in chunks."""
    pdus: list[tuple[int, int, int, bytes]] = []
    buffer = b""
    for chunk in chunks:
        try:
            found, buffer = frame(buffer + chunk)
        except FrameError as error:
            return pdus + error.pdus, error.command_length, b""
        pdus += found
    return pdus, None, buffer


@given(STREAMS, st.data())
def test_any_split_of_a_stream_gives_the_same(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [
        stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
    ]

    assert framed(chunks) == framed([stream])


@given(STREAMS)
def test_framing_loses_no_octet(stream: bytes) -> None:
    pdus, impossible_length, rest = framed([stream])

    rebuilt = b"".join(
        (16 + len(body)).to_bytes(4, "big") + encode_header(command_id, status, sequence)[4:] + body
        for command_id, status, sequence, body in pdus
    )
    if impossible_length is None:
        assert rebuilt + rest == stream
    else:
        assert not 16 <= impossible_length <= MAX_PDU
        assert stream.startswith(rebuilt + impossible_length.to_bytes(4, "big"))


# Bodies near a good one find more than noise does.
GOOD_BODY = encode_submit_sm(
    1, 5, 0, b"POSTERN", 1, 1, b"491701234567", 0, 0, b"", b"", 1, 0, b"hello", b"\x04\x27\0\1\2"
)[16:]
NEARLY_GOOD = st.tuples(st.integers(0, len(GOOD_BODY)), st.binary(max_size=30)).map(
    lambda cut: GOOD_BODY[: cut[0]] + cut[1] + GOOD_BODY[cut[0] + len(cut[1]) :]
)


@given(st.one_of(st.binary(max_size=300), NEARLY_GOOD))
def test_any_body_is_a_message_or_an_error_of_that_pdu(body: bytes) -> None:
    try:
        message = decode_sm(body)
    except PduError:
        return
    assert len(message.short_message) <= 254
    assert body.endswith((message.short_message + message.tlvs, b"\0"))
    is_receipt(message.esm_class, message.tlvs, message.short_message)
    sar(message.tlvs)
    concatenation(message.short_message)


@given(st.binary(max_size=400))
def test_any_octets_are_read_or_refused_by_every_reader(octets: bytes) -> None:
    with suppress(PduError):
        decode_bind(octets)
    assert "\0" not in decode_message_id(octets)
    assert sum(4 + len(value) for _, value in decode_tlvs(octets)) <= len(octets)
    elements, text = split_header(octets)
    assert sum(2 + len(value) for _, value in elements) + len(text) <= max(0, len(octets) - 1)
    parse(octets)


@given(st.text(st.sampled_from("0123456789+-R٢x"), max_size=18))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    try:
        moment = decode_time(text, NOW_MS)
    except ValueError:
        return
    assert moment == 0 or text


@given(st.integers(0, 31 * 86_400 - 1))
def test_a_period_up_to_a_month_is_exact(seconds: int) -> None:
    assert decode_time(encode_relative(seconds).decode(), NOW_MS) == NOW_MS + seconds * 1000


@given(st.integers(0, 90 * 365 * 86_400))
def test_a_longer_period_is_right_to_its_calendar(seconds: int) -> None:
    moment = decode_time(encode_relative(seconds).decode(), NOW_MS)

    years = seconds // (365 * 86_400) + 1
    drift_days = abs((moment - NOW_MS) / 1000 - seconds) / 86_400
    assert drift_days <= 8 + years / 4


@given(st.integers(max_value=-1))
def test_a_negative_period_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match=str(seconds)):
        encode_relative(seconds)

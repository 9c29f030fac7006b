"""Framing, header, mandatory part and TLVs against golden PDUs and a second implementation."""

import struct

import pytest
from smpplib import smpp

from protocols.smpp.codec import (
    MAX_PDU,
    Bind,
    FrameError,
    PduError,
    ShortMessage,
    decode_bind,
    decode_message_id,
    decode_sm,
    decode_tlvs,
    encode_bind,
    encode_bind_resp,
    encode_deliver_sm,
    encode_deliver_sm_resp,
    encode_header,
    encode_submit_sm,
    encode_submit_sm_resp,
    encode_tlv,
    frame,
    tlv,
)
from protocols.smpp.constants import CommandId, CommandStatus, Tag
from tests.support.smpp_vectors import Vector, vector, vectors

HEADER_FIELDS = ("command_id", "command_status", "sequence_number")


def fields_of(message: ShortMessage) -> dict[str, object]:
    return {name: getattr(message, name) for name in ShortMessage.__slots__}


def sm_body(
    service_type: bytes = b"",
    source: bytes = b"1",
    destination: bytes = b"2",
    scheduled: bytes = b"",
    validity: bytes = b"",
    sm_length: int | None = None,
    text: bytes = b"hello",
    tail: bytes = b"",
) -> bytes:
    """A submit_sm body laid out by 4.4.1, without any check."""
    return (
        service_type + b"\0\1\1" + source + b"\0\1\1" + destination + b"\0\0\0\0"
        + scheduled + b"\0" + validity + b"\0\1\0\0\0"
        + bytes((len(text) if sm_length is None else sm_length,)) + text + tail
    )  # fmt: skip


def status_of(body: bytes) -> CommandStatus:
    with pytest.raises(PduError) as caught:
        decode_sm(body)
    return caught.value.command_status


class SmpplibClient:
    """What smpplib asks of its owner."""

    sequence = 0

    def next_sequence(self) -> int:
        return 1


def read_by_smpplib(pdu: bytes) -> dict[str, object]:
    return vars(smpp.parse_pdu(pdu, client=SmpplibClient(), allow_unknown_opt_params=True))


# --- golden PDUs --------------------------------------------------------------------------------


@pytest.mark.parametrize("golden", vectors(), ids=repr)
def test_header_of_every_golden_pdu(golden: Vector) -> None:
    pdus, rest = frame(golden.octets)

    assert rest == b""
    assert [pdu[:3] for pdu in pdus] == [tuple(golden.fields[name] for name in HEADER_FIELDS)]
    assert pdus[0][3] == golden.octets[16:]


@pytest.mark.parametrize(
    "golden", [golden for golden in vectors() if "short_message" in golden.fields], ids=repr
)
def test_golden_short_messages_are_read_field_by_field(golden: Vector) -> None:
    expected = {k: v for k, v in golden.fields.items() if k not in HEADER_FIELDS}

    assert fields_of(decode_sm(golden.octets[16:])) == expected


@pytest.mark.parametrize("name", ["submit_sm", "submit_sm_udh", "submit_sm_payload"])
def test_golden_submit_sm_is_built_octet_by_octet(name: str) -> None:
    golden = vector(name)
    message = decode_sm(golden.octets[16:])

    built = encode_submit_sm(
        golden.fields["sequence_number"],
        message.source_addr_ton,
        message.source_addr_npi,
        message.source_addr.encode(),
        message.dest_addr_ton,
        message.dest_addr_npi,
        message.destination_addr.encode(),
        message.esm_class,
        message.priority_flag,
        message.schedule_delivery_time.encode(),
        message.validity_period.encode(),
        message.registered_delivery,
        message.data_coding,
        message.short_message,
        message.tlvs,
        message.service_type.encode(),
        message.protocol_id,
    )

    assert built == golden.octets


def test_golden_receipt_is_built_octet_by_octet() -> None:
    golden = vector("deliver_sm_receipt")
    message = decode_sm(golden.octets[16:])
    tlvs = encode_tlv(Tag.MESSAGE_STATE, b"\2") + encode_tlv(
        Tag.RECEIPTED_MESSAGE_ID, b"0123456789abcdef\0"
    )

    built = encode_deliver_sm(
        0x14, 1, 1, b"491701234567", 5, 0, b"POSTERN", 4, 0, message.short_message, tlvs
    )

    assert built == golden.octets


def test_golden_responses_and_headers_are_built_octet_by_octet() -> None:
    built = {
        "submit_sm_resp": encode_submit_sm_resp(0x11, 0, b"0123456789abcdef"),
        "submit_sm_resp_throttled": encode_submit_sm_resp(
            0x11, CommandStatus.RTHROTTLED, b"ignored"
        ),
        "deliver_sm_resp": encode_deliver_sm_resp(0x14, 0),
        "bind_transceiver_resp": encode_bind_resp(
            CommandId.BIND_TRANSCEIVER_RESP, 1, 0, "Postern", 0x34
        ),
        "enquire_link": encode_header(CommandId.ENQUIRE_LINK, 0, 2),
        "generic_nack": encode_header(CommandId.GENERIC_NACK, CommandStatus.RINVCMDID, 3),
        "unbind": encode_header(CommandId.UNBIND, 0, 4),
    }

    assert built == {name: vector(name).octets for name in built}


@pytest.mark.parametrize("name", ["bind_transmitter_spec", "bind_transceiver"])
def test_golden_binds_are_read_and_built(name: str) -> None:
    golden = vector(name)
    bind = decode_bind(golden.octets[16:])

    assert bind._asdict() == {k: v for k, v in golden.fields.items() if k not in HEADER_FIELDS}
    assert encode_bind(golden.fields["command_id"], 1, *bind) == golden.octets


@pytest.mark.parametrize("name", ["submit_sm_resp", "submit_sm_resp_throttled"])
def test_golden_message_id(name: str) -> None:
    golden = vector(name)

    assert decode_message_id(golden.octets[16:]) == golden.fields["message_id"]


# --- smpplib reads what we build ----------------------------------------------------------------


def test_smpplib_reads_our_submit_sm() -> None:
    tlvs = encode_tlv(Tag.USER_MESSAGE_REFERENCE, b"\x12\x34")
    pdu = encode_submit_sm(
        77, 5, 0, b"POSTERN", 1, 1, b"491701234567", 0x40, 2, b"261120120000000+",
        b"000001000000000R", 1, 8, b"\x05\x00\x03\x01\x02\x01\x04\x16", tlvs, b"CMT", 0x7F,
    )  # fmt: skip

    read = read_by_smpplib(pdu)

    assert read["_sequence"] == 77
    assert read["service_type"] == b"CMT"
    assert read["source_addr"] == b"POSTERN"
    assert read["destination_addr"] == b"491701234567"
    assert (read["source_addr_ton"], read["source_addr_npi"]) == (5, 0)
    assert (read["dest_addr_ton"], read["dest_addr_npi"]) == (1, 1)
    assert (read["esm_class"], read["protocol_id"], read["priority_flag"]) == (0x40, 0x7F, 2)
    assert read["schedule_delivery_time"] == b"261120120000000+"
    assert read["validity_period"] == b"000001000000000R"
    assert (read["registered_delivery"], read["data_coding"]) == (1, 8)
    assert read["short_message"] == b"\x05\x00\x03\x01\x02\x01\x04\x16"
    assert read["user_message_reference"] == 0x1234


def test_smpplib_reads_our_deliver_sm() -> None:
    tlvs = encode_tlv(Tag.RECEIPTED_MESSAGE_ID, b"ab12\0") + encode_tlv(Tag.MESSAGE_STATE, b"\5")
    pdu = encode_deliver_sm(
        78, 1, 1, b"491701234567", 5, 0, b"POSTERN", 4, 3, b"id:ab12 stat:UNDELIV", tlvs
    )

    read = read_by_smpplib(pdu)

    assert read["source_addr"] == b"491701234567"
    assert read["destination_addr"] == b"POSTERN"
    assert (read["esm_class"], read["data_coding"]) == (4, 3)
    assert read["short_message"] == b"id:ab12 stat:UNDELIV"
    assert read["receipted_message_id"] == b"ab12"
    assert read["message_state"] == 5


def test_smpplib_reads_our_bind_and_its_response() -> None:
    bind = read_by_smpplib(
        encode_bind(CommandId.BIND_TRANSCEIVER, 1, "acme", "secret", "VMS", 0x34, 1, 2, "^49")
    )
    response = read_by_smpplib(
        encode_bind_resp(CommandId.BIND_TRANSCEIVER_RESP, 1, 0, "Postern", 0x34)
    )

    assert (bind["system_id"], bind["password"], bind["system_type"]) == (
        b"acme", b"secret", b"VMS",
    )  # fmt: skip
    assert (bind["addr_ton"], bind["addr_npi"], bind["address_range"]) == (1, 2, b"^49")
    assert (response["system_id"], response["sc_interface_version"]) == (b"Postern", 0x34)


# --- framing ------------------------------------------------------------------------------------


def test_a_stream_cut_into_octets_gives_the_same_pdus() -> None:
    stream = b"".join(golden.octets for golden in vectors())
    whole, rest = frame(stream)
    assert rest == b""

    pdus, buffer = [], b""
    for octet in stream:
        found, buffer = frame(buffer + bytes((octet,)))
        pdus += found

    assert pdus == whole
    assert buffer == b""


def test_an_incomplete_pdu_waits_in_the_rest() -> None:
    first, second = vector("enquire_link").octets, vector("submit_sm").octets

    pdus, rest = frame(first + second[:-1])

    assert [pdu[0] for pdu in pdus] == [CommandId.ENQUIRE_LINK]
    assert rest == second[:-1]


@pytest.mark.parametrize("length", [0, 15, MAX_PDU + 1, 0x47455420])
def test_an_impossible_command_length_ends_framing_but_keeps_what_came_before(length: int) -> None:
    before = vector("enquire_link").octets
    bad = struct.pack(">IIII", length, 4, 0, 99)

    with pytest.raises(FrameError) as caught:
        frame(before + bad)

    assert caught.value.command_length == length
    assert caught.value.sequence_number == 99
    assert [pdu[2] for pdu in caught.value.pdus] == [2]


def test_a_short_command_length_is_refused_before_a_whole_header_came() -> None:
    with pytest.raises(FrameError) as caught:
        frame(b"\0\0\0\4")

    assert caught.value.sequence_number == 0


def test_the_largest_pdu_passes() -> None:
    pdu = struct.pack(">IIII", MAX_PDU, 4, 0, 1) + bytes(MAX_PDU - 16)

    pdus, rest = frame(pdu)

    assert len(pdus[0][3]) == MAX_PDU - 16
    assert rest == b""


def test_sequence_and_status_keep_all_32_bits() -> None:
    assert frame(encode_header(4, 0xFFFFFFFF, 0xFFFFFFFF))[0] == [(4, 0xFFFFFFFF, 0xFFFFFFFF, b"")]


# --- what a submit_sm may do wrong --------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "limit", "status"),
    [
        ("service_type", 5, CommandStatus.RINVSERTYP),
        ("source", 20, CommandStatus.RINVSRCADR),
        ("destination", 20, CommandStatus.RINVDSTADR),
        ("scheduled", 16, CommandStatus.RINVSCHED),
        ("validity", 16, CommandStatus.RINVEXPIRY),
    ],
)
def test_a_string_over_its_limit_names_its_own_status(
    field: str, limit: int, status: CommandStatus
) -> None:
    decode_sm(sm_body(**{field: b"9" * limit}))

    assert status_of(sm_body(**{field: b"9" * (limit + 1)})) is status


def test_every_truncation_of_a_body_is_an_error_of_that_pdu() -> None:
    body = vector("submit_sm").octets[16:]
    text = len(b"Hello world")

    for size in range(len(body)):
        expected = CommandStatus.RINVCMDLEN if size < len(body) - text else CommandStatus.RINVMSGLEN
        assert status_of(body[:size]) is expected


@pytest.mark.parametrize("sm_length", [6, 254])
def test_sm_length_past_the_body(sm_length: int) -> None:
    assert status_of(sm_body(sm_length=sm_length)) is CommandStatus.RINVMSGLEN


def test_sm_length_255_is_over_the_limit_even_when_the_octets_are_there() -> None:
    assert len(decode_sm(sm_body(text=b"x" * 254)).short_message) == 254
    assert status_of(sm_body(text=b"x" * 255)) is CommandStatus.RINVMSGLEN
    assert status_of(sm_body(text=b"x" * 255, tail=b"\4\x27\0\1\2")) is CommandStatus.RINVMSGLEN


@pytest.mark.parametrize("sm_length", [0, 1, 2, 3, 4])
def test_sm_length_short_of_the_text(sm_length: int) -> None:
    assert status_of(sm_body(sm_length=sm_length, text=b"hello")) is CommandStatus.RINVMSGLEN


def test_a_stray_nul_after_the_last_field_is_dropped() -> None:
    message = decode_sm(sm_body(tail=b"\0"))

    assert (message.short_message, message.tlvs) == (b"hello", b"")


def test_a_nul_inside_the_text_is_text() -> None:
    assert decode_sm(sm_body(text=b"a\0b\0")).short_message == b"a\0b\0"


def test_empty_fields_are_read() -> None:
    message = decode_sm(sm_body(source=b"", destination=b"", text=b""))

    assert (message.source_addr, message.destination_addr, message.short_message) == ("", "", b"")


def test_octets_beyond_ascii_survive_in_strings() -> None:
    assert decode_sm(sm_body(source="ÄÖ".encode("latin-1"))).source_addr == "ÄÖ"


def test_broken_and_unknown_tlvs_are_kept_raw() -> None:
    broken_known = struct.pack(">HH", Tag.MESSAGE_STATE, 200) + b"\2"
    unknown = encode_tlv(0x1501, b"x")
    broken_later = unknown + b"\xff\xff\xff"

    for tail in (broken_known, unknown, broken_later):
        assert decode_sm(sm_body(tail=tail)).tlvs == tail


# --- what we refuse to build --------------------------------------------------------------------

ADDRESSES = {
    "source_ton": 1,
    "source_npi": 1,
    "source_addr": b"1",
    "dest_ton": 1,
    "dest_npi": 1,
    "destination_addr": b"2",
}
DELIVER = ADDRESSES | {
    "sequence_number": 1,
    "esm_class": 4,
    "data_coding": 0,
    "short_message": b"",
}
SUBMIT = DELIVER | {
    "priority_flag": 0,
    "schedule_delivery_time": b"",
    "validity_period": b"",
    "registered_delivery": 0,
}


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("source_addr", 20),
        ("destination_addr", 20),
        ("service_type", 5),
        ("schedule_delivery_time", 16),
        ("validity_period", 16),
    ],
)
def test_submit_sm_with_a_string_that_would_shift_the_fields_is_not_built(
    name: str, longest: int
) -> None:
    encode_submit_sm(**{**SUBMIT, name: b"9" * longest})

    with pytest.raises(ValueError, match="submit_sm"):
        encode_submit_sm(**{**SUBMIT, name: b"9" * (longest + 1)})
    with pytest.raises(ValueError, match="submit_sm"):
        encode_submit_sm(**{**SUBMIT, name: b"9\0"})


@pytest.mark.parametrize("name", ["source_addr", "destination_addr"])
@pytest.mark.parametrize("value", [b"9" * 21, b"9\0"])
def test_deliver_sm_with_a_string_that_would_shift_the_fields_is_not_built(
    name: str, value: bytes
) -> None:
    with pytest.raises(ValueError, match="deliver_sm"):
        encode_deliver_sm(**{**DELIVER, name: value})


def test_a_short_message_over_254_octets_is_not_built() -> None:
    with pytest.raises(ValueError, match="submit_sm"):
        encode_submit_sm(**{**SUBMIT, "short_message": bytes(255)})
    with pytest.raises(ValueError, match="deliver_sm"):
        encode_deliver_sm(**{**DELIVER, "short_message": bytes(255)})


def test_an_integer_over_one_octet_is_not_built() -> None:
    with pytest.raises(OverflowError):
        encode_submit_sm(**{**SUBMIT, "data_coding": 256})


def test_a_pdu_over_the_framing_limit_is_not_built() -> None:
    with pytest.raises(ValueError, match="65536"):
        encode_submit_sm(**SUBMIT, tlvs=encode_tlv(Tag.MESSAGE_PAYLOAD, bytes(65_530)))


@pytest.mark.parametrize("message_id", [b"a\0b", b"x" * 65])
def test_an_impossible_message_id_is_not_built(message_id: bytes) -> None:
    with pytest.raises(ValueError, match="message_id"):
        encode_submit_sm_resp(1, 0, message_id)


def test_a_bind_with_a_nul_is_not_built() -> None:
    with pytest.raises(ValueError, match="NUL"):
        encode_bind(CommandId.BIND_RECEIVER, 1, "ac\0me", "secret", "")


# --- responses and binds ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message_id"),
    [
        (b"", ""),
        (b"\0", ""),
        (b"abc\0", "abc"),
        (b"abc", "abc"),
        (b"abc\0" + encode_tlv(Tag.ADDITIONAL_STATUS_INFO_TEXT, b"why\0"), "abc"),
        (encode_tlv(Tag.ADDITIONAL_STATUS_INFO_TEXT, b"why\0"), ""),
        (encode_tlv(Tag.DELIVERY_FAILURE_REASON, b"\1"), ""),
        (b"\0" + encode_tlv(Tag.ADDITIONAL_STATUS_INFO_TEXT, b"why\0"), ""),
        (b"7" * 60_000, "7" * 255),
    ],
)
def test_every_form_of_a_response_body_gives_its_message_id(body: bytes, message_id: str) -> None:
    assert decode_message_id(body) == message_id


def test_a_refused_bind_has_no_body() -> None:
    pdu = encode_bind_resp(CommandId.BIND_RECEIVER_RESP, 5, CommandStatus.RINVPASWD, "x", 0x34)

    assert frame(pdu)[0] == [(CommandId.BIND_RECEIVER_RESP, CommandStatus.RINVPASWD, 5, b"")]


def test_a_peer_of_version_3_3_gets_no_tlv() -> None:
    pdu = encode_bind_resp(CommandId.BIND_RECEIVER_RESP, 5, 0, "Postern", None)

    assert pdu[16:] == b"Postern\0"


def test_longer_credentials_than_the_standard_allows_are_read_whole() -> None:
    bind = Bind("s" * 40, "p" * 64, "t" * 20, 0x34, 0, 0, "")

    assert decode_bind(encode_bind(CommandId.BIND_TRANSMITTER, 1, *bind)[16:]) == bind


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"s" * 256 + b"\0p\0\0\x34\0\0\0", CommandStatus.RINVSYSID),
        (b"s\0" + b"p" * 256 + b"\0\0\x34\0\0\0", CommandStatus.RINVPASWD),
        (b"s\0p\0" + b"t" * 256 + b"\0\x34\0\0\0", CommandStatus.RINVSYSTYP),
        (b"", CommandStatus.RINVCMDLEN),
        (b"s\0p\0t\0\x34", CommandStatus.RINVCMDLEN),
        (b"s\0p\0t\0\x34\0\0", CommandStatus.RINVCMDLEN),
        (b"s\0p\0t\0\x34\0\0^49", CommandStatus.RINVCMDLEN),
    ],
)
def test_a_bind_that_cannot_be_read_names_why(body: bytes, status: CommandStatus) -> None:
    with pytest.raises(PduError) as caught:
        decode_bind(body)

    assert caught.value.command_status is status


# --- TLVs ---------------------------------------------------------------------------------------


def test_tlvs_keep_their_order_and_repeats() -> None:
    raw = encode_tlv(2, b"b") + encode_tlv(1, b"") + encode_tlv(2, b"c")

    assert decode_tlvs(raw) == [(2, b"b"), (1, b""), (2, b"c")]
    assert tlv(raw, 2) == b"b"
    assert tlv(raw, 1) == b""
    assert tlv(raw, 3) is None


@pytest.mark.parametrize("broken", [b"\0", b"\0\1\0", b"\0\1\0\5abcd"])
def test_tlvs_end_without_a_word_where_they_break(broken: bytes) -> None:
    assert decode_tlvs(encode_tlv(2, b"b") + broken) == [(2, b"b")]


def test_a_tlv_over_its_length_field_is_not_built() -> None:
    with pytest.raises(ValueError, match="65535"):
        encode_tlv(Tag.MESSAGE_PAYLOAD, bytes(65_536))

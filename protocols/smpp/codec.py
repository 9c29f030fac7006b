"""SMPP v3.4 octets to PDUs and back: framing, header, mandatory part, TLVs.

Pure functions of their arguments; the module knows no state, no clock and no message.  The
mandatory part of a hot PDU is taken apart by one compiled regular expression, which also checks
every length limit, and built by one bytes `%`: an object per field costs twenty times as much.

Errors split by what the receiver can still do: `FrameError` (the stream is lost), `PduError` (this
PDU only), `ValueError` (a caller's value does not fit the wire; nothing was built).
"""

import re
import struct
from typing import NamedTuple

from protocols.smpp.constants import INTERFACE_VERSION, CommandId, CommandStatus, Tag

MAX_PDU = 65_536  # octets; above it the stream is taken for lost, not for a long PDU
MAX_SHORT_MESSAGE = 254  # octets, 5.2.21

_HEADER = struct.Struct(">IIII")  # 3.2: command_length, command_id, command_status, sequence_number
_HEADER_LENGTH = _HEADER.size
_TLV_HEADER = struct.Struct(">HH")  # 5.3.1: tag, length of the value
_LATIN1 = "latin-1"

# Plain ints for the hot PDUs: struct packs an IntEnum through __index__, at twice the price.
_SUBMIT_SM = int(CommandId.SUBMIT_SM)
_DELIVER_SM = int(CommandId.DELIVER_SM)
_SUBMIT_SM_RESP = int(CommandId.SUBMIT_SM_RESP)
_DELIVER_SM_RESP = int(CommandId.DELIVER_SM_RESP)


class FrameError(Exception):
    """Framing is lost: answer generic_nack with RINVCMDLEN and close.

    `pdus` are the complete PDUs before the bad one; `sequence_number` is 0 when the stream ended
    before it.
    """

    def __init__(
        self, command_length: int, sequence_number: int, pdus: "list[tuple[int, int, int, bytes]]"
    ) -> None:
        super().__init__(
            f"command_length {command_length} is outside {_HEADER_LENGTH} to {MAX_PDU}"
        )
        self.command_length = command_length
        self.sequence_number = sequence_number
        self.pdus = pdus


class PduError(Exception):
    """This PDU cannot be read; the session stays: answer it with `command_status`."""

    def __init__(self, command_status: CommandStatus, reason: str) -> None:
        super().__init__(f"{reason} ({command_status.name})")
        self.command_status = command_status


class ShortMessage:
    """Body of a submit_sm or deliver_sm, SMPP v3.4 4.4.1 and 4.6.1.

    C-octet strings are Latin-1 text without their NUL; `short_message` is the octets; `tlvs` is the
    undecoded optional part (see `decode_tlvs`).
    """

    __slots__ = (
        "data_coding", "dest_addr_npi", "dest_addr_ton", "destination_addr", "esm_class",
        "priority_flag", "protocol_id", "registered_delivery", "replace_if_present",
        "schedule_delivery_time", "service_type", "short_message", "sm_default_msg_id",
        "source_addr", "source_addr_npi", "source_addr_ton", "tlvs", "validity_period",
    )  # fmt: skip

    def __init__(
        self,
        service_type: str,
        source_addr_ton: int,
        source_addr_npi: int,
        source_addr: str,
        dest_addr_ton: int,
        dest_addr_npi: int,
        destination_addr: str,
        esm_class: int,
        protocol_id: int,
        priority_flag: int,
        schedule_delivery_time: str,
        validity_period: str,
        registered_delivery: int,
        replace_if_present: int,
        data_coding: int,
        sm_default_msg_id: int,
        short_message: bytes,
        tlvs: bytes,
    ) -> None:
        self.service_type = service_type
        self.source_addr_ton = source_addr_ton
        self.source_addr_npi = source_addr_npi
        self.source_addr = source_addr
        self.dest_addr_ton = dest_addr_ton
        self.dest_addr_npi = dest_addr_npi
        self.destination_addr = destination_addr
        self.esm_class = esm_class
        self.protocol_id = protocol_id
        self.priority_flag = priority_flag
        self.schedule_delivery_time = schedule_delivery_time
        self.validity_period = validity_period
        self.registered_delivery = registered_delivery
        self.replace_if_present = replace_if_present
        self.data_coding = data_coding
        self.sm_default_msg_id = sm_default_msg_id
        self.short_message = short_message
        self.tlvs = tlvs


class Bind(NamedTuple):
    """Body of the three bind requests, SMPP v3.4 4.1.1, 4.1.3, 4.1.5."""

    system_id: str
    password: str
    system_type: str
    interface_version: int
    addr_ton: int
    addr_npi: int
    address_range: str


# --- framing and header -------------------------------------------------------------------------


def frame(buffer: bytes) -> tuple[list[tuple[int, int, int, bytes]], bytes]:
    """Cuts `buffer` into PDUs, SMPP v3.4 3.2.

    Returns:
        The complete PDUs as (command_id, command_status, sequence_number, body), and the rest that
        waits for more octets.

    Raises:
        FrameError: a command_length below 16 or above MAX_PDU; known from its four octets on.
    """
    pdus: list[tuple[int, int, int, bytes]] = []
    position, size = 0, len(buffer)
    unpack_from = _HEADER.unpack_from
    while size - position >= _HEADER_LENGTH:
        length, command_id, command_status, sequence_number = unpack_from(buffer, position)
        if not _HEADER_LENGTH <= length <= MAX_PDU:
            raise FrameError(length, sequence_number, pdus)
        end = position + length
        if end > size:
            break
        pdus.append(
            (command_id, command_status, sequence_number, buffer[position + _HEADER_LENGTH : end])
        )
        position = end
    rest = buffer[position:]
    # A peer that sends a short bogus length waits for an answer, not for the rest of a header.
    if 4 <= len(rest) < _HEADER_LENGTH:
        length = int.from_bytes(rest[:4], "big")
        if not _HEADER_LENGTH <= length <= MAX_PDU:
            raise FrameError(length, 0, pdus)
    return pdus, rest


def encode_header(command_id: int, command_status: int, sequence_number: int) -> bytes:
    """A PDU without a body: enquire_link, unbind, generic_nack and error responses."""
    return _HEADER.pack(_HEADER_LENGTH, command_id, command_status, sequence_number)


def _encode_pdu(command_id: int, command_status: int, sequence_number: int, body: bytes) -> bytes:
    length = _HEADER_LENGTH + len(body)
    if length > MAX_PDU:
        raise ValueError(f"a PDU of {length} octets is over {MAX_PDU}: shorten its TLVs")
    return _HEADER.pack(length, command_id, command_status, sequence_number) + body


# --- submit_sm and deliver_sm -------------------------------------------------------------------

# The body is read as Latin-1 text, one character per octet, so that the groups are already str.
_SM_MANDATORY = re.compile(
    r"([^\0]{0,5})\0"  # service_type
    r"..([^\0]{0,20})\0"  # source_addr_ton, source_addr_npi, source_addr
    r"..([^\0]{0,20})\0"  # dest_addr_ton, dest_addr_npi, destination_addr
    r"...([^\0]{0,16})\0"  # esm_class, protocol_id, priority_flag, schedule_delivery_time
    r"([^\0]{0,16})\0"  # validity_period
    r".....",  # registered_delivery, replace_if_present, data_coding, default id, sm_length
    re.DOTALL,
)
# The same layout for the error path: octets before the string, its limit, the status over it.
_SM_STRINGS = (
    (0, 5, CommandStatus.RINVSERTYP, "service_type"),
    (2, 20, CommandStatus.RINVSRCADR, "source_addr"),
    (2, 20, CommandStatus.RINVDSTADR, "destination_addr"),
    (3, 16, CommandStatus.RINVSCHED, "schedule_delivery_time"),
    (0, 16, CommandStatus.RINVEXPIRY, "validity_period"),
)


def decode_sm(body: bytes) -> ShortMessage:
    """Body of submit_sm or deliver_sm.  Reads octets and limits; judges no value.

    A stray NUL after the last field is dropped; anything else there is kept in `tlvs`.

    Raises:
        PduError: RINVSERTYP, RINVSRCADR, RINVDSTADR, RINVSCHED or RINVEXPIRY for a string over its
            limit; RINVMSGLEN when sm_length is over 254 or disagrees with command_length;
            RINVCMDLEN when the body ends too early.
    """
    match = _SM_MANDATORY.match(body.decode(_LATIN1))
    if match is None:
        raise _sm_fault(body)
    service_type, source_addr, destination_addr, scheduled, validity = match.groups()
    start = match.end()
    end = start + body[start - 1]
    if end != len(body) or body[start - 1] > MAX_SHORT_MESSAGE:
        tlvs = _optional_part(body, start, end)
    else:
        tlvs = b""
    source = len(service_type) + 1
    dest = source + 3 + len(source_addr)
    flags = dest + 3 + len(destination_addr)
    return ShortMessage(
        service_type,
        body[source],
        body[source + 1],
        source_addr,
        body[dest],
        body[dest + 1],
        destination_addr,
        body[flags],
        body[flags + 1],
        body[flags + 2],
        scheduled,
        validity,
        body[start - 5],
        body[start - 4],
        body[start - 3],
        body[start - 2],
        body[start:end],
        tlvs,
    )


def _sm_fault(body: bytes) -> PduError:
    """Names the first field at which a body does not match `_SM_MANDATORY`."""
    position = 0
    for skipped, limit, status, name in _SM_STRINGS:
        position += skipped
        end = body.find(b"\0", position, position + limit + 1)
        if end < 0:
            if len(body) > position + limit:
                return PduError(status, f"{name} is over {limit} octets")
            return PduError(CommandStatus.RINVCMDLEN, f"the body ends inside {name}")
        position = end + 1
    return PduError(CommandStatus.RINVCMDLEN, "the body ends before sm_length")


def _optional_part(body: bytes, start: int, end: int) -> bytes:
    """What follows short_message, once sm_length is believed.

    command_length is the truth.  A first TLV that neither fits nor has a tag of the standard means
    that sm_length cut the text short; any later fault in the TLVs is tolerated.
    """
    if end - start > MAX_SHORT_MESSAGE:
        raise PduError(CommandStatus.RINVMSGLEN, f"sm_length is over {MAX_SHORT_MESSAGE}")
    rest = body[end:]
    if end > len(body):
        raise PduError(
            CommandStatus.RINVMSGLEN, f"sm_length is {end - len(body)} octets past the PDU"
        )
    if len(rest) >= 4:
        tag, length = _TLV_HEADER.unpack_from(rest)
        if length <= len(rest) - 4 or tag in _STANDARD_TAGS:
            return rest
    elif not rest.strip(b"\0"):
        return b""
    raise PduError(
        CommandStatus.RINVMSGLEN, f"{len(rest)} octets follow short_message and are no TLV"
    )


_STANDARD_TAGS = frozenset(int(tag) for tag in Tag)

# Fields in the order of 4.4.1; replace_if_present and sm_default_msg_id are never used by us.
_SUBMIT_SM_FORMAT = b"%b\0%c%c%b\0%c%c%b\0%c%c%c%b\0%b\0%c\0%c\0%c%b%b"
# 4.6.1: service_type, schedule and validity empty, protocol_id, priority and the rest zero.
_DELIVER_SM_FORMAT = b"\0%c%c%b\0%c%c%b\0%c\0\0\0\0\0\0%c\0%c%b%b"


def encode_submit_sm(
    sequence_number: int,
    source_ton: int,
    source_npi: int,
    source_addr: bytes,
    dest_ton: int,
    dest_npi: int,
    destination_addr: bytes,
    esm_class: int,
    priority_flag: int,
    schedule_delivery_time: bytes,
    validity_period: bytes,
    registered_delivery: int,
    data_coding: int,
    short_message: bytes,
    tlvs: bytes = b"",
    service_type: bytes = b"",
    protocol_id: int = 0,
) -> bytes:
    """submit_sm, SMPP v3.4 4.4.1.

    Raises:
        ValueError: a string over its limit, or with a NUL that would shift every field behind it.
        OverflowError: an integer over one octet.
    """
    if (
        len(short_message) > MAX_SHORT_MESSAGE
        or len(source_addr) > 20
        or len(destination_addr) > 20
        or 0 in source_addr
        or 0 in destination_addr
        # Nearly always empty, all three.
        or (service_type and (len(service_type) > 5 or 0 in service_type))
        or (schedule_delivery_time and _is_no_time(schedule_delivery_time))
        or (validity_period and _is_no_time(validity_period))
    ):
        raise ValueError("a field of submit_sm is over its limit or a string of it contains NUL")
    return _encode_pdu(
        _SUBMIT_SM,
        0,
        sequence_number,
        _SUBMIT_SM_FORMAT
        % (
            service_type,
            source_ton,
            source_npi,
            source_addr,
            dest_ton,
            dest_npi,
            destination_addr,
            esm_class,
            protocol_id,
            priority_flag,
            schedule_delivery_time,
            validity_period,
            registered_delivery,
            data_coding,
            len(short_message),
            short_message,
            tlvs,
        ),
    )


def _is_no_time(octets: bytes) -> bool:
    return len(octets) > 16 or 0 in octets


def encode_deliver_sm(
    sequence_number: int,
    source_ton: int,
    source_npi: int,
    source_addr: bytes,
    dest_ton: int,
    dest_npi: int,
    destination_addr: bytes,
    esm_class: int,
    data_coding: int,
    short_message: bytes,
    tlvs: bytes = b"",
) -> bytes:
    """deliver_sm, SMPP v3.4 4.6.1; the fields we never set are zero or empty.

    Raises:
        ValueError: a string over its limit, or an address with a NUL.
        OverflowError: an integer over one octet.
    """
    if (
        len(short_message) > MAX_SHORT_MESSAGE
        or len(source_addr) > 20
        or len(destination_addr) > 20
        or 0 in source_addr
        or 0 in destination_addr
    ):
        raise ValueError("a field of deliver_sm is over its limit or an address contains NUL")
    return _encode_pdu(
        _DELIVER_SM,
        0,
        sequence_number,
        _DELIVER_SM_FORMAT
        % (
            source_ton,
            source_npi,
            source_addr,
            dest_ton,
            dest_npi,
            destination_addr,
            esm_class,
            data_coding,
            len(short_message),
            short_message,
            tlvs,
        ),
    )


def encode_submit_sm_resp(sequence_number: int, command_status: int, message_id: bytes) -> bytes:
    """submit_sm_resp, SMPP v3.4 4.4.2; an error has no body.

    Raises:
        ValueError: a message_id over 64 octets or with a NUL.
    """
    if command_status:
        return encode_header(CommandId.SUBMIT_SM_RESP, command_status, sequence_number)
    if len(message_id) > 64 or 0 in message_id:
        raise ValueError(f"{message_id!r} is no message_id: at most 64 octets, no NUL")
    return _HEADER.pack(
        _HEADER_LENGTH + 1 + len(message_id), _SUBMIT_SM_RESP, 0, sequence_number
    ) + (message_id + b"\0")


def encode_deliver_sm_resp(sequence_number: int, command_status: int) -> bytes:
    """deliver_sm_resp, SMPP v3.4 4.6.2: its message_id is unused and one null octet."""
    return _HEADER.pack(_HEADER_LENGTH + 1, _DELIVER_SM_RESP, command_status, sequence_number) + (
        b"\0"
    )


# 4.4.2 allows 64; some peers exceed it, and no index of a store takes what garbage may hold.
MOST_MESSAGE_ID_OCTETS = 255


def decode_message_id(body: bytes) -> str:
    """message_id of a submit_sm_resp, raw; empty when there is none, cut when it is endless.

    Seen from peers, with any command_status: no body, one null octet, an id without its NUL, and
    TLVs straight after the header or after the id.
    """
    message_id = body.partition(b"\0")[0][:MOST_MESSAGE_ID_OCTETS]
    # An octet below space opens a TLV: those of the standard are all below 0x2000.
    if message_id and message_id[0] < 0x20:
        return ""
    return message_id.decode(_LATIN1)


# --- binds --------------------------------------------------------------------------------------

_BIND_STRING_LIMIT = 255


def decode_bind(body: bytes) -> Bind:
    """Body of bind_receiver, bind_transmitter or bind_transceiver.

    Strings over the standard's limits (16, 9 and 13 octets) are common and accepted up to 255.

    Raises:
        PduError: RINVSYSID, RINVPASWD or RINVSYSTYP for a longer string, RINVCMDLEN when the body
            ends too early.
    """
    system_id, position = _bind_string(body, 0, CommandStatus.RINVSYSID)
    password, position = _bind_string(body, position, CommandStatus.RINVPASWD)
    system_type, position = _bind_string(body, position, CommandStatus.RINVSYSTYP)
    address_range, _ = _bind_string(body, position + 3, CommandStatus.RINVCMDLEN)
    interface_version, addr_ton, addr_npi = body[position : position + 3]
    return Bind(
        system_id, password, system_type, interface_version, addr_ton, addr_npi, address_range
    )


def _bind_string(body: bytes, start: int, status: CommandStatus) -> tuple[str, int]:
    end = body.find(b"\0", start, start + _BIND_STRING_LIMIT + 1)
    if end >= 0:
        return body[start:end].decode(_LATIN1), end + 1
    if len(body) - start > _BIND_STRING_LIMIT:
        raise PduError(status, f"a string of the bind is over {_BIND_STRING_LIMIT} octets")
    raise PduError(CommandStatus.RINVCMDLEN, "the body ends inside a bind")


def encode_bind(
    command_id: int,
    sequence_number: int,
    system_id: str,
    password: str,
    system_type: str,
    interface_version: int = INTERFACE_VERSION,
    addr_ton: int = 0,
    addr_npi: int = 0,
    address_range: str = "",
) -> bytes:
    """A bind request of any of the three kinds, SMPP v3.4 4.1.

    Nothing is cut: providers exist that give out passwords longer than the standard's 8 octets.

    Raises:
        ValueError: a string with a NUL or beyond Latin-1.
        OverflowError: an integer over one octet.
    """
    return _encode_pdu(
        command_id,
        CommandStatus.ROK,
        sequence_number,
        b"%b\0%b\0%b\0%c%c%c%b\0"
        % (
            _c_string(system_id),
            _c_string(password),
            _c_string(system_type),
            interface_version,
            addr_ton,
            addr_npi,
            _c_string(address_range),
        ),
    )


def encode_bind_resp(
    command_id: int,
    sequence_number: int,
    command_status: int,
    system_id: str,
    sc_interface_version: int | None,
) -> bytes:
    """Response to a bind, SMPP v3.4 4.1.2; `command_id` is the response's.  An error has no body.

    `sc_interface_version` None leaves its TLV out, as a peer below version 3.4 needs it.
    """
    if command_status:
        return encode_header(command_id, command_status, sequence_number)
    body = _c_string(system_id) + b"\0"
    if sc_interface_version is not None:
        body += encode_tlv(Tag.SC_INTERFACE_VERSION, bytes((sc_interface_version,)))
    return _encode_pdu(command_id, command_status, sequence_number, body)


def _c_string(text: str) -> bytes:
    octets = text.encode(_LATIN1)
    if 0 in octets:
        raise ValueError("a C-octet string cannot contain NUL")
    return octets


# --- optional parameters ------------------------------------------------------------------------


def encode_tlv(tag: int, value: bytes) -> bytes:
    """One optional parameter, SMPP v3.4 5.3.1.

    Raises:
        ValueError: a value over 65,535 octets.
    """
    if len(value) > 0xFFFF:
        raise ValueError(f"TLV 0x{tag:04x} of {len(value)} octets is over 65535")
    return _TLV_HEADER.pack(tag, len(value)) + value


def decode_tlvs(raw: bytes) -> list[tuple[int, bytes]]:
    """Optional parameters as (tag, value), in their order, repeats included.

    Stops without a word at the first one that does not fit: what peers append there is no reason
    to lose a receipt.
    """
    tlvs: list[tuple[int, bytes]] = []
    position, size = 0, len(raw)
    while size - position >= 4:
        tag, length = _TLV_HEADER.unpack_from(raw, position)
        position += 4 + length
        if position > size:
            break
        tlvs.append((tag, raw[position - length : position]))
    return tlvs


def tlv(raw: bytes, tag: int) -> bytes | None:
    """Value of the first `tag` in an optional part, or None."""
    for found, value in decode_tlvs(raw):
        if found == tag:
            return value
    return None

"""The only translator between SMPP and the heart, in both directions; every table of it is here."""

import re
from collections.abc import Callable
from functools import lru_cache

from gateway.domain.account import Credential, Door
from gateway.domain.errors import RefusalCode
from gateway.domain.fate import WORDS
from gateway.domain.keys import key_time_ms
from gateway.domain.lifecycle import MessageState, NotifyWhen
from gateway.domain.message import Answer, Message, Opaque, Submission
from gateway.domain.outcome import Deferred, Outcome, Refused
from gateway.domain.provider_id import AS_IS, MOST_ID_CHARACTERS, receipted_id
from gateway.domain.receipt import Receipt
from gateway.domain.sms_text import Alphabet
from protocols.smpp import receipt_text
from protocols.smpp.charset import decode
from protocols.smpp.codec import (
    MAX_SHORT_MESSAGE,
    PduError,
    ShortMessage,
    decode_tlvs,
    encode_deliver_sm,
    encode_tlv,
    tlv,
)
from protocols.smpp.constants import (
    ESM_RECEIPT,
    ESM_UDHI,
    REGISTERED_RECEIPT_MASK,
    CommandStatus,
    Npi,
    Tag,
    Ton,
    WireState,
)
from protocols.smpp.times import decode_time

# Bound once: reaching a member through its class costs eight times a global.
_SMPP = Door.SMPP
_DELIVERED = MessageState.DELIVERED

# --- north: refusals ----------------------------------------------------------------------------

_CS = CommandStatus
REFUSAL_STATUS: dict[RefusalCode, CommandStatus] = {
    RefusalCode.SENDER_NOT_ALLOWED: _CS.RINVSRCADR,
    RefusalCode.SENDER_INVALID: _CS.RINVSRCADR,
    RefusalCode.RECIPIENT_INVALID: _CS.RINVDSTADR,
    RefusalCode.RECIPIENT_BLOCKED: _CS.RSUBMITFAIL,
    RefusalCode.TEXT_INVALID: _CS.RSUBMITFAIL,
    RefusalCode.TEXT_EMPTY: _CS.RINVMSGLEN,
    RefusalCode.TEXT_TOO_LONG: _CS.RINVMSGLEN,
    RefusalCode.SCHEDULE_INVALID: _CS.RINVSCHED,
    RefusalCode.VALIDITY_INVALID: _CS.RINVEXPIRY,
    RefusalCode.NO_ROUTE: _CS.RINVDSTADR,
    RefusalCode.NO_PRICE: _CS.RINVDSTADR,
    RefusalCode.NO_CREDIT: _CS.RSUBMITFAIL,
    RefusalCode.RATE_EXCEEDED: _CS.RTHROTTLED,
    RefusalCode.ACCOUNT_DISABLED: _CS.RSUBMITFAIL,
    RefusalCode.IDEMPOTENCY_MISMATCH: _CS.RSUBMITFAIL,
    RefusalCode.IDEMPOTENCY_RUNNING: _CS.RTHROTTLED,
    RefusalCode.BUSY: _CS.RMSGQFUL,
    RefusalCode.STOPPING: _CS.RSYSERR,
    RefusalCode.STORE_UNAVAILABLE: _CS.RSYSERR,
}

# --- north: submit_sm ---------------------------------------------------------------------------

_VENDOR_TAGS = range(0x1400, 0x4000)  # 5.3
_SAR_TAGS = (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
_NOTIFY = (NotifyWhen.NEVER, NotifyWhen.ALWAYS, NotifyWhen.FAILURE, NotifyWhen.SUCCESS)
MOST_PRIORITY = 3  # 5.2.14
# priority_flag 0 is what everybody sends: it is our normal class, and bulk (0) stays below it.
_PRIORITY = (1, 2, 3, 3)
# A door note keeps how the customer wrote the addresses: four octets of TON and NPI, then a bit.
_NOTE_PLUS = 1 << 32


# A whole submit_sm body (4.4.1) as nearly everybody sends it, read as Latin-1: plain text in
# data_coding 0, esm_class 0, no times, no TLVs.  Source TON and NPI, source, destination TON and
# NPI, destination, priority_flag, registered_delivery, sm_length, text.
_USUAL_SUBMIT = re.compile(
    r"[^\0]{0,5}\0(..)([^\0]{1,20})\0(..)([^\0]{1,20})\0"
    r"\0.([\0-\3]\0\0.).\0.(.)([ !\"#%&'()*+,\-./0-9:;<=>?A-Za-z\n\r]{1,160})",
    re.DOTALL,
)


def usual_submission(
    body: bytes, credential: Credential, answer: Answer, sequence_number: int
) -> tuple[Submission, str] | None:
    """Submission and destination_addr of a submit_sm of the usual form; None: decode it all.

    One look instead of three, for nine messages of ten.  Agrees with `submission` wherever it
    answers; only for credentials whose data_coding 0 has the ASCII letters in their places, which
    are all of `DEFAULT_CHARSETS`.
    """
    match = _USUAL_SUBMIT.fullmatch(body.decode("latin-1"))
    if match is None:
        return None
    source_type, source, dest_type, destination, flags, length, text = match.groups()
    if ord(length) != len(text):
        return None
    note, dest_ton, notify_when, priority = _usual_flags(source_type + dest_type + flags)
    if destination[0] == "+":
        note |= _NOTE_PLUS
    submission = Submission(
        credential,
        _SMPP,
        source,
        text,
        answer,
        sequence_number,
        None,
        notify_when,
        priority,
        0,
        0,
        note,
    )
    submission.measured = _ONE_PLAIN_PART
    return submission, recipient(destination, dest_ton, credential)


_ONE_PLAIN_PART = (Alphabet.GSM7, 1)


@lru_cache(maxsize=4096)
def _usual_flags(octets: str) -> tuple[int, int, NotifyWhen, int]:
    """(door note, dest_addr_ton, notify_when, priority) of the octets of a usual submit_sm.

    Both TONs and NPIs, priority_flag, two empty times, registered_delivery.  A client sends few
    different ones.
    """
    types = octets[:4].encode("latin-1")
    notify_when = _NOTIFY[ord(octets[7]) & REGISTERED_RECEIPT_MASK]
    return int.from_bytes(types, "little"), types[2], notify_when, _PRIORITY[ord(octets[4])]


def recipient(destination_addr: str, dest_addr_ton: int, credential: Credential) -> str:
    """destination_addr as admission reads it: TON says international, so no region re-reads it."""
    if credential.account.region and dest_addr_ton == Ton.INTERNATIONAL:
        return "+" + destination_addr.removeprefix("+")
    return destination_addr


def submission(
    sm: ShortMessage,
    credential: Credential,
    default_charset: str,
    now_ms: Callable[[], int],
    answer: Answer,
    sequence_number: int,
) -> Submission:
    """What a submit_sm asks for (SMPP v3.4 4.4.1).

    Raises:
        PduError: RINVMSGLEN (both short_message and message_payload), RINVPRTFLG, RINVSCHED,
            RINVEXPIRY, or RSUBMITFAIL (text that its data_coding does not have).
    """
    octets, tlvs = sm.short_message, sm.tlvs
    is_segment = sm.esm_class & ESM_UDHI
    if tlvs:
        tags = dict(decode_tlvs(tlvs))
        payload = tags.get(Tag.MESSAGE_PAYLOAD)
        if payload is not None:
            if octets:
                raise PduError(_CS.RINVMSGLEN, "short_message and message_payload together")
            octets = payload
            tlvs = b"".join(
                encode_tlv(t, v) for t, v in decode_tlvs(tlvs) if t != Tag.MESSAGE_PAYLOAD
            )
        is_segment = is_segment or any(tag in tags for tag in _SAR_TAGS)
    text = None if is_segment else _text(octets, sm.data_coding, default_charset)
    opaque = None
    if text is None:
        opaque = Opaque(octets, sm.data_coding, sm.esm_class & ESM_UDHI, tlvs)
    elif tlvs:
        opaque = _vendor_tlvs(tlvs)
    if sm.priority_flag > MOST_PRIORITY:
        raise PduError(_CS.RINVPRTFLG, f"priority_flag {sm.priority_flag}")
    due_at_ms = expires_at_ms = 0
    if sm.schedule_delivery_time:
        due_at_ms = _time(sm.schedule_delivery_time, now_ms(), _CS.RINVSCHED)
    if sm.validity_period:
        expires_at_ms = _time(sm.validity_period, now_ms(), _CS.RINVEXPIRY)
    destination = sm.destination_addr
    note = (
        sm.source_addr_ton | sm.source_addr_npi << 8 | sm.dest_addr_ton << 16
        | sm.dest_addr_npi << 24
    )  # fmt: skip
    if destination[:1] == "+":
        note |= _NOTE_PLUS
    return Submission(
        credential,
        _SMPP,
        sm.source_addr or credential.account.default_sender,
        text,
        answer,
        sequence_number,
        opaque,
        _NOTIFY[sm.registered_delivery & REGISTERED_RECEIPT_MASK],
        _PRIORITY[sm.priority_flag],
        due_at_ms,
        expires_at_ms,
        note,
    )


def _vendor_tlvs(tlvs: bytes) -> Opaque | None:
    """What carriers ask of their customers beside a text (5.3), such as ids of templates."""
    kept = b"".join(encode_tlv(t, v) for t, v in decode_tlvs(tlvs) if t in _VENDOR_TAGS)
    return Opaque(b"", 0, 0, kept) if kept else None


def _text(octets: bytes, data_coding: int, default_charset: str) -> str | None:
    try:
        return decode(octets, data_coding, default_charset)
    except ValueError as error:
        raise PduError(_CS.RSUBMITFAIL, str(error)) from None


def _time(text: str, now_ms: int, status: CommandStatus) -> int:
    try:
        return decode_time(text, now_ms)
    except ValueError as error:
        raise PduError(status, str(error)) from None


# --- north: the receipt for the customer ----------------------------------------------------------

# By state value: (stat, message_state TLV).
_RECEIPT_WORDS = [(b"", b"")] * (max(WORDS) + 1)
for _state, _words in WORDS.items():
    _RECEIPT_WORDS[_state] = (
        _words.smpp_stat.encode(),
        encode_tlv(Tag.MESSAGE_STATE, bytes((_words.smpp_message_state,))),
    )
_RECEIPTED_ID = int(Tag.RECEIPTED_MESSAGE_ID).to_bytes(2, "big")


def encode_receipt(
    message: Message, message_id: bytes, sequence_number: int, *, with_tlvs: bool
) -> bytes:
    """deliver_sm that tells a customer of a final fate (SMPP v3.4 4.6.1, Appendix B).

    Addresses are the customer's own, exchanged; `message_id` is repeated letter for letter.
    `with_tlvs` is off for peers older than v3.4 (3.4.1).
    """
    note = message.door_note
    stat, state_tlv = _RECEIPT_WORDS[message.state]
    parts = message.part_count
    error = message.error
    text = receipt_text.render(
        message_id,
        parts,
        parts if message.state == _DELIVERED else 0,
        key_time_ms(message.key),
        message.final_at_ms,
        stat,
        _err(error) if error else b"000",
        message.text or "",
    )
    tlvs = b""
    if with_tlvs:
        tlvs = b"%b\0%c%b\0%b" % (_RECEIPTED_ID, len(message_id) + 1, message_id, state_tlv)
    recipient = message.recipient.encode("ascii")
    if note & _NOTE_PLUS:
        recipient = b"+" + recipient
    return encode_deliver_sm(
        sequence_number,
        note >> 16 & 0xFF,
        note >> 24 & 0xFF,
        recipient,
        note & 0xFF,
        note >> 8 & 0xFF,
        message.sender.encode("latin-1"),
        ESM_RECEIPT,
        0,
        text,
        tlvs,
    )


def _err(error: str) -> bytes:
    """Three characters (Appendix B): the provider's code when it has that form."""
    return error.encode() if len(error) == 3 and error.isalnum() and error.isascii() else b"000"


# deliver_sm_resp: not now (trap 26), as opposed to a customer that has seen and refused it.
POSTPONING = frozenset({_CS.RSYSERR, _CS.RMSGQFUL, _CS.RTHROTTLED, _CS.RX_T_APPN})

# --- south: addresses -----------------------------------------------------------------------------

_LONGEST_SHORT_CODE = 8


def source_ton_npi(sender: str) -> tuple[int, int]:
    """TON and NPI that fit a sender: alphanumeric, short code, or international number."""
    if not sender:
        return Ton.UNKNOWN, Npi.UNKNOWN  # the SMSC's default (4.4.1)
    digits = sender.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return Ton.ALPHANUMERIC, Npi.UNKNOWN
    if len(digits) <= _LONGEST_SHORT_CODE and digits == sender:
        return Ton.NETWORK_SPECIFIC, Npi.UNKNOWN
    return Ton.INTERNATIONAL, Npi.ISDN


# --- south: outcomes ------------------------------------------------------------------------------

_THROTTLED = frozenset({_CS.RTHROTTLED, _CS.RMSGQFUL})
_DEFERRED = frozenset({_CS.RSYSERR, _CS.RX_T_APPN, _CS.RINVBNDSTS})
_REFUSED_EVERYWHERE = frozenset({_CS.RINVDSTADR, _CS.RINVMSGLEN, _CS.RINVEXPIRY, _CS.RINVSCHED})


def outcome(command_status: int) -> Outcome:
    """What a command_status other than 0 in a submit_sm_resp or generic_nack means."""
    error = f"{command_status:03x}" if command_status < 0x1000 else f"{command_status:08x}"
    if command_status in _THROTTLED:
        return Deferred(error, throttled=True)
    if command_status in _DEFERRED:
        return Deferred(error)
    return Refused(error, everywhere=command_status in _REFUSED_EVERYWHERE)


# --- south: receipts ------------------------------------------------------------------------------

_S = MessageState
_STATE_OF_STAT: dict[str, MessageState] = {
    "DELIVRD": _S.DELIVERED, "DELIVERED": _S.DELIVERED,
    "EXPIRED": _S.EXPIRED,
    "DELETED": _S.CANCELLED,
    "UNDELIV": _S.FAILED, "UNDELIVERABLE": _S.FAILED, "FAILED": _S.FAILED, "SKIPPED": _S.FAILED,
    "REJECTD": _S.REJECTED, "REJECTED": _S.REJECTED,
    "ACCEPTD": _S.SENT, "ACCEPTED": _S.SENT, "ACKED": _S.SENT, "ENROUTE": _S.SENT,
    "BUFFRED": _S.SENT, "BUFFERED": _S.SENT, "BUFFERD": _S.SENT, "SCHEDULED": _S.SENT,
    "UNKNOWN": _S.UNKNOWN,
}  # fmt: skip
_STATE_OF_VALUE: dict[int, MessageState] = {
    WireState.ENROUTE: _S.SENT,
    WireState.DELIVERED: _S.DELIVERED,
    WireState.EXPIRED: _S.EXPIRED,
    WireState.DELETED: _S.CANCELLED,
    WireState.UNDELIVERABLE: _S.FAILED,
    WireState.ACCEPTED: _S.SENT,
    WireState.UNKNOWN: _S.UNKNOWN,
    WireState.REJECTED: _S.REJECTED,
}


# A whole deliver_sm body (4.6.1) with an Appendix B text as nearly everybody writes it, read as
# Latin-1: sm_length, the text with its id, done date, stat and err; then receipted_message_id's
# length, with message_state and network_error_code around it.
_USUAL_RECEIPT = re.compile(
    r"[^\0]{0,5}\0..[^\0]{0,20}\0..[^\0]{0,20}\0\x04..\0\0....(.)"
    r"(id:([^\s\0]+) sub:\d* dlvrd:\d* submit date:\d* done date:(\d*) stat:([A-Z]+) err:(\w{0,32})"
    r" [Tt]ext:[^\0]*)"
    r"(?:\x04\x27\0\x01.|\x04\x23\0\x03...)*"
    r"(?:\0\x1e\0(.)\3\0(?:\x04\x27\0\x01.|\x04\x23\0\x03...)*)?",
    re.DOTALL,
)


def usual_receipt(body: bytes, id_mode: str) -> Receipt | None:
    """The receipt in the body of a deliver_sm when it has the usual form; None: decode it all.

    One look instead of three: nine receipts of ten are of this form, and they are half the traffic.
    What it returns is what `receipt` would.
    """
    match = _USUAL_RECEIPT.fullmatch(body.decode("latin-1"))
    if match is None:
        return None
    length, text, message_id, done_date, stat, err, id_length = match.groups()
    state = _STATE_OF_STAT.get(stat)
    sm_length = ord(length)
    if state is None or len(text) != sm_length or sm_length > MAX_SHORT_MESSAGE:
        return None
    if id_length is not None and ord(id_length) != len(message_id) + 1:
        return None
    return Receipt(
        message_id if id_mode == AS_IS else receipted_id(message_id, id_mode),
        state,
        "" if err == "000" or not err.strip("0") else err,
        receipt_text.decode_date(done_date),
    )


def receipt(sm: ShortMessage, id_mode: str) -> Receipt | None:
    """The receipt in a deliver_sm, or None when it is something else.

    The TLVs and the text are merged (traps 32, 36): receipted_message_id over `id`, `stat` over
    message_state.  An unknown word is UNKNOWN, not failed.
    """
    octets, tlvs = sm.short_message, sm.tlvs
    if not receipt_text.is_receipt(sm.esm_class, tlvs, octets):
        return None
    tags = dict(decode_tlvs(tlvs)) if tlvs else {}
    if not octets:
        octets = tags.get(Tag.MESSAGE_PAYLOAD, b"")
    text = receipt_text.parse(octets)
    id_tlv = tags.get(Tag.RECEIPTED_MESSAGE_ID)
    message_id = provider_message_id(id_tlv.decode("latin-1")) if id_tlv else ""
    state: MessageState | None = None
    error, done_at_ms = "", 0
    if text is not None:
        message_id = message_id or provider_message_id(text.id)
        state = _STATE_OF_STAT.get(text.stat, _S.UNKNOWN if text.stat else None)
        error = text.err.replace("\0", "")[:32]  # no store keeps U+0000
        if text.done_date:
            done_at_ms = receipt_text.decode_date(text.done_date)
    if state is None:
        value = tags.get(Tag.MESSAGE_STATE, b"")
        state = _STATE_OF_VALUE.get(value[0] if value else 0, _S.UNKNOWN)
    if error.strip("0") == "":
        error = ""
    return Receipt(receipted_id(message_id, id_mode), state, error, done_at_ms)


def provider_message_id(message_id: str) -> str:
    """An id as every store can keep it, however the provider wrote it: up to a NUL, not endless."""
    return message_id.partition("\0")[0][:MOST_ID_CHARACTERS]


def payload_of(sm: ShortMessage) -> bytes:
    """Octets of the user data, wherever they stand."""
    return sm.short_message or tlv(sm.tlvs, Tag.MESSAGE_PAYLOAD) or b""

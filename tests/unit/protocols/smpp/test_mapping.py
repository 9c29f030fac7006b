import struct

import pytest

from gateway.domain.account import Account, Credential
from gateway.domain.errors import RefusalCode
from gateway.domain.fate import WORDS
from gateway.domain.lifecycle import FINAL_STATES, MessageState, NotifyWhen
from gateway.domain.message import Answer, Message, Submission
from gateway.domain.outcome import Deferred, Refused
from gateway.domain.provider_id import MOST_ID_CHARACTERS
from protocols.smpp import mapping
from protocols.smpp.codec import (
    MOST_MESSAGE_ID_OCTETS,
    PduError,
    ShortMessage,
    decode_sm,
    decode_tlvs,
    encode_deliver_sm,
    encode_submit_sm,
    encode_tlv,
    tlv,
)
from protocols.smpp.constants import ESM_RECEIPT, CommandStatus, Npi, Tag, Ton
from protocols.smpp.udh import encode_concatenation, encode_sar
from tests.support.clock import START_MS
from tests.support.upstream import make_message

CREDENTIAL = Credential(7, Account(1, "acme"), "esme")
USUAL_TEXT = (
    b"id:1a2b sub:001 dlvrd:001 submit date:2609211200 done date:2609211201 stat:DELIVRD err:000"
    b" text:hello"
)
ID_TLV = encode_tlv(Tag.RECEIPTED_MESSAGE_ID, b"1a2b\0")
STATE_TLV = encode_tlv(Tag.MESSAGE_STATE, b"\x02")


def answer(token: object, result: object) -> None:
    raise AssertionError("the mapping answers nobody")


ANSWER: Answer = answer


def body_of(
    octets: bytes = b"hello",
    *,
    source: bytes = b"ACME",
    to: bytes = b"37120000001",
    tons: tuple[int, int, int, int] = (5, 0, 1, 1),
    esm_class: int = 0,
    priority: int = 0,
    schedule: bytes = b"",
    validity: bytes = b"",
    registered: int = 1,
    data_coding: int = 0,
    tlvs: bytes = b"",
) -> bytes:
    """The body of a submit_sm."""
    return encode_submit_sm(
        1, tons[0], tons[1], source, tons[2], tons[3], to, esm_class, priority, schedule, validity,
        registered, data_coding, octets, tlvs,
    )[16:]  # fmt: skip


def submission(body: bytes, charset: str = "gsm") -> Submission:
    return mapping.submission(decode_sm(body), CREDENTIAL, charset, lambda: START_MS, ANSWER, 42)


def refused(body: bytes) -> CommandStatus:
    with pytest.raises(PduError) as caught:
        submission(body)
    return caught.value.command_status


# --- tables -------------------------------------------------------------------------------------


def test_every_refusal_has_a_status_and_none_of_them_is_ok() -> None:
    assert set(mapping.REFUSAL_STATUS) == set(RefusalCode)
    assert CommandStatus.ROK not in mapping.REFUSAL_STATUS.values()


# --- submit_sm ----------------------------------------------------------------------------------


def test_a_plain_message() -> None:
    found = submission(body_of())

    assert (found.text, found.opaque, found.sender) == ("hello", None, "ACME")
    assert (found.token, found.answer, found.credential) == (42, ANSWER, CREDENTIAL)
    assert found.priority == 1
    assert found.notify_when is NotifyWhen.ALWAYS
    assert (found.due_at_ms, found.expires_at_ms) == (0, 0)


def test_no_source_addr_is_the_accounts_default_sender() -> None:
    account = Account(2, "acme")
    account.default_sender = "SHOP"
    sm = decode_sm(body_of(source=b""))

    found = mapping.submission(
        sm, Credential(8, account, "esme"), "gsm", lambda: START_MS, ANSWER, 1
    )

    assert found.sender == "SHOP"


@pytest.mark.parametrize(
    ("registered", "when"),
    [
        (0, NotifyWhen.NEVER),
        (1, NotifyWhen.ALWAYS),
        (2, NotifyWhen.FAILURE),
        (3, NotifyWhen.SUCCESS),
        (0x10, NotifyWhen.NEVER),  # intermediate notifications alone
        (0x1D, NotifyWhen.ALWAYS),  # SME acknowledgements beside the final receipt
    ],
)
def test_registered_delivery(registered: int, when: NotifyWhen) -> None:
    assert submission(body_of(registered=registered)).notify_when is when


def test_priority() -> None:
    assert [submission(body_of(priority=p)).priority for p in range(4)] == [1, 2, 3, 3]
    assert refused(body_of(priority=4)) is CommandStatus.RINVPRTFLG


@pytest.mark.parametrize(
    ("octets", "data_coding", "charset", "text"),
    [
        (b"\x00 {(", 0, "gsm", "@ ä("),  # 0x7B is ä in GSM 03.38
        (b"\x00\x01\x1b\x65", 0, "gsm", "@£€"),
        (b"Gr\xfc\xdfe", 0, "latin1", "Grüße"),
        ("Grüße".encode(), 0, "utf8", "Grüße"),
        (b"Gr\xfc\xdfe", 3, "gsm", "Grüße"),
        (b"hello @ {}\t", 1, "gsm", "hello @ {}\t"),
        (b"\x00\x1b\x65", 1, "gsm", "@€"),  # as node-smpp sends it
        ("Привет 😀".encode("utf-16-be"), 8, "gsm", "Привет 😀"),
        (b"\xff\xfe" + "Привет".encode("utf-16-le"), 8, "gsm", "Привет"),
    ],
)
def test_text_is_read_by_its_data_coding(
    octets: bytes, data_coding: int, charset: str, text: str
) -> None:
    assert submission(body_of(octets, data_coding=data_coding), charset).text == text


@pytest.mark.parametrize(
    ("octets", "data_coding"),
    [
        (b"\xd8\x00\x00A", 8),  # a lone surrogate
        (b"\x04", 8),  # half a unit
        (b"\xe9", 0),  # not in the GSM alphabet
        (b"\xe9", 1),
        (b"\x1b", 0),  # an escape of nothing
    ],
)
def test_octets_that_are_no_text_are_refused(octets: bytes, data_coding: int) -> None:
    assert refused(body_of(octets, data_coding=data_coding)) is CommandStatus.RSUBMITFAIL


@pytest.mark.parametrize("data_coding", [2, 4, 5, 0x11, 0xC8, 0xF0, 0xF5, 0xFF])
def test_other_data_codings_pass_through_untouched(data_coding: int) -> None:
    octets = bytes(range(140))

    found = submission(body_of(octets, data_coding=data_coding))

    assert found.text is None
    assert found.opaque == (octets, data_coding, 0, b"")


def test_a_part_with_a_header_passes_through_untouched() -> None:
    octets = encode_concatenation(9, 2, 1) + b"first half"
    port = encode_tlv(Tag.DESTINATION_PORT, b"\x0b\x84")

    found = submission(body_of(octets, esm_class=0x43, tlvs=port))

    assert found.text is None
    assert found.opaque == (octets, 0, 0x40, port)


@pytest.mark.parametrize("tlvs", [encode_sar(9, 2, 1), encode_sar(9, 2, 1)[:6]])
def test_a_part_with_sar_tlvs_passes_through_untouched(tlvs: bytes) -> None:
    found = submission(body_of(b"first half", tlvs=tlvs))

    assert found.opaque == (b"first half", 0, 0, tlvs)


def test_a_message_payload_is_text_like_any_other() -> None:
    text = "long " * 100
    reference = encode_tlv(Tag.USER_MESSAGE_REFERENCE, b"\0\1")

    found = submission(
        body_of(b"", tlvs=reference + encode_tlv(Tag.MESSAGE_PAYLOAD, text.encode()))
    )

    assert (found.text, found.opaque) == (text, None)


@pytest.mark.parametrize("octets", [b"hello", b""])
def test_vendor_tlvs_beside_a_text_are_kept_and_no_others(octets: bytes) -> None:
    vendor = encode_tlv(0x1400, b"entity") + encode_tlv(0x3FFF, b"")
    others = encode_tlv(Tag.USER_MESSAGE_REFERENCE, b"\0\1") + encode_tlv(0x4000, b"x")
    payload = b"" if octets else encode_tlv(Tag.MESSAGE_PAYLOAD, b"hello")

    found = submission(body_of(octets, tlvs=others + payload + vendor))

    assert (found.text, found.opaque) == ("hello", (b"", 0, 0, vendor))


def test_an_opaque_payload_leaves_the_tlvs() -> None:
    reference = encode_tlv(Tag.USER_MESSAGE_REFERENCE, b"\0\1")
    payload = encode_tlv(Tag.MESSAGE_PAYLOAD, b"\x05" * 300)

    found = submission(body_of(b"", data_coding=4, tlvs=payload + reference))

    assert found.opaque == (b"\x05" * 300, 4, 0, reference)


def test_short_message_and_payload_together_are_refused() -> None:
    payload = encode_tlv(Tag.MESSAGE_PAYLOAD, b"world")
    assert refused(body_of(b"hello", tlvs=payload)) is CommandStatus.RINVMSGLEN
    assert submission(body_of(b"hello", tlvs=STATE_TLV)).text == "hello"


@pytest.mark.parametrize(
    ("schedule", "validity", "due", "expires"),
    [
        (b"000000010000000R", b"", START_MS + 3_600_000, 0),
        (b"", b"000000000500000R", 0, START_MS + 300_000),
        (b"300101120000000+", b"", 1_893_499_200_000, 0),
        (b"300101120000004+", b"300101120000004-", 1_893_495_600_000, 1_893_502_800_000),
    ],
)
def test_times(schedule: bytes, validity: bytes, due: int, expires: int) -> None:
    found = submission(body_of(schedule=schedule, validity=validity))
    assert (found.due_at_ms, found.expires_at_ms) == (due, expires)


@pytest.mark.parametrize("time", [b"tomorrow", b"301301120000000+", b"300101120000099+", b"0"])
def test_times_that_are_none(time: bytes) -> None:
    assert refused(body_of(schedule=time)) is CommandStatus.RINVSCHED
    assert refused(body_of(validity=time)) is CommandStatus.RINVEXPIRY


# --- the receipt for the customer ---------------------------------------------------------------


def fate_of(body: bytes, state: MessageState = MessageState.DELIVERED) -> Message:
    """The message of a submit_sm, ended one minute later."""
    message = make_message(sender="ACME", key=(START_MS - 1_704_067_200_000) << 22)
    message.door_note = submission(body).door_note
    message.state = state
    message.final_at_ms = START_MS + 60_000
    return message


def receipt_of(
    message: Message, message_id: bytes = b"1a2b", *, with_tlvs: bool = True
) -> ShortMessage:
    pdu = mapping.encode_receipt(message, message_id, 77, with_tlvs=with_tlvs)
    length, command_id, status, sequence_number = struct.unpack(">IIII", pdu[:16])
    assert (length, command_id, status, sequence_number) == (len(pdu), 5, 0, 77)
    return decode_sm(pdu[16:])


@pytest.mark.parametrize("to", [b"37120000001", b"+37120000001"])
@pytest.mark.parametrize("tons", [(5, 0, 1, 1), (0, 1, 2, 8), (255, 254, 253, 252)])
def test_a_receipt_has_the_addresses_as_the_customer_wrote_them(
    to: bytes, tons: tuple[int, int, int, int]
) -> None:
    sm = receipt_of(fate_of(body_of(to=to, tons=tons)))

    assert sm.source_addr.encode() == to
    assert sm.destination_addr == "ACME"
    assert (sm.dest_addr_ton, sm.dest_addr_npi) == tons[:2]
    assert (sm.source_addr_ton, sm.source_addr_npi) == tons[2:]


def test_the_text_and_the_tlvs_of_a_receipt() -> None:
    sm = receipt_of(fate_of(body_of()))

    assert sm.esm_class == ESM_RECEIPT
    assert sm.short_message == (
        b"id:1a2b sub:001 dlvrd:001 submit date:2609211413 done date:2609211414 stat:DELIVRD"
        b" err:000 text:hello"
    )
    assert decode_tlvs(sm.tlvs) == [(0x001E, b"1a2b\0"), (0x0427, b"\x02")]
    assert not receipt_of(fate_of(body_of()), with_tlvs=False).tlvs


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_every_final_state_has_its_words(state: MessageState) -> None:
    sm = receipt_of(fate_of(body_of(), state))

    delivered = b" dlvrd:%03d " % (state == MessageState.DELIVERED)
    assert b" stat:" + WORDS[state].smpp_stat.encode() + b" " in sm.short_message
    assert delivered in sm.short_message
    assert tlv(sm.tlvs, Tag.MESSAGE_STATE) == bytes((WORDS[state].smpp_message_state,))


@pytest.mark.parametrize(
    ("error", "err"), [("00b", b"00b"), ("", b"000"), ("encoding: x", b"000"), ("\xe9a1", b"000")]
)
def test_an_error_of_three_letters_is_passed_on(error: str, err: bytes) -> None:
    message = fate_of(body_of(), MessageState.FAILED)
    message.error = error
    assert b" err:" + err + b" text:" in receipt_of(message).short_message


def test_a_receipt_of_binary_and_of_many_parts() -> None:
    opaque = fate_of(body_of())
    opaque.text = None
    assert receipt_of(opaque).short_message.endswith(b" text:")

    long = fate_of(body_of())
    long.part_count = 3
    assert b" sub:003 dlvrd:003 " in receipt_of(long).short_message


# --- south: addresses and outcomes --------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "ton_npi"),
    [
        ("ACME", (Ton.ALPHANUMERIC, Npi.UNKNOWN)),
        ("37120000001", (Ton.INTERNATIONAL, Npi.ISDN)),
        ("+37120000001", (Ton.INTERNATIONAL, Npi.ISDN)),
        ("12345678", (Ton.NETWORK_SPECIFIC, Npi.UNKNOWN)),
        ("²²²", (Ton.ALPHANUMERIC, Npi.UNKNOWN)),
        ("+", (Ton.ALPHANUMERIC, Npi.UNKNOWN)),
        ("", (Ton.UNKNOWN, Npi.UNKNOWN)),
    ],
)
def test_ton_and_npi_fit_the_sender(sender: str, ton_npi: tuple[Ton, Npi]) -> None:
    assert mapping.source_ton_npi(sender) == ton_npi


@pytest.mark.parametrize("status", [0x58, 0x14])
def test_throttled_is_deferred_without_an_attempt(status: int) -> None:
    found = mapping.outcome(status)
    assert isinstance(found, Deferred)
    assert found.throttled


@pytest.mark.parametrize("status", [0x08, 0x64, 0x04])
def test_temporary_errors_are_deferred(status: int) -> None:
    found = mapping.outcome(status)
    assert isinstance(found, Deferred)
    assert not found.throttled


@pytest.mark.parametrize(
    ("status", "error", "everywhere"),
    [
        (0x0B, "00b", True), (0x01, "001", True), (0x61, "061", True), (0x62, "062", True),
        (0x0A, "00a", False), (0x45, "045", False), (0x66, "066", False), (0x03, "003", False),
        (0x4FF, "4ff", False), (0xFFFFFFFF, "ffffffff", False), (0x1000, "00001000", False),
    ],
)  # fmt: skip
def test_the_rest_is_refused(status: int, error: str, everywhere: bool) -> None:
    found = mapping.outcome(status)
    assert isinstance(found, Refused)
    assert (found.error, found.everywhere) == (error, everywhere)


# --- south: receipts ----------------------------------------------------------------------------


def deliver_body(text: bytes, tlvs: bytes = b"", esm_class: int = ESM_RECEIPT) -> bytes:
    return encode_deliver_sm(
        1, 1, 1, b"37120000001", 5, 0, b"ACME", esm_class, 0, text, tlvs
    )[16:]  # fmt: skip


def read(body: bytes, id_mode: str = "as_is") -> tuple[str, MessageState, str] | None:
    """A receipt as the provider reads it; the quick reader must agree with the thorough one."""
    thorough = mapping.receipt(decode_sm(body), id_mode)
    quick = mapping.usual_receipt(body, id_mode)
    if quick is not None:
        assert thorough is not None
        for name in ("provider_message_id", "state", "error", "done_at_ms"):
            assert getattr(quick, name) == getattr(thorough, name), name
    if thorough is None:
        return None
    return thorough.provider_message_id, thorough.state, thorough.error


@pytest.mark.parametrize(
    "tlvs",
    [b"", STATE_TLV, ID_TLV, ID_TLV + STATE_TLV, STATE_TLV + ID_TLV,
     ID_TLV + STATE_TLV + encode_tlv(Tag.NETWORK_ERROR_CODE, b"\x03\0\0")],
)  # fmt: skip
def test_the_usual_receipt_is_read_at_one_look(tlvs: bytes) -> None:
    body = deliver_body(USUAL_TEXT, tlvs)

    assert mapping.usual_receipt(body, "as_is") is not None
    assert read(body) == ("1a2b", MessageState.DELIVERED, "")


@pytest.mark.parametrize(
    "body",
    [
        deliver_body(USUAL_TEXT, encode_tlv(Tag.RECEIPTED_MESSAGE_ID, b"other\0")),
        deliver_body(USUAL_TEXT, encode_tlv(Tag.RECEIPTED_MESSAGE_ID, b"9z9z\0")),
        deliver_body(USUAL_TEXT, ID_TLV + encode_tlv(Tag.RECEIPTED_MESSAGE_ID, b"other\0")),
        deliver_body(
            USUAL_TEXT,
            encode_tlv(Tag.RECEIPTED_MESSAGE_ID, b"other\0") + encode_tlv(0x1400, ID_TLV),
        ),
        deliver_body(USUAL_TEXT, esm_class=0),
        deliver_body(USUAL_TEXT.replace(b"DELIVRD", b"ARRIVED")),
        deliver_body(USUAL_TEXT.replace(b"id:1a2b", b"id:1a\n2b,")),
        deliver_body(USUAL_TEXT.replace(b"text:", b"and more ")),
    ],
)
def test_what_is_not_quite_usual_is_left_to_the_thorough_reader(body: bytes) -> None:
    assert mapping.usual_receipt(body, "as_is") is None
    assert read(body) is not None


@pytest.mark.parametrize(
    ("stat", "state"),
    [
        (b"DELIVRD", MessageState.DELIVERED), (b"DELIVERED", MessageState.DELIVERED),
        (b"delivrd", MessageState.DELIVERED), (b"UNDELIV", MessageState.FAILED),
        (b"EXPIRED", MessageState.EXPIRED), (b"DELETED", MessageState.CANCELLED),
        (b"REJECTD", MessageState.REJECTED), (b"ACCEPTD", MessageState.SENT),
        (b"ENROUTE", MessageState.SENT), (b"BUFFRED", MessageState.SENT),
        (b"SKIPPED", MessageState.FAILED), (b"UNKNOWN", MessageState.UNKNOWN),
        (b"ZUGESTELLT", MessageState.UNKNOWN),
    ],
)  # fmt: skip
def test_the_words_of_stat(stat: bytes, state: MessageState) -> None:
    assert read(deliver_body(USUAL_TEXT.replace(b"DELIVRD", stat))) == ("1a2b", state, "")


@pytest.mark.parametrize(
    ("text", "tlvs", "esm_class", "found"),
    [
        (b"id:7 stat:DELIVRD err:0", b"", 0x04, ("7", MessageState.DELIVERED, "")),
        (b"ID: 7 Stat: Undeliv Err: 0a1", b"", 0x44, ("7", MessageState.FAILED, "0a1")),
        (b"", ID_TLV + STATE_TLV, 0x00, ("1a2b", MessageState.DELIVERED, "")),
        (b"id:7 stat:EXPIRED err:000", ID_TLV, 0x04, ("1a2b", MessageState.EXPIRED, "")),
        (b"id:7 err:005", STATE_TLV, 0x04, ("7", MessageState.DELIVERED, "005")),
        (b"", encode_tlv(Tag.MESSAGE_PAYLOAD, USUAL_TEXT), 4, ("1a2b", MessageState.DELIVERED, "")),
        (b"", ID_TLV, 0x04, ("1a2b", MessageState.UNKNOWN, "")),
        (b"", ID_TLV + encode_tlv(Tag.MESSAGE_STATE, b""), 4, ("1a2b", MessageState.UNKNOWN, "")),
        (
            b"",
            ID_TLV + encode_tlv(Tag.MESSAGE_STATE, b"\xfe"),
            4,
            ("1a2b", MessageState.UNKNOWN, ""),
        ),
        (b"Hello, is my id: 7?", b"", 0x00, None),
        (b"Hello", b"", 0x04, None),
    ],
)
def test_unusual_receipts(
    text: bytes, tlvs: bytes, esm_class: int, found: tuple[str, MessageState, str] | None
) -> None:
    assert read(deliver_body(text, tlvs, esm_class)) == found


def test_an_endless_error_code_is_cut() -> None:
    found = read(deliver_body(USUAL_TEXT.replace(b"err:000", b"err:" + b"7" * 100)))
    assert found == ("1a2b", MessageState.DELIVERED, "7" * 32)


@pytest.mark.parametrize(
    ("text", "tlvs", "found"),
    [
        (b"id:1\x00a stat:DELIVRD err:0\x007", b"", ("1", MessageState.DELIVERED, "07")),
        (
            b"",
            encode_tlv(Tag.MESSAGE_PAYLOAD, b"id:" + b"9" * 300 + b" stat:DELIVRD"),
            ("9" * 255, MessageState.DELIVERED, ""),
        ),
        (
            b"stat:DELIVRD",
            encode_tlv(Tag.RECEIPTED_MESSAGE_ID, b"ab\0cd\0"),
            ("ab", MessageState.DELIVERED, ""),
        ),
    ],
)
def test_what_no_store_keeps_is_cut(
    text: bytes, tlvs: bytes, found: tuple[str, MessageState, str]
) -> None:
    assert read(deliver_body(text, tlvs)) == found


def test_endless_ids_of_answer_and_receipt_are_cut_alike() -> None:
    assert MOST_MESSAGE_ID_OCTETS == MOST_ID_CHARACTERS


def test_an_id_is_turned_by_both_readers() -> None:
    body = deliver_body(USUAL_TEXT.replace(b"1a2b", b"171"))
    assert read(body, "hex_to_dec") == ("ab", MessageState.DELIVERED, "")
    assert mapping.usual_receipt(body, "hex_to_dec") is not None

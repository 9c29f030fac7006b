"""Receipt text as peers write it."""

from datetime import UTC, datetime

import pytest

from protocols.smpp.codec import encode_tlv
from protocols.smpp.constants import Tag
from protocols.smpp.receipt_text import ReceiptText, decode_date, is_receipt, parse, render
from tests.support.smpp_vectors import vector

USUAL = (
    "id:0123456789abcdef sub:001 dlvrd:001 submit date:2611201200 done date:2611201201 "
    "stat:DELIVRD err:000 text:Hello world"
)


def ms(*moment: int) -> int:
    return round(datetime(*moment, tzinfo=UTC).timestamp() * 1000)


# --- parse --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "receipt"),
    [
        (
            USUAL,
            ReceiptText(
                "0123456789abcdef", "001", "001", "2611201200", "2611201201", "DELIVRD", "000",
                "Hello world",
            ),
        ),
        # Capital Text, seconds in the dates (Kannel, jSMPP).
        (
            "id:42 sub:001 dlvrd:000 submit date:261120120000 done date:261120120100 "
            "stat:UNDELIV err:034 Text:Hi",
            ReceiptText("42", "001", "000", "261120120000", "261120120100", "UNDELIV", "034", "Hi"),
        ),
        # No sub, no dlvrd, no text.
        (
            "id:7f3a submit date:2611201200 done date:2611201201 stat:EXPIRED err:000",
            ReceiptText("7f3a", "", "", "2611201200", "2611201201", "EXPIRED", "000", ""),
        ),
        # Spaces after the colons.
        (
            "id: 9-1 sub: 001 dlvrd: 001 submit date: 2611201200 done date: 2611201201 "
            "stat: DELIVRD err: 000 text: hello",
            ReceiptText("9-1", "001", "001", "2611201200", "2611201201", "DELIVRD", "000", "hello"),
        ),
        # Names in capitals, underscores, full years.
        (
            "ID:9 SUB:1 DLVRD:1 SUBMIT_DATE:20261120120000 DONE_DATE:20261120120100 "
            "STAT:delivered ERR:",
            ReceiptText("9", "1", "1", "20261120120000", "20261120120100", "DELIVERED", "", ""),
        ),
        # Letters and four digits in err, a UUID as id, a text that looks like a receipt.
        (
            "id:0f8b7f0e-29ae-4a8e-a6a7-3a2e6b9a2a11 sub:001 dlvrd:001 submit date:2611201200 "
            "done date:2611201201 stat:REJECTD err:0a1F text:id:1 stat:DELIVRD err:999",
            ReceiptText(
                "0f8b7f0e-29ae-4a8e-a6a7-3a2e6b9a2a11", "001", "001", "2611201200", "2611201201",
                "REJECTD", "0a1F", "id:1 stat:DELIVRD err:999",
            ),
        ),
        # The same without sub: the text still takes all that follows it.
        (
            "id:7 stat:REJECTD text: err:999 stat:DELIVRD ",
            ReceiptText("7", "", "", "", "", "REJECTD", "", "err:999 stat:DELIVRD "),
        ),
        # An empty field, an unusual order, a field twice, an odd state, a NUL at the end.
        (
            "stat:ACKED id:5 sub: dlvrd:001 stat:UNDELIV err:001\0",
            ReceiptText("5", "", "001", "", "", "ACKED", "001", ""),
        ),
        # No id in the text (it is in a TLV).
        ("stat:BUFFRED err:0", ReceiptText("", "", "", "", "", "BUFFRED", "0", "")),
        # Separated by line ends.
        (
            "id:5\r\nsub:001\r\ndlvrd:001\r\nstat:UNKNOWN\r\nerr:000",
            ReceiptText("5", "001", "001", "", "", "UNKNOWN", "000", ""),
        ),
        ("id:1 stat:", ReceiptText("1", "", "", "", "", "", "", "")),
    ],
)  # fmt: skip
def test_variants(text: str, receipt: ReceiptText) -> None:
    assert parse(text) == receipt
    assert parse(text.encode("latin-1")) == receipt


def test_a_receipt_with_octets_after_its_text() -> None:
    receipt = parse(USUAL.encode() + b"\x00\x1e\x00\x05\xff")

    assert receipt is not None
    assert receipt.stat == "DELIVRD"
    assert receipt.text == "Hello world\x00\x1e\x00\x05\xff"


@pytest.mark.parametrize(
    "text", ["", "hello", "mid:5 paid:7", "sub:001 dlvrd:001", "id: stat:", "stat", "err:5"]
)
def test_what_is_no_receipt(text: str) -> None:
    assert parse(text) is None


# --- render -------------------------------------------------------------------------------------


def test_a_receipt_is_written_letter_for_letter() -> None:
    octets = render(
        b"0123456789abcdef", 1, 1, ms(2026, 11, 20, 12, 0, 59), ms(2026, 11, 20, 12, 1),
        b"DELIVRD", b"000", "Hello world",
    )  # fmt: skip

    assert octets == USUAL.encode()
    assert octets == vector("deliver_sm_receipt").fields["short_message"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", b""),
        ("12345678901234567890", b"12345678901234567890"),
        ("123456789012345678901", b"12345678901234567890"),
        ("Grüße\n€ 😀", b"Gr??e?? ?"),
    ],
)
def test_of_the_text_twenty_printable_characters_go_out(text: str, written: bytes) -> None:
    assert render(b"1", 1, 0, 0, 0, b"UNDELIV", b"001", text).endswith(b" err:001 text:" + written)


def test_counts_have_three_digits() -> None:
    assert render(b"1", 12, 3, 0, 0, b"UNDELIV", b"001", "").startswith(
        b"id:1 sub:012 dlvrd:003 submit date:7001010000 done date:7001010000 "
    )


# --- dates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2611201201", (2026, 11, 20, 12, 1)),
        ("261120120145", (2026, 11, 20, 12, 1, 45)),
        ("202611201201", (2026, 11, 20, 12, 1)),
        ("20261120120145", (2026, 11, 20, 12, 1, 45)),
        ("2402290000", (2024, 2, 29, 0, 0)),
    ],
)
def test_dates(text: str, moment: tuple[int, ...]) -> None:
    assert decode_date(text) == ms(*moment)
    assert decode_date(text, 7200) == ms(*moment) - 7_200_000


@pytest.mark.parametrize(
    "text",
    ["", "0", "261120", "2613201201", "26112012014", "2611202401", "٢611201201", "0000000000"],
)
def test_what_is_no_date_is_zero(text: str) -> None:
    assert decode_date(text) == 0


# --- is_receipt ---------------------------------------------------------------------------------

ID_TLV = encode_tlv(Tag.RECEIPTED_MESSAGE_ID, b"42\0")
STATE_TLV = encode_tlv(Tag.MESSAGE_STATE, b"\2")


@pytest.mark.parametrize(
    ("esm_class", "tlvs", "short_message", "expected"),
    [
        (0x04, b"", USUAL.encode(), True),
        (0x44, b"", USUAL.encode(), True),  # with the UDH indicator
        (0x05, b"", USUAL.encode(), True),  # with a messaging mode
        (0x20, b"", USUAL.encode(), True),  # intermediate notification
        (0x04, ID_TLV, b"", True),
        (0x04, STATE_TLV, b"", True),
        (0x04, b"", b"stat:DELIVRD", True),
        (0x04, encode_tlv(Tag.MESSAGE_PAYLOAD, USUAL.encode()), b"", True),
        (0x04, b"", b"call me back", False),  # a handset's message with receipt bits
        (0x00, b"", USUAL.encode(), True),  # a receipt without them
        (0x00, ID_TLV, b"", True),
        (0x00, encode_tlv(Tag.MESSAGE_PAYLOAD, USUAL.encode()), b"", True),
        (0x00, STATE_TLV, b"call me back", False),
        (0x00, b"", b"my id: 5", False),
        (0x00, b"", b"stat:DELIVRD", False),
        (0x08, b"", b"call me back", False),  # acknowledgement by the handset
        (0x00, b"", b"", False),
    ],
)
def test_is_it_a_receipt(esm_class: int, tlvs: bytes, short_message: bytes, expected: bool) -> None:
    assert is_receipt(esm_class, tlvs, short_message) is expected

"""Charsets, headers and receipt text: what we write is what we read."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.sms_text import GSM_BASIC, GSM_EXTENSION, Alphabet, measure, split
from protocols.smpp.charset import DEFAULT_CHARSETS, decode, encode
from protocols.smpp.receipt_text import decode_date, is_receipt, parse, render
from protocols.smpp.udh import Concatenation, concatenation, encode_concatenation, encode_sar, sar

GSM_TEXT = st.text(st.sampled_from(GSM_BASIC.replace("\x1b", "") + "".join(GSM_EXTENSION)))
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLACE = st.tuples(st.integers(0, 0xFFFF), st.integers(1, 255), st.integers(1, 255)).filter(
    lambda place: place[2] <= place[1]
)
# 2026 to 2060, in whole minutes.
MINUTE_MS = st.integers(29_453_760, 47_335_680).map(lambda minute: minute * 60_000)


@given(GSM_TEXT)
def test_gsm_round_trip(text: str) -> None:
    assert decode(encode(text, Alphabet.GSM7), 0, "gsm") == text


@given(ANY_TEXT.filter(lambda text: not text.startswith(("\ufeff", "\ufffe"))))
def test_ucs2_round_trip(text: str) -> None:
    assert decode(encode(text, Alphabet.UCS2), 8, "gsm") == text


@given(st.text(st.one_of(st.sampled_from("a€[ж😀"), st.characters(exclude_categories=["Cs"]))))
def test_a_part_never_exceeds_the_octets_of_its_alphabet(text: str) -> None:
    alphabet, count = measure(text)
    parts = split(text, alphabet)

    assert len(parts) == count
    for part in parts:
        limit = 160 if alphabet == Alphabet.GSM7 else 140
        if count > 1:
            limit -= 7 if alphabet == Alphabet.GSM7 else 6
        assert len(encode(part, alphabet)) <= limit


@given(st.binary(max_size=60), st.integers(0, 255), st.sampled_from(sorted(DEFAULT_CHARSETS)))
def test_any_octets_are_text_or_passed_through_or_a_value_error(
    octets: bytes, data_coding: int, charset: str
) -> None:
    try:
        text = decode(octets, data_coding, charset)
    except ValueError:
        return
    assert (text is None) == (data_coding not in (0, 1, 3, 8))


@given(st.binary(max_size=60))
def test_gsm_octets_that_are_read_are_written_back(octets: bytes) -> None:
    try:
        text = decode(octets, 0, "gsm")
    except ValueError:
        return
    assert text is not None
    assert encode(text, Alphabet.GSM7) == octets


@given(PLACE, st.binary(max_size=20))
def test_concatenation_round_trip(place: tuple[int, int, int], text: bytes) -> None:
    reference, total, number = place

    header = encode_concatenation(reference, total, number)
    assert concatenation(header + text) == Concatenation(reference & 0xFF, total, number)
    assert sar(encode_sar(reference, total, number)) == Concatenation(reference, total, number)


@given(
    message_id=st.text("0123456789abcdef-", min_size=1, max_size=36),
    counts=st.tuples(st.integers(0, 255), st.integers(0, 255)),
    submitted_at_ms=MINUTE_MS,
    done_at_ms=MINUTE_MS,
    stat=st.sampled_from(["DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "UNKNOWN", "REJECTD"]),
    err=st.text("0123456789ABC", min_size=3, max_size=3),
    text=ANY_TEXT,
)
def test_receipt_round_trip(
    message_id: str,
    counts: tuple[int, int],
    submitted_at_ms: int,
    done_at_ms: int,
    stat: str,
    err: str,
    text: str,
) -> None:
    octets = render(
        message_id.encode(), *counts, submitted_at_ms, done_at_ms, stat.encode(), err.encode(), text
    )
    receipt = parse(octets)

    assert receipt is not None
    assert receipt.id == message_id
    assert (int(receipt.sub), int(receipt.dlvrd)) == counts
    assert decode_date(receipt.submit_date) == submitted_at_ms
    assert decode_date(receipt.done_date) == done_at_ms
    assert (receipt.stat, receipt.err) == (stat, err)
    assert len(receipt.text) == min(20, len(text))
    assert is_receipt(0x04, b"", octets)
    assert is_receipt(0x00, b"", octets)


@given(st.text(max_size=100))
def test_any_text_is_a_receipt_or_none(text: str) -> None:
    receipt = parse(text)

    assert receipt is None or receipt.id or receipt.stat


@given(st.text(st.sampled_from("0123456789²٢"), max_size=15), st.integers(-50_000, 50_000))
def test_any_text_is_a_date_or_zero(text: str, utc_offset_s: int) -> None:
    assert decode_date(text, utc_offset_s) >= 0

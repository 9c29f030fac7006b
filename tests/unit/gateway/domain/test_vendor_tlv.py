import pytest

from gateway.domain.vendor_tlv import PE_ID, TEMPLATE_ID, TM_ID, decode_texts, encode_texts


def test_octets() -> None:
    """5.3: tag, length, value; C-octet strings go without their NUL."""
    assert encode_texts({PE_ID: "1101", TM_ID: "1,2"}) == (
        b"\x14\x00\x00\x041101" + b"\x14\x02\x00\x031,2"
    )


def test_empty_texts_are_left_out() -> None:
    assert encode_texts({PE_ID: "", TEMPLATE_ID: "7"}) == b"\x14\x01\x00\x017"
    assert encode_texts({}) == b""


def test_what_is_encoded_is_decoded() -> None:
    texts = {PE_ID: "1101", TEMPLATE_ID: "1" * 255, TM_ID: "a,b"}
    assert decode_texts(encode_texts(texts)) == texts


@pytest.mark.parametrize(
    ("tlvs", "texts"),
    [
        (b"", {}),
        (b"\x14\x00\x00\x051101\0", {PE_ID: "1101"}),
        (b"\x14\x00\x00\x011\x14\x00\x00\x012", {PE_ID: "1"}),
        (b"\x14\x00\x00\x05110", {}),
        (b"\x14\x00\x00\x011\x14\x01", {PE_ID: "1"}),
        (b"\x14\x00\x00\x01\xff\x14\x01\x00\x011", {TEMPLATE_ID: "1"}),
        (b"\x14\x00\x00\x00", {PE_ID: ""}),
    ],
)
def test_what_peers_send(tlvs: bytes, texts: dict[int, str]) -> None:
    assert decode_texts(tlvs) == texts

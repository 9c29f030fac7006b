"""The quick readers of the hot path say what the thorough ones say, and no octets break either."""

import contextlib
from typing import TypeVar

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.account import Account, Credential
from gateway.domain.message import Submission
from gateway.domain.sms_text import GSM_BASIC, measure
from protocols.smpp import mapping
from protocols.smpp.codec import PduError, decode_sm, encode_deliver_sm, encode_tlv
from tests.support.clock import START_MS

CREDENTIAL = Credential(7, Account(1, "acme"), "esme")
T = TypeVar("T")
OCTET = st.integers(0, 255)
ID_MODES = st.sampled_from(["as_is", "hex_to_dec", "dec_to_hex"])


def ignore(token: object, result: object) -> None:
    """Takes an answer that never comes."""


def mostly(usual: st.SearchStrategy[T], other: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """One draw of twenty is of `other`: of a PDU with fifteen fields every second one is usual."""
    return st.integers(0, 19).flatmap(lambda n: other if n == 13 else usual)


# --- receipts -----------------------------------------------------------------------------------

LATIN1 = st.characters(max_codepoint=255)
IDS = mostly(st.text("0123456789abcdef", min_size=1, max_size=20), st.text(LATIN1, max_size=8))
STATS = mostly(
    st.sampled_from(["DELIVRD", "UNDELIV", "EXPIRED", "ENROUTE"]),
    st.sampled_from(["STRANGE", "delivrd", ""]),
)
ERRORS = mostly(
    st.sampled_from(["000", "0", "0000", "", "034", "0a1"]), st.text(LATIN1, max_size=40)
)
DATES = mostly(st.sampled_from(["2609211200", "20260921120000"]), st.text("0129x", max_size=14))
TAILS = mostly(
    st.text(LATIN1, max_size=10).map(" text:{}".format),
    st.sampled_from([" TEXT:x", "", " ", " text", " foo stat:EXPIRED"]),
)


@st.composite
def receipt_bodies(draw: st.DrawFn) -> bytes:
    """deliver_sm bodies with receipts that are usual, nearly so, or damaged."""
    message_id = draw(IDS)
    text = (
        f"id:{message_id} sub:001 dlvrd:001 submit date:2609211200 done date:{draw(DATES)}"
        f" stat:{draw(STATS)} err:{draw(ERRORS)}{draw(TAILS)}"
    ).encode("latin-1")[:254]
    own_id = (0x1E, message_id.encode("latin-1") + b"\0")
    tlv_lists = mostly(
        st.sampled_from(
            [
                [],
                [own_id],
                [own_id, (0x0427, b"\2")],
                [(0x0427, b"\5"), own_id, (0x0423, b"\3\0\1")],
            ]
        ),
        st.lists(
            st.one_of(
                st.just(own_id),
                st.just((0x1E, own_id[1][:-1])),
                st.tuples(st.sampled_from([0x1E, 0x0427, 0x0423, 0x0424]), st.binary(max_size=5)),
                st.just((0x1400, encode_tlv(*own_id))),
            ),
            max_size=4,
        ),
    )
    tlvs = b"".join(encode_tlv(tag, value) for tag, value in draw(tlv_lists))
    pdu = encode_deliver_sm(
        1, draw(OCTET), draw(OCTET), b"37120000001", 5, 0, b"ACME",
        draw(mostly(st.just(4), OCTET)), draw(OCTET), text, tlvs,
    )  # fmt: skip
    body = bytearray(pdu[16:])
    if draw(mostly(st.just(False), st.just(True))):
        body[draw(st.integers(0, len(body) - 1))] = draw(OCTET)
    return bytes(body)


@given(receipt_bodies(), ID_MODES)
def test_the_quick_receipt_is_the_thorough_one(body: bytes, id_mode: str) -> None:
    quick = mapping.usual_receipt(body, id_mode)
    if quick is None:
        return
    thorough = mapping.receipt(decode_sm(body), id_mode)

    assert thorough is not None
    for name in thorough.__slots__:
        assert getattr(quick, name) == getattr(thorough, name), name


@given(st.one_of(st.binary(max_size=80), receipt_bodies()), ID_MODES)
def test_no_deliver_sm_breaks_the_readers(body: bytes, id_mode: str) -> None:
    mapping.usual_receipt(body, id_mode)
    with contextlib.suppress(PduError):
        mapping.receipt(decode_sm(body), id_mode)


# --- submit_sm ----------------------------------------------------------------------------------

C_STRINGS = st.binary(max_size=22).map(lambda octets: octets.replace(b"\0", b""))
ADDRESSES = mostly(st.sampled_from([b"ACME", b"+37120000001", b"3712000001"]), C_STRINGS)
TEXTS = mostly(
    st.text(GSM_BASIC[32:], max_size=160).map(lambda text: text.encode("latin-1", "ignore")),
    st.one_of(st.sampled_from([b"", b"{}", b"\0", b"a" * 161]), st.binary(max_size=170)),
)
TIMES = mostly(st.just(b""), st.sampled_from([b"000000010000000R", b"x"]))
ZERO = mostly(st.just(0), OCTET)


@st.composite
def submit_bodies(draw: st.DrawFn) -> bytes:
    """submit_sm bodies, most of them plain, without regard for the standard's limits."""
    text = draw(TEXTS)
    length = len(text) + draw(mostly(st.just(0), st.sampled_from([1, -1])))
    return b"%b\0%c%c%b\0%c%c%b\0%c%c%c%b\0%b\0%c%c%c%c%c%b%b" % (
        draw(mostly(st.just(b""), C_STRINGS)), draw(OCTET), draw(OCTET), draw(ADDRESSES),
        draw(OCTET), draw(OCTET), draw(ADDRESSES), draw(ZERO), draw(OCTET),
        draw(mostly(st.integers(0, 3), OCTET)), draw(TIMES), draw(TIMES), draw(OCTET),
        draw(OCTET), draw(ZERO), draw(OCTET), length % 256, text,
        draw(mostly(st.just(b""), st.sampled_from([b"\0", encode_tlv(0x0204, b"ab")]))),
    )  # fmt: skip


def thorough_submission(body: bytes, charset: str) -> Submission:
    return mapping.submission(decode_sm(body), CREDENTIAL, charset, lambda: START_MS, ignore, 7)


@given(submit_bodies(), st.sampled_from(["gsm", "latin1", "ascii", "utf8"]))
@example(b"\0\5\0ACME\0\1\1+371200\0\0\0\0\0\0\1\0\0\0\5hello", "gsm")
def test_the_quick_submission_is_the_thorough_one(body: bytes, charset: str) -> None:
    quick = mapping.usual_submission(body, CREDENTIAL, ignore, 7)
    if quick is None:
        return
    thorough = thorough_submission(body, charset)

    assert quick[1] == decode_sm(body).destination_addr
    assert quick[0].measured == measure(thorough.text or "")
    for name in set(Submission.__slots__) - {"render", "idempotency", "measured"}:
        assert getattr(quick[0], name) == getattr(thorough, name), name


@given(st.one_of(st.binary(max_size=80), submit_bodies()))
def test_no_submit_sm_breaks_the_readers(body: bytes) -> None:
    mapping.usual_submission(body, CREDENTIAL, ignore, 7)
    with contextlib.suppress(PduError):
        thorough_submission(body, "gsm")

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.vendor_tlv import decode_texts, encode_texts
from protocols.exotel.answers import JSON_ANSWERS, XML_ANSWERS, SmsMessage
from protocols.exotel.contract import (
    MAX_BODY_LENGTH,
    MAX_MESSAGES,
    SendRequest,
    parse_bulk_send,
    parse_send,
)
from protocols.exotel.dialect import ExotelDialect, ExotelUpstream
from protocols.exotel.faults import Rejected
from protocols.exotel.numbers import read_recipient, show_recipient
from protocols.http.guard import UrlGuard
from tests.support.upstream import make_message

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
NAMES = [
    "From", "To", "Body", "EncodingType", "Priority", "StatusCallback", "CustomField", "SmsType",
    "StatusCallbackContentType", "DltEntityId", "DltTemplateId", "BindingChainDetails",
    "ShortenUrl", "ShortenUrlParams", "Messages", "Message", "sms",
]  # fmt: skip
FIELDS = st.dictionaries(st.sampled_from(NAMES), JSON_VALUES)
ENTRIES = st.lists(FIELDS | JSON_VALUES, max_size=3)
CHECK_URL = UrlGuard().check_url
DIALECT = ExotelDialect(
    ExotelUpstream(base_url="https://x", account_sid="a", api_key="k", api_token="t")
)


def parsed(parse: Callable[[], SendRequest]) -> SendRequest | None:
    try:
        return parse()
    except Rejected:
        return None


@given(FIELDS, ENTRIES)
def test_any_fields_give_a_request_or_a_fault(fields: dict[str, Any], entries: list[Any]) -> None:
    for request in (
        parsed(lambda: parse_send(fields, CHECK_URL)),
        parsed(lambda: parse_bulk_send({**fields, "Messages": entries}, CHECK_URL, "ACME")),
    ):
        if request is None:
            continue
        assert 1 <= len(request.entries) <= MAX_MESSAGES
        for entry in request.entries:
            assert len(entry.text) <= MAX_BODY_LENGTH
            assert entry.flaw or (entry.sender and entry.text.strip())


@given(st.text(alphabet=st.characters()), st.text())
def test_any_text_makes_an_answer_that_can_be_read(text: str, number: str) -> None:
    shown = SmsMessage("5f", "acme1", "/A", number, 1, 1, 0, text, "queued", 21010)
    assert json.loads(JSON_ANSWERS.message(shown))["SMSMessage"]["Body"] == text
    root = ElementTree.fromstring(XML_ANSWERS.message(shown))  # noqa: S314 our own answer
    assert len(root.findtext("Body") or "") == len(text)


@given(st.from_regex("[1-9][0-9]{6,14}", fullmatch=True))
def test_numbers_are_shown_and_read_back(digits: str) -> None:
    assert read_recipient(show_recipient(digits)) == digits


@given(st.dictionaries(st.integers(0x1400, 0x3FFF), st.from_regex(r"[!-~]{1,64}", fullmatch=True)))
def test_tlvs_are_read_back(texts: dict[int, str]) -> None:
    assert decode_texts(encode_texts(texts)) == texts


@given(st.binary())
def test_any_tlvs_can_be_read(tlvs: bytes) -> None:
    for text in decode_texts(tlvs).values():
        assert text.isascii()


@given(st.integers(100, 599), st.binary() | JSON_VALUES.map(lambda v: json.dumps(v).encode()))
def test_any_answer_gives_one_outcome_per_message(status: int, body: bytes) -> None:
    messages = [make_message(recipient="4179"), make_message(recipient="4178")]
    assert len(DIALECT.read_sent(messages, status, {}, body)) == 2


@given(st.text(), st.binary() | FIELDS.map(lambda v: json.dumps(v).encode()))
def test_any_callback_is_read_or_counted(query: str, body: bytes) -> None:
    read = DIALECT.read_callback(query, {}, body)
    assert len(read.receipts) + read.unreadable >= (0 if body.lstrip()[:1] == b"[" else 1)

"""The door's answers, as XML and as JSON (1.5, 2.1, 3.1 to 3.5): one object renders each.

A list is put together from messages rendered one by one, because each is kept for itself.
"""

import json
import re
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii
from typing import NamedTuple, Protocol

from protocols.exotel.faults import Fault
from protocols.exotel.statuses import DETAILS
from protocols.exotel.times import EPOCH, write_time

PREFIX = "/v1/Accounts"
NO_MATCH = "No matching results"


class SmsMessage(NamedTuple):
    """The 16 fields of `SMSMessage`.  Times are UTC milliseconds, 0 = unset.

    `sid` is empty for a message that was refused.  `sender` and `recipient` are as the vendor shows
    them.  `price_micros` and `units` are None until the end.
    """

    sid: str
    account_sid: str
    sender: str
    recipient: str
    created_at_ms: int
    updated_at_ms: int
    sent_at_ms: int
    text: str
    status: str
    code: int
    price_micros: int | None = None
    units: int | None = None


class Answers(Protocol):
    """One format of answers."""

    @property
    def media_type(self) -> str:
        """For Content-Type."""

    def message(self, shown: SmsMessage) -> bytes:
        """A message, to be given to `one` or `many`."""

    def one(self, message: bytes) -> bytes:
        """The answer that is one message."""

    def many(self, messages: Sequence[bytes]) -> bytes:
        """The answer that is a list of messages."""

    def no_match(self) -> bytes:
        """The answer to an unknown Sid (3.4)."""

    def account(self, account_sid: str) -> bytes:
        """The account probe (3.5)."""

    def fault(self, fault: Fault, *, with_code: bool) -> bytes:
        """An error; `with_code`: its numeric code stands in it, if it has one."""


class JsonAnswers:
    """`.json`."""

    media_type = "application/json"

    def message(self, shown: SmsMessage) -> bytes:
        """An object with the one member `SMSMessage`."""
        sid, text = shown.sid, encode_basestring_ascii
        uri = text(f"{_uri(shown)}.json") if sid else '""'
        sent = f'"{write_time(shown.sent_at_ms)}"' if shown.sent_at_ms else "null"
        price = f'"{_price(shown.price_micros)}"' if shown.price_micros is not None else "null"
        return (
            f'{{"SMSMessage":{{"Sid":{text(sid) if sid else "null"},'
            f'"AccountSid":{text(shown.account_sid)},'
            f'"From":{text(shown.sender)},"To":{text(shown.recipient)},'
            f'"DateCreated":"{write_time(shown.created_at_ms)}",'
            f'"DateUpdated":"{write_time(shown.updated_at_ms)}","DateSent":{sent},'
            f'"Body":{text(shown.text)},"Direction":"outbound-api","Uri":{uri},'
            f'"ApiVersion":null,"Price":{price},"Status":"{shown.status}",'
            f'"SmsUnits":{"null" if shown.units is None else shown.units},'
            f'"DetailedStatusCode":{shown.code},"DetailedStatus":"{DETAILS[shown.code]}"}}}}'
        ).encode("ascii")

    def one(self, message: bytes) -> bytes:
        """The object itself."""
        return message

    def many(self, messages: Sequence[bytes]) -> bytes:
        """A top-level array (3.2)."""
        return b"[%b]" % b",".join(messages)

    def no_match(self) -> bytes:
        """The text as `Message`."""
        return _json({"Message": NO_MATCH})

    def account(self, account_sid: str) -> bytes:
        """Sid and status."""
        return _json({"Account": {"Sid": account_sid, "Status": "active"}})

    def fault(self, fault: Fault, *, with_code: bool) -> bytes:
        """A `RestException`; `Status` is a number."""
        members: dict[str, object] = {"Status": fault.status, "Message": fault.message}
        if with_code and fault.code:
            members["Code"] = fault.code
        return _json({"RestException": members})


class XmlAnswers:
    """The default.  Elements stand in the order of a real exchange, empty ones are written."""

    media_type = "application/xml"

    def message(self, shown: SmsMessage) -> bytes:
        """An `SMSMessage` element."""
        text = _xml_text
        sent = write_time(shown.sent_at_ms) if shown.sent_at_ms else EPOCH
        price = _price(shown.price_micros) if shown.price_micros is not None else ""
        return (
            f" <SMSMessage>\n  <Sid>{shown.sid}</Sid>\n"
            f"  <AccountSid>{text(shown.account_sid)}</AccountSid>\n"
            f"  <From>{text(shown.sender)}</From>\n  <To>{text(shown.recipient)}</To>\n"
            f"  <DateCreated>{write_time(shown.created_at_ms)}</DateCreated>\n"
            f"  <DateUpdated>{write_time(shown.updated_at_ms)}</DateUpdated>\n"
            f"  <DateSent>{sent}</DateSent>\n"
            f"  <Body>{text(shown.text)}</Body>\n  <Direction>outbound-api</Direction>\n"
            f"  <Uri>{text(_uri(shown)) if shown.sid else ''}</Uri>\n"
            f"  <ApiVersion></ApiVersion>\n  <Price>{price}</Price>\n"
            f"  <Status>{shown.status}</Status>\n"
            f"  <SmsUnits>{'' if shown.units is None else shown.units}</SmsUnits>\n"
            f"  <DetailedStatusCode>{shown.code}</DetailedStatusCode>\n"
            f"  <DetailedStatus>{DETAILS[shown.code]}</DetailedStatus>\n </SMSMessage>\n"
        ).encode()

    def one(self, message: bytes) -> bytes:
        """In its document."""
        return _document(message)

    def many(self, messages: Sequence[bytes]) -> bytes:
        """Several elements under one root (3.2)."""
        return _document(b"".join(messages))

    def no_match(self) -> bytes:
        """The text as `Message`."""
        return _document(b" <Message>%b</Message>\n" % NO_MATCH.encode())

    def account(self, account_sid: str) -> bytes:
        """Sid and status."""
        sid = _xml_text(account_sid).encode()
        return _document(
            b" <Account>\n  <Sid>%b</Sid>\n  <Status>active</Status>\n </Account>\n" % sid
        )

    def fault(self, fault: Fault, *, with_code: bool) -> bytes:
        """A `RestException`."""
        code = f"  <Code>{fault.code}</Code>\n" if with_code and fault.code else ""
        return _document(
            (
                f" <RestException>\n  <Status>{fault.status}</Status>\n"
                f"  <Message>{_xml_text(fault.message)}</Message>\n{code} </RestException>\n"
            ).encode()
        )


JSON_ANSWERS: Answers = JsonAnswers()
XML_ANSWERS: Answers = XmlAnswers()


def answers_for(path: str) -> Answers:
    """The format a path asks for: its suffix alone decides (1.3)."""
    return JSON_ANSWERS if path.endswith(".json") else XML_ANSWERS


_json_encoder = json.JSONEncoder(separators=(",", ":"))  # ASCII: a lone surrogate is escaped


def _json(value: object) -> bytes:
    return _json_encoder.encode(value).encode("ascii")


def _uri(shown: SmsMessage) -> str:
    return f"{PREFIX}/{shown.account_sid}/SMS/Messages/{shown.sid}"


def _price(micros: int) -> str:
    """Six decimals, as a string of the vendor's has."""
    sign = "-" if micros < 0 else ""
    return f"{sign}{abs(micros) // 1_000_000}.{abs(micros) % 1_000_000:06d}"


_XML_ESCAPES = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#xA;", "\r": "&#xD;",
    "\t": "&#x9;",
}  # fmt: skip
_XML_SPECIAL = re.compile('[&<>"\n\r\t]')
# XML 1.0 2.2: what no document can hold, not even escaped; a form feed is in GSM 03.38.
_XML_UNUSABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _xml_text(text: str) -> str:
    usable = _XML_UNUSABLE.sub("\ufffd", text)
    return _XML_SPECIAL.sub(lambda found: _XML_ESCAPES[found[0]], usable)


def _document(content: bytes) -> bytes:
    return (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<TwilioResponse>\n%b</TwilioResponse>\n' % content
    )

"""The requests of the Exotel SMS API v1 as pure shapes: what they must be, what they ask for.

The vendor's documents are the law; a rule without a source there is marked "inferred" in our
contract.  Nothing here knows HTTP or the heart's ports.
"""

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from gateway.domain.sms_text import is_storable
from gateway.domain.vendor_tlv import PE_ID, TEMPLATE_ID, TM_ID, encode_texts
from protocols.exotel import faults, statuses
from protocols.exotel.faults import Fault, Rejected

MAX_BODY_LENGTH = 2000  # characters (Unicode code points)
MAX_MESSAGES = 100  # of one request
MAX_CUSTOM_LENGTH = 2000  # characters of CustomField; ours, the vendor names none
MAX_DLT_LENGTH = 255  # characters of a DLT field; ours
MIN_EXPIRY_MIN, MAX_EXPIRY_MIN = 1440, 365 * 1440  # of a short link

SMS_TYPES = ("", "transactional", "transactional_opt_in", "promotional")
_PRIORITIES = {"": 1, "normal": 1, "high": 2}  # classes of the heart
_ENCODINGS = {"": False, "plain": False, "unicode": True}
_FLAGS = {"": False, "false": False, "true": True}
_CALLBACK_TYPES = {"": False, "application/x-www-form-urlencoded": False, "application/json": True}
_MESSAGE_LISTS = ("Messages", "Message", "sms")  # 3.3: documented, vendor's tool, newest page

Fields = Mapping[str, object]
CheckUrl = Callable[[str], object]  # raises ValueError
_Value = TypeVar("_Value")


class StatusCallback(NamedTuple):
    """Where the end of a message is told (5.1).  `custom_field` None = none was given."""

    url: str
    is_json: bool
    custom_field: str | None

    def door_text(self) -> str:
        """What is kept with the message."""
        return json.dumps(self, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def of_door_text(cls, text: str) -> "StatusCallback":
        """What `door_text` gave.  Raises ValueError: it is something else."""
        try:
            return cls(*json.loads(text))
        except TypeError as error:
            raise ValueError("no status callback") from error


class Options(NamedTuple):
    """What holds for every message of a request.

    `priority` is a class of the heart.  `door_text` is kept with each; empty = nobody is told of
    its end.
    """

    is_unicode: bool
    priority: int
    door_text: str


class Entry(NamedTuple):
    """One message as asked for.

    `flaw` is the detailed status of an entry that cannot be
    sent; then the other fields are what could be read of it, for the answer.
    """

    recipient: str
    text: str
    sender: str
    sms_type: str = ""
    tlvs: bytes = b""
    flaw: int = 0


class SendRequest(NamedTuple):
    """A readable request.  `is_list`: it is answered with a list, whatever its length."""

    entries: list[Entry]
    is_list: bool
    options: Options


# --- the two sends ------------------------------------------------------------------------------


def parse_send(fields: Fields, check_url: CheckUrl) -> SendRequest:
    """POST Sms/send (3.1), also with several numbers (3.2).  Raises Rejected."""
    missing = faults.FROM_EMPTY if "From" in fields else faults.FROM_MISSING
    sender = _required(_sender(fields), missing)
    recipients, is_list = _recipients(fields.get("To"))
    text = _body(fields)
    options = _options(fields, check_url)
    sms_type, tlvs = _sms_type(fields), _tlvs(fields)
    entries = [Entry(recipient, text, sender, sms_type, tlvs) for recipient in recipients]
    return SendRequest(entries, is_list, options)


def parse_bulk_send(fields: Fields, check_url: CheckUrl, default_sender: str) -> SendRequest:
    """POST Sms/bulksend (3.3); `default_sender` is the account's.

    A bad entry stops no other; what is wrong outside of them is wrong for all.  Raises Rejected.
    """
    items = _messages(fields)
    outer = {"From": _sender(fields) or default_sender, "DltEntityId": fields.get("DltEntityId")}
    _tlvs(outer)
    options = _options(fields, check_url)
    return SendRequest([_entry(item, outer) for item in items], True, options)


def _messages(fields: Fields) -> list[object]:
    value = next((fields[name] for name in _MESSAGE_LISTS if fields.get(name) is not None), None)
    if value is None:
        raise Rejected(faults.MESSAGES_MISSING)
    if isinstance(value, dict) and all(key.isdecimal() for key in value):
        value = list(value.values())  # a form whose indexes have gaps
    if not isinstance(value, list):
        raise Rejected(faults.MESSAGES_NO_ARRAY)
    if not value:
        raise Rejected(faults.MESSAGES_MISSING)
    if len(value) > MAX_MESSAGES:
        raise Rejected(faults.TOO_MANY_MESSAGES)
    return value


def _entry(item: object, outer: Fields) -> Entry:
    """One message of a bulk; it inherits what stands outside."""
    if not isinstance(item, dict):
        return Entry("", "", "", flaw=statuses.INVALID_MESSAGE)
    fields = {**outer, **{name: value for name, value in item.items() if value not in ("", None)}}
    flaw = statuses.INVALID_SENDER
    try:
        sender = _required(_sender(fields), faults.FROM_MISSING)
        flaw = statuses.INVALID_NUMBER
        recipient = _required(_number(fields.get("To")), faults.NUMBERS_INVALID)
        flaw = statuses.INVALID_MESSAGE
        return Entry(recipient, _body(fields), sender, _sms_type(fields), _tlvs(fields))
    except Rejected:
        recipient, text, sender = (_shown(fields.get(name)) for name in ("To", "Body", "From"))
        return Entry(recipient, text[:MAX_BODY_LENGTH], sender, flaw=flaw)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else ""


# --- parameters ---------------------------------------------------------------------------------


def _required(text: str, missing: Fault) -> str:
    if not text:
        raise Rejected(missing)
    return text


def _sender(fields: Fields) -> str:
    value = fields.get("From")
    return _text(_unquoted(value)).strip()


def _recipients(value: object) -> tuple[list[str], bool]:
    """The numbers, and whether they were written as a list (3.2: five ways)."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        recipients, is_list = [_number(item) for item in value], True
    else:
        text = _number(value)
        is_list = "," in text
        recipients = [part.strip() for part in text.split(",") if part.strip()]
    if not recipients:
        raise Rejected(faults.BODY_INVALID)
    if len(recipients) > MAX_MESSAGES:
        raise Rejected(faults.TOO_MANY_NUMBERS)
    return recipients, is_list


def _number(value: object) -> str:
    return _text(_unquoted(value)).strip()


def _unquoted(value: object) -> object:
    """JSON clients write numbers and numeric senders without quotes; 5.0 is the integer 5."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 64
    return str(value) if is_number else value


def _body(fields: Fields) -> str:
    text = _text(fields.get("Body"))
    if not text.strip():
        raise Rejected(faults.BODY_EMPTY)
    if len(text) > MAX_BODY_LENGTH:
        raise Rejected(faults.BODY_INVALID)
    return text


def _options(fields: Fields, check_url: CheckUrl) -> Options:
    is_unicode = _choice(fields, "EncodingType", _ENCODINGS, faults.ENCODING_UNKNOWN)
    priority = _choice(fields, "Priority", _PRIORITIES)
    callback = _status_callback(fields, check_url)
    _check_short_links(fields, check_url)
    return Options(is_unicode, priority, "" if callback is None else callback.door_text())


def _sms_type(fields: Fields) -> str:
    sms_type = _text(fields.get("SmsType"))
    if sms_type not in SMS_TYPES:
        raise Rejected(faults.SMS_TYPE_UNKNOWN)
    return sms_type


def _tlvs(fields: Fields) -> bytes:
    """The DLT fields as carriers take them; BindingChainDetails as the vendor takes it."""
    return encode_texts(
        {
            PE_ID: _dlt_text(fields, "DltEntityId"),
            TEMPLATE_ID: _dlt_text(fields, "DltTemplateId"),
            TM_ID: _dlt_text(fields, "BindingChainDetails"),
        }
    )


def _dlt_text(fields: Fields, name: str) -> str:
    text = _text(fields.get(name)).strip()
    if len(text) > MAX_DLT_LENGTH or not (text.isascii() and text.isprintable()):
        raise Rejected(faults.BODY_INVALID)
    return text


def _status_callback(fields: Fields, check_url: CheckUrl) -> StatusCallback | None:
    url = _url(fields, "StatusCallback", check_url)
    content_type = _text(fields.get("StatusCallbackContentType"))
    is_json = _CALLBACK_TYPES.get(content_type.partition(";")[0].strip().lower())
    custom_field = _text(fields.get("CustomField")) if fields.get("CustomField") else None
    if is_json is None or len(custom_field or "") > MAX_CUSTOM_LENGTH:
        raise Rejected(faults.BODY_INVALID)
    return StatusCallback(url, is_json, custom_field) if url else None


def _check_short_links(fields: Fields, check_url: CheckUrl) -> None:
    """ShortenUrl must not be wanted: no account has short links (3.1: "must be enabled")."""
    if _flag(fields, "ShortenUrl"):
        raise Rejected(faults.BODY_INVALID)
    parameters = fields.get("ShortenUrlParams")
    if parameters is None or parameters in ("", []):
        return
    if not isinstance(parameters, dict):
        raise Rejected(faults.BODY_INVALID)
    for name in ("Header", "CustomDomain"):
        _text(parameters.get(name))
    _flag(parameters, "Tracking")
    _url(parameters, "ClickTrackingCallbackUrl", check_url)
    value = parameters.get("TimeToExpiry")
    minutes = _text(_unquoted(value)).strip()
    if minutes and not (
        minutes.isascii()
        and minutes.isdecimal()
        and len(minutes) < 9
        and MIN_EXPIRY_MIN <= int(minutes) <= MAX_EXPIRY_MIN
    ):
        raise Rejected(faults.BODY_INVALID)


def _flag(fields: Fields, name: str) -> bool:
    value = fields.get(name)
    return value if isinstance(value, bool) else _choice(fields, name, _FLAGS)


def _url(fields: Fields, name: str, check_url: CheckUrl) -> str:
    url = _text(fields.get(name)).strip()
    if url:
        try:
            check_url(url)
        except ValueError:
            raise Rejected(faults.BODY_INVALID) from None
    return url


def _choice(
    fields: Fields,
    name: str,
    choices: Mapping[str, _Value],
    fault: Fault = faults.BODY_INVALID,
) -> _Value:
    """What an enumerated parameter means; an empty one counts as left out."""
    text = _text(fields.get(name))
    if text not in choices:
        raise Rejected(fault)
    return choices[text]


def _text(value: object) -> str:
    """A string parameter; absent and JSON null are the empty text.  Raises Rejected."""
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        raise Rejected(faults.ARRAY_GIVEN)
    if not isinstance(value, str) or not is_storable(value):
        raise Rejected(faults.BODY_INVALID)
    return value

"""EasySendSMS REST API v1, HLR and NV queries, as pure shapes (3.3, 3.4)."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.domain.lookup import HlrRecord, NumberKind, NumberRecord, Subscriber
from protocols.easysendsms import errors
from protocols.easysendsms.contract import distinct_entries, is_number

_NV_NUMBER = re.compile(r"[1-9][0-9]{8,14}")  # NV alone asks for nine digits


class SubscriberWords(NamedTuple):
    """How 3.3 calls what was found: `err_code`, `err_desc` and `status`."""

    code: str
    text: str
    status: str = "Delivered"


SUBSCRIBERS: dict[Subscriber, SubscriberWords] = {
    Subscriber.LIVE: SubscriberWords("0", "Live"),
    Subscriber.DEAD: SubscriberWords("1", "Dead"),
    Subscriber.INCONCLUSIVE: SubscriberWords("5", "Inconclusive", "Undelivered"),
    Subscriber.NO_TELESERVICE: SubscriberWords("11", "No Teleservice Provisioned"),
    Subscriber.ABSENT: SubscriberWords("27", "Absent Subscriber"),
    Subscriber.UNSUPPORTED: SubscriberWords("999", "Number Not Supported", "Undelivered"),
}
_HLR_TYPES = {
    NumberKind.FIXED: "Landline",
    NumberKind.MOBILE: "Mobile",
    NumberKind.SERVICE: "",
    NumberKind.UNKNOWN: "",
}
_NV_TYPES = {
    NumberKind.FIXED: "FIXED",
    NumberKind.MOBILE: "MOBILE",
    NumberKind.SERVICE: "SUPPLEMENTARY SERVICES",
    NumberKind.UNKNOWN: "",
}
_TRUTH = {True: "True", False: "False", None: ""}


def parse_query(fields: Mapping[str, object], endpoint: errors.Endpoint) -> list[str] | int:
    """The distinct entries of `number`, or the code of what is wrong.

    A lone entry must be a number; of several, those that are none have their places in the answer.
    """
    value = fields.get("number")
    if value is None:
        return errors.MISSING_PARAMETER
    entries = distinct_entries(value)
    if entries is None:
        return errors.BAD_NUMBER
    if len(entries) == 1 and not is_queried(entries[0], endpoint):
        return errors.BAD_NUMBER
    return entries


def is_queried(entry: str, endpoint: errors.Endpoint) -> bool:
    """Whether `entry` has the form of a number at this endpoint."""
    if endpoint is errors.Endpoint.NV:
        return _NV_NUMBER.fullmatch(entry) is not None
    return is_number(entry)


def render_hlr(entries: Sequence[str], records: Mapping[str, HlrRecord]) -> bytes:
    """An object keyed by entry; those without a record are not supported."""
    return _json({entry: _hlr_fields(entry, records.get(entry)) for entry in entries})


def _hlr_fields(entry: str, record: HlrRecord | None) -> dict[str, str]:
    if record is None or record.subscriber is Subscriber.UNSUPPORTED:
        record = HlrRecord(entry, Subscriber.UNSUPPORTED)
    words = SUBSCRIBERS[record.subscriber]
    is_landline = record.kind is NumberKind.FIXED
    return {
        "number": entry,
        "country": record.country,
        "err_desc": words.text,
        "operatorName": record.operator or "Unknown",
        "type": _HLR_TYPES[record.kind],
        "mccmnc": record.mccmnc or ("-" if is_landline else ""),
        "roaming": _TRUTH[record.is_roaming],
        "err_code": words.code,
        "status": words.status,
        "ported": _TRUTH[record.is_ported],
    }


def render_nv(entries: Sequence[str], records: Mapping[str, NumberRecord]) -> bytes:
    """`results` in the order of the request; entries without a record are invalid."""
    return _json({"results": [_nv_fields(entry, records.get(entry)) for entry in entries]})


def _nv_fields(entry: str, record: NumberRecord | None) -> dict[str, str]:
    if record is None:
        return {"status": "INVALID", **_NOTHING, "msisdn": entry}
    return {
        "status": "VALID",
        "country": record.country,
        "iso3166_2": record.region,
        "cc": record.country_code,
        "netName": record.network,
        "mcc": record.mcc,
        "mnc": record.mnc,
        "operator": record.network,
        "type": _NV_TYPES[record.kind],
        "netType": "",  # whatever network serves it now: no numbering plan says
        "msisdn": entry,
    }


_NOTHING = dict.fromkeys(
    ("country", "iso3166_2", "cc", "netName", "mcc", "mnc", "operator", "type", "netType"), ""
)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")

"""The vendors' APIs as the load sends to them: one request, and how many its answer accepted."""

import base64
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from urllib.parse import urlencode

from benchmarks.esme import TEXT

ACCOUNT_SID = API_KEY = "bench"


class Api(StrEnum):
    """Whose API."""

    EXOSEND = "exosend"
    EXOTEL = "exotel"
    MESMS = "mesms"
    EASYSENDSMS = "easysendsms"


def render_request(api: Api, port: int, token: str, numbers: Sequence[str], sender: str) -> bytes:
    """A send to `numbers`, E.164 digits: the single one for one of them, else the bulk one."""
    path, header, content_type, body = _REQUESTS[api](token, numbers, sender)
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{header}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode("ascii")


def accepted(api: Api, status: int, body: bytes) -> int:
    """How many recipients the answer accepted."""
    if status != (201 if api is Api.EXOSEND else 200):
        return 0
    if api is Api.MESMS or (api is Api.EXOSEND and b'"total_messages"' in body):
        match = _COUNTS[api].search(body)
        return int(match[1]) if match else 0
    return len(_ENTRIES[api].findall(body))


_COUNTS = {
    Api.EXOSEND: re.compile(rb'"total_messages":(\d+)'),
    Api.MESMS: re.compile(rb'"recipients":(\d+)'),
}
_ENTRIES = {
    Api.EXOSEND: re.compile(rb'"message_id":"'),
    Api.EXOTEL: re.compile(rb'"Sid":"'),
    Api.EASYSENDSMS: re.compile(rb'"OK: '),
}
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_Parts = tuple[str, str, str, str]  # path, header that says who asks, content type, body


def _exosend(token: str, numbers: Sequence[str], sender: str) -> _Parts:
    header = f"Authorization: Bearer {token}"
    rest = f'"message":"{TEXT}","sender_id":"{sender}"}}'
    if len(numbers) == 1:
        return "/api/v1/sms/send", header, _JSON, f'{{"recipient":"+{numbers[0]}",{rest}'
    recipients = '","'.join(f"+{number}" for number in numbers)
    return "/api/v1/sms/send-bulk", header, _JSON, f'{{"recipients":["{recipients}"],{rest}'


def _exotel(token: str, numbers: Sequence[str], sender: str) -> _Parts:
    pair = base64.b64encode(f"{API_KEY}:{token}".encode()).decode()
    fields = [("From", sender), ("Body", TEXT)]
    fields += [("To" if len(numbers) == 1 else "To[]", f"+{number}") for number in numbers]
    path = f"/v1/Accounts/{ACCOUNT_SID}/Sms/send.json"
    return path, f"Authorization: Basic {pair}", _FORM, urlencode(fields)


def _mesms(token: str, numbers: Sequence[str], sender: str) -> _Parts:
    msisdns = '","'.join(numbers)
    body = f'{{"sender":"{sender}","content":"{TEXT}","msisdns":["{msisdns}"]}}'
    return "/api/v2/sms/send", f"x-api-key: {token}", _JSON, body


def _easysendsms(token: str, numbers: Sequence[str], sender: str) -> _Parts:
    body = f'{{"from":"{sender}","to":"{",".join(numbers)}","text":"{TEXT}","type":"0"}}'
    return "/v1/rest/sms/send", f"apikey: {token}", _JSON, body


_REQUESTS: dict[Api, Callable[[str, Sequence[str], str], _Parts]] = {
    Api.EXOSEND: _exosend,
    Api.EXOTEL: _exotel,
    Api.MESMS: _mesms,
    Api.EASYSENDSMS: _easysendsms,
}

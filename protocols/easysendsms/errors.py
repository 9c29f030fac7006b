"""Errors of the EasySendSMS REST API v1: one table of codes, statuses and texts by endpoint (2.2).

The same number means different things at different endpoints, and the wording differs too.  Pure.
"""

import json
from enum import IntEnum
from typing import NamedTuple


class Endpoint(IntEnum):
    """Values are columns of the table."""

    SEND = 0
    BALANCE = 1
    HLR = 2
    NV = 3


class ErrorAnswer(NamedTuple):
    """HTTP status and body."""

    status: int
    body: bytes


MISSING_PARAMETER = 4001
NO_KEY = 4002
UNKNOWN_KEY = 4003
ADDRESS_REFUSED = 4004
KEY_DISABLED = 4005
ACCOUNT_DISABLED = 4006
DEMO_EXPIRED = 4007  # never said: no account here is a demo that ends
INTERNAL_ERROR = 4008
UNAVAILABLE = 4009
BAD_TYPE = BAD_NUMBER = 4010  # send; HLR and NV
BAD_TEXT = UNREADABLE_LOOKUP = 4011  # send; HLR and NV
BAD_RECIPIENT = LOOKUP_NO_CREDIT = 4012  # send; HLR and NV
TOO_MANY_RECIPIENTS = 4013
BAD_SENDER = 4014
NO_CREDIT = 4015
NO_DESTINATION = 4016
BAD_SCHEDULE = 4017
WRONG_METHOD = 405
WRONG_CONTENT_TYPE = 415


class _Row(NamedTuple):
    """Texts in the order of `Endpoint`; a text left out is that of send."""

    status: int
    send: str
    balance: str = ""
    hlr: str = ""
    nv: str = ""
    lookup_status: int = 0  # at HLR and NV; 0 = `status`

    def at(self, endpoint: Endpoint) -> tuple[int, str]:
        status = self.status
        if self.lookup_status and endpoint in (Endpoint.HLR, Endpoint.NV):
            status = self.lookup_status
        texts = (self.send, self.balance, self.hlr, self.nv)
        return status, texts[endpoint] or self.send


_NUMBER = "Invalid Number Parameter."
_CREDITS = "Insufficient credits."
_TABLE: dict[int, _Row] = {
    MISSING_PARAMETER: _Row(400, "One or more required parameters are missing."),
    NO_KEY: _Row(401, "No API key found in request.", "No API key found in the request."),
    UNKNOWN_KEY: _Row(401, "Invalid API Key.", "Invalid API key."),
    ADDRESS_REFUSED: _Row(403, "Invalid IP address."),
    KEY_DISABLED: _Row(403, "Inactive API Key.", "API key is inactive."),
    ACCOUNT_DISABLED: _Row(403, "Inactive Account.", "Account is inactive."),
    DEMO_EXPIRED: _Row(
        403, "Demo Account Expired.", "Demo account has expired.", nv="Demo account expired."
    ),
    INTERNAL_ERROR: _Row(
        500,
        "Internal error (do NOT re-submit the same request again).",
        "Internal server error. Do not retry the same request.",
    ),
    UNAVAILABLE: _Row(
        503,
        "Service not available (do NOT re-submit the same request again).",
        "Service temporarily unavailable. Do not retry the same request immediately.",
    ),
    # NV: the example's spelling rather than the table's (2.2).
    4010: _Row(400, "Invalid type parameter.", hlr=_NUMBER, nv=_NUMBER),
    4011: _Row(
        400, "Invalid message.", hlr="Invalid HLR response.", nv="Invalid NV response.",
        lookup_status=500,
    ),
    4012: _Row(400, "Invalid mobile number.", hlr=_CREDITS, nv=_CREDITS, lookup_status=402),
    TOO_MANY_RECIPIENTS: _Row(400, "Too many recipients."),
    BAD_SENDER: _Row(400, "Invalid sender name."),
    NO_CREDIT: _Row(402, _CREDITS),
    NO_DESTINATION: _Row(400, "Country / network not available."),
    BAD_SCHEDULE: _Row(
        400, "Invalid scheduled datetime format or scheduled time is in the past."
    ),
    WRONG_METHOD: _Row(405, "Method not allowed."),
    WRONG_CONTENT_TYPE: _Row(415, "Unsupported Media Type.", nv="Unsupported media type."),
    # What the vendor's reference leaves out, in its shape: code and status are the same number.
    404: _Row(404, "Not found."),
    408: _Row(408, "Request Timeout."),
    409: _Row(409, "A request with this Idempotency-Key is still being processed."),
    413: _Row(413, "Request Entity Too Large."),
    422: _Row(422, "This Idempotency-Key was already used with a different request."),
    429: _Row(429, "Too Many Requests."),
}  # fmt: skip


def render_error(code: int, text: str) -> bytes:
    """The one shape of errors (2)."""
    return json.dumps({"error": code, "description": text}, separators=(",", ":")).encode()


_ANSWERS = {
    (code, endpoint): ErrorAnswer(status, render_error(code, text))
    for code, row in _TABLE.items()
    for endpoint in Endpoint
    for status, text in (row.at(endpoint),)
}


def error_answer(code: int, endpoint: Endpoint) -> ErrorAnswer:
    """What the endpoint answers for `code`.

    Raises:
        KeyError: no endpoint has the code.
    """
    return _ANSWERS[code, endpoint]

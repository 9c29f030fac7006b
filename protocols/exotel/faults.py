"""What the door answers instead of a result: status, message and numeric code (2.2, 2.3).

The seven messages of the vendor's support page are verbatim; the numeric code is not emitted unless
the account wants it.
"""

from typing import NamedTuple


class Fault(NamedTuple):
    """One error.  `code` 0 = the vendor has none for it."""

    status: int
    message: str
    code: int = 0


class Rejected(Exception):
    """A request breaks a rule of the contract; `fault` is the answer."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def invalid(code: int) -> Fault:
    """A missing or malformed parameter."""
    return Fault(400, "Invalid Parameters", code)


UNAUTHENTICATED = Fault(401, "Authentication failed. Verify your API key and token.", 34010)
CREDENTIALS_UNREADABLE = invalid(34001)
WRONG_SID = Fault(403, "The account SID is missing or not allowed on this resource", 34009)
NOT_ACTIVE = Fault(403, "The account is not active", 40002)
NO_BALANCE = Fault(403, "Insufficient balance to send the SMS", 40001)
NO_COUNTRY = Fault(403, "The account is not set up for the recipient's country", 40003)
TOO_MANY_POSTS = Fault(429, "Too Many Requests", 40402)
TOO_MANY_GETS = Fault(429, "Too Many Requests", 40403)
THROTTLED = Fault(503, "Throttle limit exceeded", 40405)
UNAVAILABLE = Fault(503, "Service Unavailable")
INTERNAL = Fault(500, "Internal Server Error", 35000)

NO_ACTION = invalid(40500)
UNSUPPORTED_VERSION = invalid(0)
NOT_FOUND = Fault(404, "Not Found")
METHOD_NOT_ALLOWED = Fault(405, "Method Not Allowed")
UNKNOWN_ENDPOINT = Fault(405, "Method Not Allowed", 40502)

BODY_EMPTY = invalid(40200)
MESSAGES_MISSING = invalid(40201)
BODY_INVALID = invalid(40202)
NUMBERS_INVALID = invalid(40203)
SMS_TYPE_UNKNOWN = invalid(40204)
FROM_EMPTY = invalid(40205)
FROM_UNFIT = invalid(40206)
ARRAY_GIVEN = invalid(40207)
MESSAGES_NO_ARRAY = invalid(40208)
ENCODING_UNKNOWN = invalid(40209)
FROM_MISSING = invalid(40210)
TOO_MANY_MESSAGES = invalid(40400)
TOO_MANY_NUMBERS = invalid(40406)

"""The detailed statuses of Exotel (4.2): their names, and what a code or a word means to us.

What we say of our own states is in `gateway.domain.fate`.
"""

from gateway.domain.lifecycle import MessageState

QUEUED = 21010
INVALID_NUMBER = 23010
BLACKLISTED = 23020
NO_ROUTE = 23030
REJECTED = 23060
INVALID_MESSAGE = 23070
INVALID_SENDER = 23072
SYSTEM_ERROR = 24010

FAILED = "failed"  # `Status` of whatever was refused; callbacks and old pages write failed_dnd

DETAILS: dict[int, str] = {
    21010: "PENDING_TO_OPERATOR",
    21015: "SENDING_TO_OPERATOR",
    21020: "PENDING_ON_OPERATOR",
    20005: "DELIVERED_TO_HANDSET",
    20006: "DELIVERED_TO_OPERATOR",
    23005: "FAILED_REJECTED_DND",
    23010: "FAILED_INVALID_DESTINATION_NUMBER",
    23015: "FAILED_SPAM_DETECTED",
    23020: "FAILED_REJECTED_BLACKLIST",
    23030: "FAILED_UNAVAILABLE_ROUTE",
    23035: "FAILED_SUBSCRIBER_UNAVAILABLE",
    23040: "FAILED_SUBSCRIBER_UNKNOWN",
    23050: "FAILED_EXPIRED",
    23060: "FAILED_REJECTED",
    23070: "FAILED_INVALID_MESSAGE",
    23072: "FAILED_INVALID_SENDER_ID",
    23080: "SENDER_BLOCKED_BY_DLT",
    23081: "ENTITY_BLOCKED_BY_DLT",
    23082: "TEMPLATE_BLOCKED_BY_DLT",
    23083: "FAILED_DLT_SCRUBBING_ERROR",
    23084: "FAILED_DLT_CONSENT_ERROR",
    23181: "DLT_TEMPLATE_ID_INVALID",
    23182: "DLT_TEMPLATE_NOT_FOUND",
    23183: "DLT_TEMPLATE_ID_INACTIVE",
    23184: "DLT_TEMPLATE_ID_BLACKLISTED",
    23185: "DLT_TEMPLATE_DOES_NOT_MATCH",
    23186: "DLT_LENGTH_EXCEEDED",
    23281: "DLT_ENTITY_NOT_FOUND",
    24010: "FAILED_SYSTEM_ERROR",
    24105: "FAILED_HANDSET_ERROR",
    24110: "FAILED_OPERATOR_ERROR",
    24120: "FAILED_SUBSCRIBER_ERROR",
    24990: "FAILED_UNKNOWN_ERROR",
}

_S = MessageState
_REJECTIONS = frozenset(
    {23005, 23015, 23020, 23060, 23070, 23072, *range(23080, 23085), *range(23181, 23187), 23281}
)
# `Status`, words of newer pages included.
_WORDS = {
    "queued": _S.SENT,
    "sending": _S.SENT,
    "submitted": _S.SENT,
    "sent": _S.DELIVERED,
    "delivered": _S.DELIVERED,
    "failed": _S.FAILED,
    "undelivered": _S.FAILED,
    "failed-dnd": _S.REJECTED,
    "rejected": _S.REJECTED,
    "expired": _S.EXPIRED,
}
_CODES = {name.lower().replace("_", "-"): code for code, name in DETAILS.items()}


def state_of_code(code: int) -> MessageState | None:
    """What a detailed status code says; SENT = no end yet, None: not of the known hundreds."""
    if code == 23050:
        return _S.EXPIRED
    if code in _REJECTIONS:
        return _S.REJECTED
    # Unknown codes go by their thousand (4.2).
    return {20: _S.DELIVERED, 21: _S.SENT, 23: _S.FAILED, 24: _S.FAILED}.get(code // 1000)


def state_of_word(word: str) -> MessageState | None:
    """What a `Status` says, or the name of a detailed status in its place (5.1); None: unknown."""
    spelled = word.strip().lower().replace("_", "-")
    code = _CODES.get(spelled)
    if code is not None:
        return state_of_code(code)
    # Newer pages have other names for some failures.
    return _WORDS.get(spelled) or (_S.FAILED if spelled.startswith("failed-") else None)


def is_failure(word: str) -> bool:
    """Whether a `Status` in a send answer means that nothing was accepted (3.1)."""
    return state_of_word(word) in (_S.FAILED, _S.REJECTED, _S.EXPIRED)

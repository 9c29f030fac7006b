"""One table: state -> the status word of every wire.

The words are plain text and numbers; how a wire carries them is the wire's own affair.  Sources:
SMPP v3.4 Appendix B and 5.2.28; the API references of ExoSend v1 (message status), Exotel (status
and detailed status), ME-SMS v2 (recipient status) and EasySendSMS (delivery report).
"""

from typing import NamedTuple

from gateway.domain.lifecycle import MessageState as S


class StatusWords(NamedTuple):
    """What each wire says of a message in one state."""

    word: str  # ours: API, log, metrics, command line
    smpp_stat: str  # Appendix B `stat`, 7 characters
    smpp_message_state: int  # TLV 0x0427, 5.2.28
    exosend: str
    exotel: str
    exotel_detail_code: int
    exotel_detail: str
    mesms: str
    easysendsms: str


WORDS: dict[S, StatusWords] = {
    S.QUEUED: StatusWords(
        "queued", "ACCEPTD", 6, "pending", "queued", 21010, "PENDING_TO_OPERATOR", "pending", ""
    ),
    S.ATTEMPTED: StatusWords(
        "attempted", "ENROUTE", 1, "pending", "sending", 21015, "SENDING_TO_OPERATOR", "pending", ""
    ),
    S.SENT: StatusWords(
        "sent", "ENROUTE", 1, "sent", "submitted", 21020, "PENDING_ON_OPERATOR", "pending", ""
    ),
    S.DELIVERED: StatusWords(
        "delivered", "DELIVRD", 2, "delivered", "sent", 20005, "DELIVERED_TO_HANDSET", "success",
        "DELIVRD",
    ),
    S.FAILED: StatusWords(
        "failed", "UNDELIV", 5, "failed", "failed", 24110, "FAILED_OPERATOR_ERROR", "failed",
        "UNDELIV",
    ),
    S.REJECTED: StatusWords(
        "rejected", "REJECTD", 8, "failed", "failed", 23060, "FAILED_REJECTED", "failed", "UNDELIV"
    ),
    S.EXPIRED: StatusWords(
        "expired", "EXPIRED", 3, "failed", "failed", 23050, "FAILED_EXPIRED", "expired", "EXPIRED"
    ),
    S.CANCELLED: StatusWords(
        "cancelled", "DELETED", 4, "failed", "failed", 23060, "FAILED_REJECTED", "failed", "UNDELIV"
    ),
    S.HANDED_OVER: StatusWords(
        "sent", "ACCEPTD", 6, "sent", "sent", 20006, "DELIVERED_TO_OPERATOR", "timeout", "DELIVRD"
    ),
    S.UNKNOWN: StatusWords(
        "unknown", "UNKNOWN", 7, "sent", "failed", 24990, "FAILED_UNKNOWN_ERROR", "timeout",
        "UNDELIV",
    ),
}  # fmt: skip

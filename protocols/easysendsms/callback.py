"""The delivery-report webhook (4): a form of five fields, unsigned, to one URL per account."""

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode

from gateway.domain.fate import WORDS
from protocols.http.notice import Notice, NoticeRefused, NoticeSubject, WebhookDelivery

RETRY_WAITS_S = (60, 300, 1800)
FORM = "application/x-www-form-urlencoded"


class ReportForm:
    """`NoticeForm` of EasySendSMS delivery reports.

    `report_url(account_id)` is the account's URL, empty when it has none any more.
    """

    waits_s = RETRY_WAITS_S

    def __init__(self, report_url: Callable[[int], str]) -> None:
        self._report_url = report_url

    def url(self, delivery: WebhookDelivery) -> str:
        """As configured when the message ended."""
        return delivery.url

    def notice(self, delivery: WebhookDelivery, subject: NoticeSubject, now_ms: int) -> Notice:
        """The report.  Raises NoticeRefused: the account has another URL by now, or none."""
        if self._report_url(delivery.account_id) != delivery.url:
            raise NoticeRefused("the report URL is no longer configured")
        return Notice(delivery.url, {"Content-Type": FORM}, render_report(subject))


def render_report(subject: NoticeSubject) -> bytes:
    """The body.  `sent_date` is when a provider took it, or else when it ended, in UTC."""
    fields = {
        "source": subject.sender,
        "msisdn": subject.recipient,
        "response": WORDS[subject.state].easysendsms,
        "sent_date": _moment(subject.sent_at_ms or subject.final_at_ms),
        "sms_id": subject.public_id,
    }
    return urlencode(fields).encode("ascii")


def _moment(at_ms: int) -> str:
    """M/D/YYYY h:mm:ss AM or PM: the form of the vendor's example."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return (
        f"{moment.month}/{moment.day}/{moment.year}"
        f" {(moment.hour - 1) % 12 + 1}:{moment:%M:%S} {'AM' if moment.hour < 12 else 'PM'}"
    )

"""Status callbacks (5.1): one POST to the URL of the send request when its message has ended."""

import json
from urllib.parse import urlencode

from gateway.domain.fate import WORDS
from protocols.exotel.contract import StatusCallback
from protocols.exotel.numbers import show_recipient
from protocols.exotel.times import write_time
from protocols.http.notice import Notice, NoticeRefused, NoticeSubject, WebhookDelivery

WAITS_S = (30, 120, 600, 1800)


class StatusCallbackForm:
    """`protocols.http.notice.NoticeForm`: the URL stands in the message's door text.

    The vendor signs nothing; who wants to be sure puts a secret into the URL.
    """

    waits_s = WAITS_S

    def url(self, delivery: WebhookDelivery) -> str:
        """The StatusCallback; empty when the door text is gone."""
        try:
            return StatusCallback.of_door_text(delivery.door_text).url
        except ValueError:
            return ""

    def notice(self, delivery: WebhookDelivery, subject: NoticeSubject, now_ms: int) -> Notice:
        """The seven fields, and CustomField when there is one; as a form unless JSON was asked for.

        Raises:
            NoticeRefused: the door text is gone.
        """
        try:
            callback = StatusCallback.of_door_text(delivery.door_text)
        except ValueError:
            raise NoticeRefused("the message's StatusCallback is no longer known") from None
        words = WORDS[subject.state]
        fields = {
            "SmsSid": subject.public_id.replace("-", ""),
            "To": show_recipient(subject.recipient),
            "Status": words.exotel,
            "SmsUnits": str(subject.parts),
            "DetailedStatus": words.exotel_detail,
            "DetailedStatusCode": str(words.exotel_detail_code),
            "DateSent": write_time(subject.sent_at_ms),
        }
        if callback.custom_field is not None:
            fields["CustomField"] = callback.custom_field
        if callback.is_json:
            body, content_type = json.dumps(fields), "application/json"
        else:
            body, content_type = urlencode(fields), "application/x-www-form-urlencoded"
        return Notice(callback.url, {"Content-Type": content_type}, body.encode("ascii"))

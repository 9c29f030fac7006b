"""What the webhook notifier asks of the heart, and what the heart asks of the doors about notices.

Which notifications a message owes when it ends, and their requests: each kind has a form, made in
the room of its wire.
"""

from collections.abc import Iterator, Mapping, Sequence

from gateway.domain.account import Door
from gateway.domain.commit_group import NoticeKind
from gateway.domain.keys import key_time_ms
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from postern.heart import Heart
from protocols.easysendsms.callback import ReportForm
from protocols.exotel.callback import StatusCallbackForm
from protocols.exotel.door_note import has_callback
from protocols.http.notice import (
    Notice,
    NoticeForm,
    NoticeRefused,
    NoticeSubject,
    WebhookDelivery,
)
from protocols.http.webhook_event import SignedForm


class HttpNotices:
    """`protocols.http.webhook.Notices`, and what `gateway.flow.fates` asks: `owed`."""

    def __init__(self, heart: Heart) -> None:
        self._heart = heart
        self._forms: Mapping[NoticeKind, NoticeForm] = {
            NoticeKind.SIGNED: SignedForm(heart.directory.webhook_secret),
            NoticeKind.EXOTEL: StatusCallbackForm(),
            NoticeKind.EASYSENDSMS: ReportForm(heart.directory.report_url),
        }

    def owed(self, message: Message) -> Iterator[tuple[NoticeKind, str]]:
        """The notifications that the end of a message which came over HTTP owes: form and URL."""
        for url in self._heart.directory.webhook_urls.get(message.account.id, ()):
            yield NoticeKind.SIGNED, url
        if message.door == Door.EXOTEL and has_callback(message.door_note):
            yield NoticeKind.EXOTEL, ""
        if message.door == Door.EASYSENDSMS:
            url = self._heart.directory.report_url(message.account.id)
            if url:
                yield NoticeKind.EASYSENDSMS, url

    def url(self, delivery: WebhookDelivery) -> str:
        """Where it goes; empty when that is no longer known."""
        return self._form(delivery).url(delivery)

    def waits_s(self, delivery: WebhookDelivery) -> Sequence[int]:
        """Waits after each failure, in seconds."""
        return self._form(delivery).waits_s

    async def notice(self, delivery: WebhookDelivery) -> Notice:
        """The request.

        Raises:
            NoticeRefused: the message is no longer kept, or its form has nobody to tell it to.
            StoreUnavailable: the message cannot be read now.
        """
        subject = await self._subject(delivery.message_key)
        if subject is None:
            raise NoticeRefused("the message is no longer kept")
        return self._form(delivery).notice(delivery, subject, self._heart.clock.now_ms())

    def _form(self, delivery: WebhookDelivery) -> NoticeForm:
        return self._forms[NoticeKind(delivery.kind)]

    async def _subject(self, message_key: int) -> NoticeSubject | None:
        row = await self._heart.store.messages.message(message_key)
        if row is None:
            return None
        return NoticeSubject(
            public_id=self._heart.public_ids.encode("message", row.key),
            state=MessageState(row.state),
            recipient=row.recipient,
            sender=row.sender,
            parts=row.part_count,
            price_micros=row.charge_micros,
            currency=self._heart.directory.accounts[row.account_id].currency,
            error=row.error,
            accepted_at_ms=key_time_ms(row.key),
            sent_at_ms=row.sent_at_ms,
            final_at_ms=row.final_at_ms,
        )

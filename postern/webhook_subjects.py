"""What the webhook notifier asks of the heart: a message as it is told, and the signing secret."""

from gateway.domain.keys import key_time_ms
from gateway.domain.lifecycle import MessageState
from postern.heart import Heart
from protocols.http.webhook_event import WebhookSubject


class Subjects:
    """`protocols.http.webhook.WebhookSubjects`."""

    def __init__(self, heart: Heart) -> None:
        self._heart = heart

    async def subject(self, message_key: int) -> WebhookSubject | None:
        """The message, or None when it is no longer kept."""
        row = await self._heart.store.messages.message(message_key)
        if row is None:
            return None
        return WebhookSubject(
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

    def secret(self, account_id: int, url: str) -> str | None:
        """The signing secret, or None when the webhook is no longer declared."""
        return self._heart.directory.webhook_secrets.get((account_id, url))

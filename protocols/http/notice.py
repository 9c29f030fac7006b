"""A notification over HTTP: what is owed, and the request it becomes in one form or another.

Every vendor has its own form; which one a delivery has is its `kind`.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gateway.domain.lifecycle import MessageState


class NoticeSubject(NamedTuple):
    """What a notification says of a message.  Times are UTC milliseconds, 0 = unset.

    `public_id` is the UUID the APIs show; `recipient` is E.164 digits; `price_micros` the charge.
    """

    public_id: str
    state: MessageState
    recipient: str
    sender: str
    parts: int
    price_micros: int
    currency: str
    error: str
    accepted_at_ms: int
    sent_at_ms: int
    final_at_ms: int


class WebhookDelivery(Protocol):
    """One notification owed to one URL; the store's row fits it."""

    @property
    def id(self) -> int:
        """What the customer sees as `Postern-Delivery`."""

    @property
    def message_key(self) -> int:
        """The message it is about."""

    @property
    def account_id(self) -> int:
        """Whose message it is."""

    @property
    def kind(self) -> int:
        """Whose form it has: a `NoticeKind`."""

    @property
    def url(self) -> str:
        """Where it goes, as the customer wrote it."""

    @property
    def door_text(self) -> str:
        """What the door keeps with the message or its batch; may be empty."""

    @property
    def attempts(self) -> int:
        """How many failed."""


class Notice(NamedTuple):
    """A notification as its request goes out."""

    url: str
    headers: dict[str, str]
    body: bytes


class NoticeRefused(Exception):
    """There is nothing to tell any more, or nobody to tell it to; the text says why."""


class NoticeForm(Protocol):
    """One kind of notification: its URL, its request and how often it is tried."""

    @property
    def waits_s(self) -> Sequence[int]:
        """Waits after each failure, in seconds; when they are used up it is given up."""

    def url(self, delivery: WebhookDelivery) -> str:
        """Where it goes; empty when that is no longer known."""

    def notice(self, delivery: WebhookDelivery, subject: NoticeSubject, now_ms: int) -> Notice:
        """The request that tells of `subject`.  Raises NoticeRefused: there is nobody to tell."""

"""What a vendor's API is to the provider that speaks it: requests and answers, pure.

`protocols.http.dialect_provider` owns the sockets, the window and the clock; a dialect owns the
meaning.  One dialect object belongs to one provider and holds that provider's settings.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from gateway.domain.message import Message
from gateway.domain.outcome import Outcome, Refused
from gateway.domain.receipt import Receipt


class HttpCall(NamedTuple):
    """A request ready to send.  `url` is fully encoded; `body` is None when there is none."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


class Awaited(NamedTuple):
    """A message that was sent and whose receipt has not come: what a poll asks about.

    `recipient` is E.164 digits.
    """

    provider_message_id: str
    recipient: str
    sent_at_ms: int


class ReceiptsRead(NamedTuple):
    """What a callback or a poll told: final states, and how many entries made no sense."""

    receipts: Sequence[Receipt]
    unreadable: int = 0


class Dialect(Protocol):
    """One vendor's API, southbound.

    `most_together`: messages one send may carry; only those with equal `together` go in one.
    `polls`: whether receipts are asked for, `has_callbacks`: whether they are brought.
    """

    @property
    def most_together(self) -> int:
        """1 when the vendor has no bulk send."""

    @property
    def polls(self) -> bool:
        """Whether `poll` is to be used."""

    @property
    def has_callbacks(self) -> bool:
        """Whether `read_callback` is to be used."""

    @property
    def origin(self) -> str:
        """Scheme, host and port, without secrets, for people to read."""

    def unfit(self, message: Message) -> Refused | None:
        """Why this vendor would never take `message`, so that it is not asked; None: it may."""

    def together(self, message: Message) -> object:
        """What messages must share to go in one send (sender, text, ...); hashable."""

    def send(self, messages: Sequence[Message], callback_url: str) -> HttpCall:
        """The request for one message, or for several that are equal in `together`.

        No two of them have the same recipient, every one has a text, and none of them is unfit.
        `callback_url` is empty when there is no place for callbacks.
        """

    def read_sent(
        self, messages: Sequence[Message], status: int, headers: Mapping[str, str], body: bytes
    ) -> Sequence[Outcome]:
        """One outcome per message, in their order.  Never raises."""

    def read_callback(self, query: str, headers: Mapping[str, str], body: bytes) -> ReceiptsRead:
        """The receipts of a callback.  Never raises."""

    def poll(self, awaited: Sequence[Awaited]) -> Sequence[HttpCall]:
        """The requests that ask about these messages; at most as many as there are messages."""

    def read_poll(
        self, call: HttpCall, awaited: Sequence[Awaited], status: int, body: bytes
    ) -> "PollRead":
        """What the answer to one such request tells.  Never raises."""

    def balance(self) -> HttpCall | None:
        """The request for the balance; None when the vendor has none."""

    def read_balance(self, status: int, body: bytes) -> int | None:
        """The balance in micro-units of whatever the vendor counts; None: it did not say."""


class PollRead(NamedTuple):
    """Receipts of a poll, and the requests that continue it (a further page)."""

    receipts: Sequence[Receipt]
    further: Sequence[HttpCall] = ()
    retry_after_s: int = 0  # the vendor asks for patience: nothing was told

"""What the tests of south wires share: messages to send, and a sink that keeps what it hears."""

import asyncio
from collections.abc import Callable

from gateway.domain.account import Account, Door
from gateway.domain.lifecycle import MoneyState, NotifyWhen
from gateway.domain.message import Message, Opaque
from gateway.domain.outcome import Outcome
from gateway.domain.receipt import Receipt
from gateway.domain.sms_text import Alphabet, measure
from tests.support.clock import START_MS


def make_message(
    text: str | None = "hello",
    *,
    key: int = 0x1A2B3C,
    sender: str = "ACME",
    recipient: str = "37120000001",
    expires_at_ms: int = START_MS + 3_600_500,
) -> Message:
    """A message of one SMS account; `text` None makes it an opaque one."""
    alphabet, parts = (Alphabet.OPAQUE, 1) if text is None else measure(text)
    return Message(
        key, Account(1, "acme"), None, Door.EXOSEND, sender, recipient, text,
        Opaque(b"\x05", 4, 0, b"") if text is None else None,
        alphabet, parts, 35_000, MoneyState.CHARGED, NotifyWhen.ALWAYS, 1, START_MS, expires_at_ms,
    )  # fmt: skip


class RecordingSink:
    """`ports.ProviderSink`.  Receipts are answered at once with `store_ok`, or kept when that is None."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[Message, int, Outcome]] = []
        self.receipts: list[Receipt] = []
        self.room_changes = 0
        self.store_ok: bool | None = True
        self.unanswered: list[tuple[Callable[[object, bool], None], object]] = []
        self.changed = asyncio.Event()  # set by every call; whoever waits for it clears it

    def settled(self, message: Message, part: int, outcome: Outcome) -> None:
        self.outcomes.append((message, part, outcome))
        self.changed.set()

    def receipt(
        self, receipt: Receipt, stored: Callable[[object, bool], None], token: object
    ) -> None:
        self.receipts.append(receipt)
        self.changed.set()
        if self.store_ok is None:
            self.unanswered.append((stored, token))
        else:
            stored(token, self.store_ok)

    def room_changed(self) -> None:
        self.room_changes += 1
        self.changed.set()

"""Receipts on their way to one system_id, and the links that can take them."""

from collections import deque
from typing import Protocol

from postern.simulator.behaviour import Fate
from protocols.smpp import receipt_text
from protocols.smpp.codec import ShortMessage, encode_deliver_sm, encode_tlv
from protocols.smpp.constants import ESM_RECEIPT, Tag, WireState

# What a receipt says of each fate: `stat` of Appendix B, message_state of 5.2.28.
_WORDS = {
    Fate.DELIVERED: (b"DELIVRD", WireState.DELIVERED),
    Fate.FAILED: (b"UNDELIV", WireState.UNDELIVERABLE),
    Fate.EXPIRED: (b"EXPIRED", WireState.EXPIRED),
}


class Receiver(Protocol):
    """A link that may take receipts."""

    @property
    def delivery_room(self) -> int:
        """deliver_sm it can take now."""

    def deliver(self, receipt: "PendingReceipt") -> None:
        """Sends one."""


class PendingReceipt:
    """A receipt that was not acknowledged yet.  `origin` is the link that submitted the message."""

    __slots__ = (
        "_done_at_ms",
        "_fate",
        "_message_id",
        "_sm",
        "_submitted_at_ms",
        "_text",
        "origin",
    )

    def __init__(
        self,
        origin: Receiver,
        sm: ShortMessage,
        text: str,
        message_id: bytes,
        fate: Fate,
        submitted_at_ms: int,
        done_at_ms: int,
    ) -> None:
        self.origin = origin
        self._sm = sm
        self._text = text
        self._message_id = message_id
        self._fate = fate
        self._submitted_at_ms = submitted_at_ms
        self._done_at_ms = done_at_ms

    def encode(self, sequence_number: int, *, with_tlvs: bool) -> bytes:
        """deliver_sm with the text of Appendix B (SMPP v3.4 4.6.1); addresses are exchanged."""
        sm = self._sm
        stat, state = _WORDS[self._fate]
        text = receipt_text.render(
            self._message_id,
            1,
            1 if self._fate is Fate.DELIVERED else 0,
            self._submitted_at_ms,
            self._done_at_ms,
            stat,
            self._fate.value.encode(),
            self._text,
        )
        tlvs = b""
        if with_tlvs:
            tlvs = encode_tlv(Tag.RECEIPTED_MESSAGE_ID, self._message_id + b"\0") + encode_tlv(
                Tag.MESSAGE_STATE, bytes((state,))
            )
        return encode_deliver_sm(
            sequence_number,
            sm.dest_addr_ton,
            sm.dest_addr_npi,
            sm.destination_addr.encode("latin-1"),
            sm.source_addr_ton,
            sm.source_addr_npi,
            sm.source_addr.encode("latin-1"),
            ESM_RECEIPT,
            0,
            text,
            tlvs,
        )


class Mailbox:
    """Keeps receipts until a receiving link has room.

    `owed` counts every receipt that was promised and not acknowledged, wherever it is; whoever
    promises one keeps it under its bound.  `links` counts the bound links of the system_id.
    """

    __slots__ = ("_receivers", "_waiting", "links", "owed")

    def __init__(self) -> None:
        self._receivers: list[Receiver] = []
        self._waiting: deque[PendingReceipt] = deque()
        self.links = 0
        self.owed = 0

    @property
    def is_idle(self) -> bool:
        """Nobody is bound and nothing is owed."""
        return not self.links and not self.owed

    def join(self, receiver: Receiver) -> None:
        """A receiving link was bound: it takes what waits."""
        self._receivers.append(receiver)
        self.flush()

    def leave(self, receiver: Receiver) -> None:
        """The link takes no more receipts.  Idempotent."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    def put(self, receipt: PendingReceipt) -> None:
        """Sends a receipt as soon as a link has room."""
        self._waiting.append(receipt)
        self.flush()

    def put_back(self, receipts: list[PendingReceipt]) -> None:
        """Receipts whose link is gone, oldest first: they go before the others."""
        self._waiting.extendleft(reversed(receipts))
        self.flush()

    def flush(self) -> None:
        """Hands out what waits while there is room."""
        waiting = self._waiting
        while waiting:
            receiver = self._receiver(waiting[0].origin)
            if receiver is None:
                return
            receiver.deliver(waiting.popleft())

    def _receiver(self, origin: Receiver) -> Receiver | None:
        """The submitting link when it can, else the one with the most room."""
        if origin in self._receivers and origin.delivery_room:
            return origin
        best = max(self._receivers, key=lambda receiver: receiver.delivery_room, default=None)
        return best if best is not None and best.delivery_room else None

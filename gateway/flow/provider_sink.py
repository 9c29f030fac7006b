"""`ports.ProviderSink` of one lane: what its wire calls."""

from gateway.domain.message import Message
from gateway.domain.outcome import Outcome
from gateway.domain.receipt import Receipt
from gateway.flow.dispatcher import Dispatcher
from gateway.flow.flight import Stored
from gateway.flow.lane import Lane
from gateway.flow.outcomes import Outcomes
from gateway.flow.receipts import Receipts


class LaneSink:
    """Binds a wire to its lane; `lane` is set once the wire exists."""

    __slots__ = ("_dispatcher", "_outcomes", "_receipts", "lane")

    lane: Lane

    def __init__(self, dispatcher: Dispatcher, outcomes: Outcomes, receipts: Receipts) -> None:
        self._dispatcher = dispatcher
        self._outcomes = outcomes
        self._receipts = receipts

    def settled(self, message: Message, part: int, outcome: Outcome) -> None:
        """The outcome of one submitted part."""
        self._outcomes.settled(self.lane, message, part, outcome)

    def late(self, message: Message, part: int, outcome: Outcome) -> None:
        """An answer that came after the part was settled as Unknown."""
        self._outcomes.late(self.lane, message, part, outcome)

    def receipt(self, receipt: Receipt, stored: Stored, token: object) -> None:
        """A receipt came."""
        self._receipts.receive(self.lane, receipt, stored, token)

    def room_changed(self) -> None:
        """A link came up or went down, or room grew from 0."""
        self._dispatcher.room_changed(self.lane)

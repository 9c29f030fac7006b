"""Scripted wires: a provider that answers when told to, and the door that notifies customers."""

from collections.abc import Callable, Mapping
from itertools import count

from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from gateway.domain.outcome import Deferred, Outcome, Sent
from gateway.domain.receipt import Receipt
from gateway.ports import NotificationSink, ProviderSink


class FakeWire:
    """`ports.Provider`.  Without a `reply` it keeps what it is given until the test answers."""

    def __init__(
        self,
        name: str,
        window: int = 100,
        *,
        whole_text: bool = False,
        is_stored: Callable[[int], bool],
    ) -> None:
        self.name = name
        self.window = window
        self.whole_text = whole_text
        self.up = True
        self.reply: Callable[[Message, int], Outcome | None] | None = None
        self.outstanding: list[tuple[Message, int]] = []
        self.submitted: list[tuple[Message, int]] = []
        self.receipts: dict[str, bool] = {}  # id -> what `stored` was called with
        self.sink: ProviderSink
        self._is_stored = is_stored
        self.ids = count(1)

    # -- ports.Provider --------------------------------------------------------------------------

    def room(self) -> int:
        return max(0, self.window - len(self.outstanding)) if self.up else 0

    def in_flight(self) -> int:
        return len(self.outstanding)

    def capacity(self) -> int:
        return self.window

    def submit(self, message: Message, part: int) -> None:
        assert self._is_stored(message.key), "sent before its accept was on disk"
        assert (message, part) not in self.outstanding, "the same part twice at once"
        self.outstanding.append((message, part))
        self.submitted.append((message, part))
        outcome = self.reply(message, part) if self.reply is not None else None
        if outcome is not None:
            self.answer(outcome, len(self.outstanding) - 1)

    def is_up(self) -> bool:
        return self.up

    async def start(self) -> None:
        pass

    async def stop(self, deadline_s: float) -> None:
        pass

    def describe(self) -> Mapping[str, object]:
        return {}

    # -- for tests -------------------------------------------------------------------------------

    def next_id(self) -> str:
        """A provider_message_id that was not used yet."""
        return f"{self.name}-{next(self.ids)}"

    def answer(self, outcome: Outcome, index: int = 0) -> Message:
        """Settles one outstanding part, the oldest unless told otherwise."""
        message, part = self.outstanding.pop(index)
        self.sink.settled(message, part, outcome)
        return message

    def take(self, index: int = 0) -> str:
        """Answers `Sent`; returns the provider's id."""
        id = self.next_id()
        self.answer(Sent(id), index)
        return id

    def accept_all(self) -> list[str]:
        """Answers `Sent` to everything outstanding; returns the ids in order."""
        return [self.take() for _ in range(len(self.outstanding))]

    def take_everything(self) -> None:
        """From now on every part is answered `Sent` at once."""
        self.reply = lambda _message, _part: Sent(self.next_id())

    def receipt(
        self, id: str, state: MessageState = MessageState.DELIVERED, error: str = ""
    ) -> None:
        """A receipt arrives; `receipts[id]` tells what became of it."""
        self.sink.receipt(Receipt(id, state, error), self._stored, id)

    def _stored(self, token: object, stored: bool) -> None:
        assert isinstance(token, str)
        self.receipts[token] = stored

    def go_down(self, outcome: Outcome | None = None) -> None:
        """The links break; what is outstanding ends with `outcome`."""
        self.up = False
        self.sink.room_changed()
        while self.outstanding:
            self.answer(outcome or Deferred("link lost"))

    def come_up(self) -> None:
        self.up = True
        self.sink.room_changed()

    def keys(self) -> list[int]:
        """Keys of what was submitted, in order."""
        return [message.key for message, _ in self.submitted]


class FakeNotifier:
    """`ports.Notifier`: a customer that is bound or not, and acknowledges at once unless told not to."""

    def __init__(self, sink: NotificationSink) -> None:
        self.sink = sink
        self.bound = True
        self.window = 1_000_000
        self.acknowledges = True
        self.told: list[tuple[int, MessageState]] = []
        self.outstanding: list[Message] = []

    def notify(self, message: Message) -> bool:
        if not self.bound or len(self.outstanding) >= self.window:
            return False
        self.told.append((message.key, message.state))
        if self.acknowledges:
            self.sink.notified(message)
        else:
            self.outstanding.append(message)
        return True

    def keys(self) -> list[int]:
        """Keys of what was told, in order."""
        return [key for key, _ in self.told]

    def acknowledge(self, index: int = 0) -> Message:
        """The customer answers one; the room this makes is announced."""
        message = self.outstanding.pop(index)
        self.sink.notified(message)
        assert message.credential is not None
        self.sink.room_changed(message.credential)
        return message

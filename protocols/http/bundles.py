"""Messages on their way into requests, those that may share one gathered.  Pure."""

from gateway.domain.message import Message

_NOTHING = object()  # no kind is equal to it


class Bundles:
    """What waits for a request of one provider, by what it must have in common.

    No bundle that is taken holds two messages to the same recipient: vendors send such a pair once,
    or answer it with one id.  Kinds take turns, so that a long one does not keep the others back.
    """

    __slots__ = ("_waiting", "size")

    def __init__(self) -> None:
        self._waiting: dict[object, list[Message]] = {}
        self.size = 0

    def add(self, kind: object, message: Message) -> None:
        """`kind` is equal for messages that may go together."""
        waiting = self._waiting.get(kind)
        if waiting is None:
            self._waiting[kind] = [message]
        else:
            waiting.append(message)
        self.size += 1

    def take(self, most: int) -> list[Message]:
        """Up to `most` messages for one request, the oldest kind's; none when nothing waits."""
        kind = next(iter(self._waiting), _NOTHING)
        if kind is _NOTHING:
            return []
        taken: dict[str, Message] = {}
        left: list[Message] = []
        for message in self._waiting.pop(kind):
            if len(taken) < most and message.recipient not in taken:
                taken[message.recipient] = message
            else:
                left.append(message)
        if left:
            self._waiting[kind] = left
        self.size -= len(taken)
        return list(taken.values())

    def drain(self) -> list[Message]:
        """Everything that waits, in the order of the kinds."""
        drained = [message for waiting in self._waiting.values() for message in waiting]
        self._waiting.clear()
        self.size = 0
        return drained

"""The ready queue of one provider: priority classes, deficit round robin over accounts inside each.

Cost is counted in parts.  Higher classes go first, but one pop in `LOWER_CLASS_TURN` serves a lower
class that waits, so that urgent traffic of one customer cannot starve another's bulk for ever.
"""

from collections import deque

from gateway.domain.message import PRIORITIES, Message

QUANTUM_PARTS = 8
LOWER_CLASS_TURN = 16


class _AccountQueue:
    __slots__ = ("deficit", "messages")

    def __init__(self) -> None:
        self.messages: deque[Message] = deque()
        self.deficit = 0


class _Class:
    __slots__ = ("by_account", "ring")

    def __init__(self) -> None:
        self.by_account: dict[int, _AccountQueue] = {}
        self.ring: deque[_AccountQueue] = deque()  # the accounts that have something waiting

    def push(self, message: Message, front: bool) -> None:
        queue = self.by_account.get(message.account.id)
        if queue is None:
            queue = self.by_account[message.account.id] = _AccountQueue()
        if not queue.messages:
            queue.deficit = 0
            self.ring.append(queue)
        if front:
            queue.messages.appendleft(message)
        else:
            queue.messages.append(message)

    def pop(self) -> Message:
        ring = self.ring
        while True:
            queue = ring[0]
            if queue.deficit <= 0:
                queue.deficit += QUANTUM_PARTS
                if len(ring) > 1:
                    ring.rotate(-1)
                continue
            message = queue.messages.popleft()
            queue.deficit -= message.part_count
            if not queue.messages:
                ring.popleft()
            return message


class FairQueue:
    """Messages ready for one provider (or waiting for any provider of one route)."""

    __slots__ = ("_classes", "_pops", "size")

    def __init__(self) -> None:
        self._classes = tuple(_Class() for _ in range(PRIORITIES))
        self._pops = 0
        self.size = 0

    def push(self, message: Message) -> None:
        """Appends behind the account's other messages of the same class."""
        self.size += 1
        self._classes[message.priority].push(message, front=False)

    def push_front(self, message: Message) -> None:
        """Puts back a message whose turn was lost through no fault of its own."""
        self.size += 1
        self._classes[message.priority].push(message, front=True)

    def pop(self) -> Message | None:
        """The next message, or None when nothing waits."""
        if not self.size:
            return None
        self.size -= 1
        self._pops += 1
        waiting = [c for c in self._classes if c.ring]
        if len(waiting) == 1:
            return waiting[0].pop()
        if self._pops % LOWER_CLASS_TURN == 0:
            return waiting[(self._pops // LOWER_CLASS_TURN) % (len(waiting) - 1)].pop()
        return waiting[-1].pop()

    def drain(self) -> list[Message]:
        """Everything, in the order it would have left; the queue is empty afterwards."""
        drained: list[Message] = []
        while (message := self.pop()) is not None:
            drained.append(message)
        return drained

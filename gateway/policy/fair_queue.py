"""The ready queue of one provider: priority classes, deficit round robin over accounts inside each.

Cost is counted in parts.  Higher classes go first, but one pop in `LOWER_CLASS_TURN` serves a lower
class that waits, so that urgent traffic of one customer cannot starve another's bulk for ever.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable
from operator import attrgetter

from gateway.domain.message import PRIORITIES, Message

QUANTUM_PARTS = 8
LOWER_CLASS_TURN = 16
_KEY = attrgetter("key")


class _AccountQueue:
    __slots__ = ("deficit", "messages", "put_back")

    def __init__(self) -> None:
        self.messages: deque[Message] = deque()
        self.put_back: list[Message] = []  # goes first, by key
        self.deficit = 0


class _Class:
    __slots__ = ("by_account", "ring")

    def __init__(self) -> None:
        self.by_account: dict[int, _AccountQueue] = {}
        self.ring: deque[_AccountQueue] = deque()  # the accounts that have something waiting

    def queue_of(self, message: Message) -> _AccountQueue:
        """The account's queue, which is about to hold `message`: it takes its place in the ring."""
        queue = self.by_account.get(message.account.id)
        if queue is None:
            queue = self.by_account[message.account.id] = _AccountQueue()
        if not queue.messages and not queue.put_back:
            queue.deficit = 0
            self.ring.append(queue)
        return queue

    def pop(self) -> Message:
        ring = self.ring
        while True:
            queue = ring[0]
            if queue.deficit <= 0:
                queue.deficit += QUANTUM_PARTS
                if len(ring) > 1:
                    ring.rotate(-1)
                continue
            message = queue.put_back.pop(0) if queue.put_back else queue.messages.popleft()
            queue.deficit -= message.part_count
            if not queue.messages and not queue.put_back:
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
        self._classes[message.priority].queue_of(message).messages.append(message)

    def push_front(self, message: Message) -> None:
        """Puts back a message whose turn was lost through no fault of its own.

        It goes before all that had no turn yet; several keep their order.
        """
        self.size += 1
        insort(self._classes[message.priority].queue_of(message).put_back, message, key=_KEY)

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

    def keep(self, wanted: Callable[[Message], bool]) -> None:
        """Drops what is not `wanted`; the rest keeps its order, the accounts begin a new round."""
        for message in self.drain():
            if wanted(message):
                self.push(message)

    def drain(self) -> list[Message]:
        """Everything, in the order it would have left; the queue is empty afterwards."""
        drained: list[Message] = []
        while (message := self.pop()) is not None:
            drained.append(message)
        return drained

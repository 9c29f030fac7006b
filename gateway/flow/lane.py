"""The heart's end of one provider: queue, pace, and the messages it owes receipts for."""

from itertools import islice

from gateway.domain.declared import ProviderSpec
from gateway.domain.lifecycle import FINAL_STATES
from gateway.domain.message import Message, Part
from gateway.domain.outcome import Outcome
from gateway.domain.receipt import Receipt
from gateway.policy.fair_queue import FairQueue
from gateway.policy.pace import Pace
from gateway.ports import Provider, Timer

# Ids in memory, those of ended messages included; the rest is found through the store.
MOST_AWAITING = 400_000


class Lane:
    """State of one provider in the heart.

    Decisions are the dispatcher's and the receipts flow's.
    """

    __slots__ = (
        "awaiting", "committing", "enabled", "id", "name", "pace", "parked", "paused", "pump_soon",
        "pump_timer", "queue", "spec", "verdicts", "was_open", "wire",
    )  # fmt: skip

    def __init__(self, id: int, spec: ProviderSpec, wire: Provider) -> None:
        self.id = id
        self.name = spec.name
        self.spec = spec
        self.wire = wire
        self.queue = FairQueue()
        self.pace = Pace(spec.rate_per_s)
        self.enabled = True  # still declared
        self.paused = False  # by the operator
        self.was_open = False
        self.pump_timer: Timer | None = None
        self.pump_soon = False
        self.committing = 0  # attempts of a `hold` provider whose commit is under way
        # Messages and parts by provider_message_id, oldest first; None once the final receipt was
        # taken, so that repeats are told from strangers.
        self.awaiting: dict[str, Message | Part | None] = {}
        # Receipts that came before their answer, by provider_message_id.
        self.parked: dict[str, Receipt] = {}
        # Worst outcome so far of long messages whose parts are in flight, by message key.
        self.verdicts: dict[int, Outcome] = {}

    @property
    def is_open(self) -> bool:
        """Whether a message may be given to it: declared, not paused, connected."""
        return self.enabled and not self.paused and self.wire.is_up()

    def await_receipt(self, provider_message_id: str, target: Message | Part) -> None:
        """Remembers whose receipt will carry this id."""
        awaiting = self.awaiting
        awaiting[provider_message_id] = target
        if len(awaiting) > MOST_AWAITING:
            for key in list(islice(awaiting, MOST_AWAITING // 20)):
                entry = awaiting[key]
                if entry is None or not entry.changed:
                    del awaiting[key]  # what is not on disk yet could not be found there

    def await_parts(self, message: Message) -> None:
        """After a restart: receipts of one message's parts must all find the same object."""
        if message.parts is not None:
            for part in owed_receipts(message):
                self.awaiting.setdefault(part.provider_message_id or "", part)

    def holder_of(self, copy: Message) -> Message | None:
        """The object that waits for receipts of the message of which `copy` was made."""
        for target in owed_receipts(copy):
            known = self.awaiting.get(target.provider_message_id or "")
            if known is not None:
                return known if isinstance(known, Message) else known.message
        return None

    def forget(self, message: Message) -> None:
        """Drops what is still awaited for a message that has ended."""
        if message.parts is None:
            if message.provider_message_id:
                self.awaiting.pop(message.provider_message_id, None)
            return
        for part in message.parts:
            if part.provider_message_id and part.state not in FINAL_STATES:
                self.awaiting.pop(part.provider_message_id, None)


def owed_receipts(message: Message) -> list[Message | Part]:
    """What a receipt may still come for, the provider's id being known."""
    if message.parts is None:
        return [message] if message.provider_message_id else []
    return [p for p in message.parts if p.provider_message_id and p.state not in FINAL_STATES]

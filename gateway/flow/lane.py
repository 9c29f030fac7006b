"""The heart's end of one provider: queue, pace, and the messages it owes receipts for."""

from itertools import islice

from gateway.domain.declared import ProviderSpec
from gateway.domain.lifecycle import FINAL_STATES
from gateway.domain.message import Message, Part
from gateway.domain.outcome import Outcome
from gateway.domain.provider_id import canonical_id
from gateway.domain.receipt import Receipt
from gateway.flow.remembered import Remembered
from gateway.policy.adaptive_window import AdaptiveWindow
from gateway.policy.breaker import Breaker, Circuit
from gateway.policy.fair_queue import FairQueue
from gateway.policy.pace import Pace
from gateway.ports import Provider, Timer

MOST_AWAITING = 100_000  # ids in memory; the rest is found through the store
MOST_PARKED = 100_000
TOLD = 0  # no message's key


class Lane:
    """State of one provider in the heart.

    Decisions are the dispatcher's and the receipts flow's.
    """

    __slots__ = (
        "_spellings", "awaiting", "breaker", "breaker_timer", "committing", "enabled", "ended",
        "id", "is_strained", "name", "pace", "parked", "paused", "pump_soon", "pump_timer", "queue",
        "spec", "verdicts", "was_open", "window", "wire",
    )  # fmt: skip

    def __init__(self, id: int, spec: ProviderSpec, wire: Provider) -> None:
        self.id = id
        self.name = spec.name
        self.spec = spec
        self.wire = wire
        self.queue = FairQueue()
        self.pace = Pace(spec.rate_per_s)
        self.window = AdaptiveWindow()
        self.breaker = Breaker(spec.breaker)
        self.breaker_timer: Timer | None = None
        # Whether breaker or window hold anything back: one look for the usual message.
        self.is_strained = False
        self.enabled = True  # still declared
        self.paused = False  # by the operator
        self.was_open = False
        self.pump_timer: Timer | None = None
        self.pump_soon = False
        self.committing = 0  # attempts of a `hold` provider whose commit is under way
        # Messages and parts whose receipt is to come, by provider_message_id as the provider wrote
        # it, oldest first.
        self.awaiting: dict[str, Message | Part] = {}
        # Keys of the messages whose final receipt was taken, by id, so that repeats are told from
        # strangers; TOLD once a repeat stands on the message's timeline.
        self.ended = Remembered()
        # Ids of both that differ from their canonical form, by that form.
        self._spellings: dict[str, str] = {}
        # Receipts that came before their answer, by provider_message_id and its canonical form,
        # oldest first.
        self.parked: dict[str, Receipt] = {}
        # Worst outcome so far of long messages whose parts are in flight, by message key.
        self.verdicts: dict[int, Outcome] = {}

    @property
    def is_open(self) -> bool:
        """Whether a message may be given to it: declared, not paused, connected, not broken."""
        return (
            self.enabled
            and not self.paused
            and (not self.is_strained or self.breaker.may_send)
            and self.wire.is_up()
        )

    def room(self) -> int:
        """Parts that may be handed over now, as far as windows go."""
        room = self.wire.room()
        if self.is_strained:
            room = self.window.room(room, self.wire.in_flight())
            if self.breaker.circuit is not Circuit.CLOSED:
                room = min(room, int(self.breaker.may_send))
        return room - self.committing

    def note_strain(self) -> None:
        """After anything that may change it."""
        self.is_strained = (
            bool(self.breaker.failures) or self.window.limit is not None or self.pace.is_slowed
        )

    # -- receipts --------------------------------------------------------------------------------

    def await_receipt(self, provider_message_id: str, target: Message | Part) -> None:
        """Remembers whose receipt will carry this id."""
        awaiting = self.awaiting
        awaiting[provider_message_id] = target
        if not provider_message_id.isdigit() or provider_message_id[0] == "0":
            form = canonical_id(provider_message_id)
            if form != provider_message_id:
                self._note_spelling(form, provider_message_id)
        if len(awaiting) > MOST_AWAITING:
            for key in list(islice(awaiting, MOST_AWAITING // 20)):
                if not awaiting[key].changed:
                    del awaiting[key]  # what is not on disk yet could not be found there

    def receipt_taken(self, provider_message_id: str, message_key: int) -> None:
        """The final receipt of this id came: from now on it is a repeat."""
        self.awaiting.pop(provider_message_id, None)
        self.ended[provider_message_id] = message_key

    def await_parts(self, message: Message) -> None:
        """After a restart: receipts of one message's parts must all find the same object."""
        if message.parts is not None:
            for part in owed_receipts(message):
                id = part.provider_message_id or ""
                if id not in self.ended:
                    self.awaiting.setdefault(id, part)
                self._note_spelling(canonical_id(id), id)

    def holder_of(self, copy: Message) -> Message | None:
        """The object that waits for receipts of the message of which `copy` was made."""
        for target in owed_receipts(copy):
            known = self.awaiting.get(target.provider_message_id or "")
            if known is not None:
                return known if isinstance(known, Message) else known.message
        return None

    def known_as(self, provider_message_id: str) -> str | None:
        """The id in memory that is this one but for case and leading zeros, if there is any."""
        form = canonical_id(provider_message_id)
        for id in (form, self._spellings.get(form)):
            if id is not None and (id in self.awaiting or id in self.ended):
                return id
        return None

    def _note_spelling(self, form: str, provider_message_id: str) -> None:
        spellings = self._spellings
        spellings[form] = provider_message_id
        if len(spellings) > MOST_AWAITING:
            for key in list(islice(spellings, MOST_AWAITING // 20)):
                del spellings[key]

    def park(self, receipt: Receipt) -> None:
        """Keeps a receipt whose answer is to come, so that every spelling of its id finds it."""
        raw = receipt.provider_message_id
        if len(self.parked) >= MOST_PARKED:
            # The oldest belong to strangers: an answer is never that late.
            for oldest in list(islice(self.parked, MOST_PARKED // 20)):
                del self.parked[oldest]
        self.parked[raw] = receipt
        self.parked.setdefault(canonical_id(raw), receipt)

    def unpark(self, receipt: Receipt) -> None:
        """Its answer came."""
        raw = receipt.provider_message_id
        for form in (raw, canonical_id(raw)):
            if self.parked.get(form) is receipt:
                del self.parked[form]

    def forget_parked(self, before_ms: int) -> None:
        """Receipts parked before then belong to nobody: the store lets go of them too."""
        while self.parked:
            oldest = next(iter(self.parked))
            if self.parked[oldest].parked_at_ms >= before_ms:
                return
            del self.parked[oldest]

    def forget(self, message: Message) -> None:
        """What is still awaited for a message that has ended comes too late to tell anything."""
        for target in owed_receipts(message):
            if target.provider_message_id in self.awaiting:
                self.receipt_taken(target.provider_message_id, TOLD)


def owed_receipts(message: Message) -> list[Message | Part]:
    """What a receipt may still come for, the provider's id being known."""
    if message.parts is None:
        return [message] if message.provider_message_id else []
    return [p for p in message.parts if p.provider_message_id and p.state not in FINAL_STATES]

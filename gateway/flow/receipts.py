"""Receipts: match, merge into one fate, store, and only then acknowledge.

A receipt is looked for in memory (messages that were sent and await one), then in the store, then
parked: it may have come before the answer that will tell us its id.  Ids compare exactly; when that
finds nothing, case and leading zeros are forgiven (the wire has already undone hex and decimal).
"""

import logging
from collections.abc import Callable
from itertools import islice

from gateway.domain.account import Account, Credential
from gateway.domain.commit_group import EventKind, ParkedReceipt, StoredMessage
from gateway.domain.errors import StoreUnavailable
from gateway.domain.lifecycle import MessageState, is_final
from gateway.domain.message import Message, Part
from gateway.domain.receipt import Receipt, combined_parts, merged_state
from gateway.flow.backlog import Backlogs
from gateway.flow.fates import Fates
from gateway.flow.flight import Stored
from gateway.flow.journal import Journal
from gateway.flow.lane import Lane
from gateway.flow.restore import restored
from gateway.ports import Clock, MessageStore
from gateway.runtime.metrics import Counters

# Bound once: reaching a member through its class costs eight times a global.
_UNKNOWN = MessageState.UNKNOWN

log = logging.getLogger("postern.receipts")

MOST_PARKED = 100_000
_Waiting = tuple[Receipt, Stored, object]


class Receipts:
    """One flow for all providers."""

    def __init__(
        self,
        store: MessageStore,
        journal: Journal,
        fates: Fates,
        backlogs: Backlogs,
        clock: Clock,
        counters: Counters,
        *,
        spawn: Callable[..., object],
        accounts: dict[int, Account],
        credentials: dict[int, Credential],
    ) -> None:
        self._store = store
        self._journal = journal
        self._fates = fates
        self._backlogs = backlogs
        self._clock = clock
        self._counters = counters
        self._spawn = spawn
        self._accounts = accounts
        self._credentials = credentials
        self._unmatched: dict[int, list[_Waiting]] = {}  # provider id -> to be looked up together

    def receive(self, lane: Lane, receipt: Receipt, stored: Stored, token: object) -> None:
        """Takes one receipt; `stored(token, True)` when it is on disk, False when it cannot be."""
        if not self._journal.available:
            stored(token, False)
            return
        target = lane.awaiting.get(receipt.provider_message_id, lane)
        if target is None:
            self._repeated(lane, stored, token)
            return
        if not isinstance(target, Lane):
            self._merge(lane, target, receipt, stored, token)
            return
        waiting = self._unmatched.get(lane.id)
        if waiting is not None:
            waiting.append((receipt, stored, token))
            return
        self._unmatched[lane.id] = [(receipt, stored, token)]
        self._spawn(self._look_up(lane), name=f"receipts-{lane.name}")

    def _repeated(self, lane: Lane, stored: Stored, token: object) -> None:
        self._counters.receipts[lane.name, "repeated"] += 1
        self._journal.after_commit(stored, token)

    # -- matching --------------------------------------------------------------------------------

    async def _look_up(self, lane: Lane) -> None:
        """Finds the messages of the receipts gathered in this loop turn in the store."""
        await self._clock.sleep(0)
        waiting = self._unmatched.pop(lane.id)
        ids = {i for r, _, _ in waiting for i in _spellings(r.provider_message_id)}
        try:
            rows = await self._store.by_provider_message_id(lane.id, sorted(ids))
        except StoreUnavailable:
            for _, stored, token in waiting:
                stored(token, False)
            return
        by_id = self._by_provider_message_id(lane, rows)
        for receipt, stored, token in waiting:
            target = self._find(lane, receipt, by_id)
            if target is None:
                self._park(lane, receipt, stored, token)
            elif isinstance(target, Lane):
                self._repeated(lane, stored, token)
            else:
                self._merge(lane, target, receipt, stored, token)

    def _by_provider_message_id(
        self, lane: Lane, rows: list[StoredMessage]
    ) -> dict[str, Message | Part]:
        found: dict[str, Message | Part] = {}
        for row in rows:
            message = self._backlogs.live.get(row.key)
            if message is None:
                message = restored(row, self._accounts, self._credentials)
                message = lane.holder_of(message) or message
                lane.await_parts(message)
            if message.provider_message_id:
                found[message.provider_message_id] = message
            for part in message.parts or ():
                if part.provider_message_id and part.provider_id == lane.id:
                    found[part.provider_message_id] = part
        return found

    def _find(
        self, lane: Lane, receipt: Receipt, by_id: dict[str, Message | Part]
    ) -> Message | Part | Lane | None:
        """Whose receipt it is; the lane itself when that one has its final receipt already."""
        for spelling in _spellings(receipt.provider_message_id):
            # Memory first: the answer, or this receipt, may have come while the store was asked.
            target = lane.awaiting.get(spelling, lane)
            if target is None:
                return lane
            if isinstance(target, Lane):
                target = by_id.get(spelling)
            if target is not None:
                by_id[spelling] = target  # two receipts of one look-up share the object
                return target
        return None

    def _park(self, lane: Lane, receipt: Receipt, stored: Stored, token: object) -> None:
        self._counters.receipts[lane.name, "parked"] += 1
        if not is_final(receipt.state):
            self._journal.after_commit(stored, token)
            return
        now_ms = self._clock.now_ms()
        _keep_parked(lane, receipt)
        self._journal.park(
            ParkedReceipt(
                lane.id, receipt.provider_message_id, receipt.state, receipt.error,
                receipt.done_at_ms, now_ms,
            ),
            stored,
            token,
        )  # fmt: skip

    def take_parked(self, lane: Lane, target: Message | Part, provider_message_id: str) -> None:
        """The answer came: is its receipt here already?"""
        for spelling in _spellings(provider_message_id):
            receipt = lane.parked.pop(spelling, None)
            if receipt is not None:
                raw = receipt.provider_message_id
                for other in (raw, _canonical(raw)):
                    if lane.parked.get(other) is receipt:
                        del lane.parked[other]
                self._journal.unpark(lane.id, raw)
                self._merge(lane, target, receipt, _nobody, None)
                return

    def restore_parked(self, lanes: dict[int, Lane], parked: list[ParkedReceipt]) -> None:
        """After a start: parked receipts wait for their answers again."""
        for row in parked:
            lane = lanes.get(row.provider_id)
            if lane is not None:
                receipt = Receipt(
                    row.provider_message_id, MessageState(row.state), row.error, row.done_at_ms
                )
                _keep_parked(lane, receipt)

    # -- merging ---------------------------------------------------------------------------------

    def _merge(
        self, lane: Lane, target: Message | Part, receipt: Receipt, stored: Stored, token: object
    ) -> None:
        new = merged_state(target.state, receipt.state)
        if new is None:
            kind = "intermediate" if not is_final(receipt.state) else "repeated"
            self._counters.receipts[lane.name, kind] += 1
            if kind == "repeated" and isinstance(target, Message):
                self._fates.event(target, EventKind.REPEATED_RECEIPT, receipt.state.name)
            self._journal.after_commit(stored, token)
            return
        self._counters.receipts[lane.name, "matched"] += 1
        provider_message_id = target.provider_message_id or receipt.provider_message_id
        # An UNKNOWN may still become something else: its next receipt is no mere repeat.
        rest = target if new == _UNKNOWN else None
        lane.awaiting[provider_message_id] = rest
        if receipt.provider_message_id != provider_message_id:
            lane.awaiting[receipt.provider_message_id] = rest
        if isinstance(target, Message):
            if target.state == _UNKNOWN:
                self._fates.event(target, EventKind.LATE_RECEIPT, receipt.state.name)
            self._fates.finish(target, new, receipt.error, stored, token)
        else:
            self._merge_part(lane, target, new, receipt.error, stored, token)

    def _merge_part(
        self,
        lane: Lane,
        part: Part,
        new: MessageState,
        error: str,
        stored: Stored,
        token: object,
    ) -> None:
        part.state = new
        self._journal.change_part(part)
        message = part.message
        combined = combined_parts([p.state for p in message.split_parts()])
        if combined is None or merged_state(message.state, combined) is None:
            self._journal.after_commit(stored, token)
            return
        if message.in_flight or message.state == MessageState.QUEUED:
            # Parts are still to be sent: the fate waits for their answers and receipts.
            if combined == MessageState.DELIVERED:
                self._journal.after_commit(stored, token)
                return
            self._backlogs.ended(message)
        self._fates.finish(message, combined, error, stored, token)
        lane.forget(message)


def _keep_parked(lane: Lane, receipt: Receipt) -> None:
    """Under its own id, and under the form that every spelling of the answer leads to."""
    raw = receipt.provider_message_id
    if len(lane.parked) >= MOST_PARKED:
        # The oldest belong to strangers: an answer is never that late.
        for oldest in list(islice(lane.parked, MOST_PARKED // 20)):
            del lane.parked[oldest]
    lane.parked[raw] = receipt
    lane.parked.setdefault(_canonical(raw), receipt)


def _canonical(provider_message_id: str) -> str:
    return provider_message_id.lower().lstrip("0")


def _spellings(provider_message_id: str) -> list[str]:
    """The id itself, then the forms that differ by case and leading zeros only."""
    spellings = [provider_message_id]
    for form in (
        provider_message_id.lower(),
        provider_message_id.upper(),
        provider_message_id.lstrip("0"),
        provider_message_id.lower().lstrip("0"),
    ):
        if form and form not in spellings:
            spellings.append(form)
    return spellings


def _nobody(_token: object, _stored: bool) -> None:
    """The provider was answered when the receipt was parked."""

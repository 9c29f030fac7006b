"""Receipts: match, merge into one fate, store, and only then acknowledge.

A receipt is looked for in memory (messages that were sent and await one), then in the store, then
parked: it may have come before the answer that will tell us its id.  Ids compare exactly; when that
finds nothing, case and leading zeros are forgiven.  The wire has undone hex and decimal as its
`id_mode` says; a receipt that would only fit another `id_mode` is parked all the same, because two
numbers that fit by chance would end a stranger's message, but the operator is told.
"""

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

from gateway.domain.account import Account, Credential
from gateway.domain.commit_group import EventKind, MessageEvent, ParkedReceipt, StoredMessage
from gateway.domain.errors import StoreUnavailable
from gateway.domain.lifecycle import MessageState, is_final
from gateway.domain.message import Message, Part
from gateway.domain.provider_id import canonical_id, other_readings, read_again
from gateway.domain.receipt import Receipt, combined_parts, merged_state
from gateway.flow.backlog import Backlogs
from gateway.flow.fates import Fates
from gateway.flow.flight import Stored
from gateway.flow.journal import Journal
from gateway.flow.lane import TOLD, Lane
from gateway.flow.restore import restored
from gateway.ports import Clock, MessageStore
from gateway.runtime.metrics import Counters

# Bound once: reaching a member through its class costs eight times a global.
_UNKNOWN = MessageState.UNKNOWN

log = logging.getLogger("postern.receipts")

WARN_AGAIN_S = 3600.0
REREAD_AT_ONCE = 500


class _Waiting(NamedTuple):
    receipt: Receipt
    stored: Stored
    token: object


_ByForm = dict[str, Message | Part]  # ids as they were answered, and their canonical forms


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
        self._warn_again_at: dict[int, float] = {}  # provider id -> monotonic seconds

    def receive(self, lane: Lane, receipt: Receipt, stored: Stored, token: object) -> None:
        """Takes one receipt; `stored(token, True)` when it is on disk, False when it cannot be."""
        if not self._journal.available:
            stored(token, False)
            return
        id = receipt.provider_message_id
        target = lane.awaiting.get(id)
        if target is not None:
            self._merge(lane, target, receipt, stored, token)
        elif id in lane.ended:
            self._repeated(lane, id, receipt, stored, token)
        elif not id:
            self._counters.receipts[lane.name, "without_id"] += 1
            self._journal.after_commit(stored, token)
        else:
            self._look_up_soon(lane, _Waiting(receipt, stored, token))

    def _repeated(
        self, lane: Lane, known_as: str, receipt: Receipt, stored: Stored, token: object
    ) -> None:
        """The message has had its final receipt; the first repeat stands on its timeline."""
        self._counters.receipts[lane.name, "repeated"] += 1
        message_key = lane.ended[known_as]
        if message_key != TOLD and is_final(receipt.state):
            lane.ended[known_as] = TOLD
            detail = f"{lane.name}: {receipt.state.name}"
            now_ms = self._clock.now_ms()
            self._journal.event(
                MessageEvent(message_key, now_ms, EventKind.REPEATED_RECEIPT, lane.id, detail)
            )
        self._journal.after_commit(stored, token)

    # -- matching --------------------------------------------------------------------------------

    def _look_up_soon(self, lane: Lane, waiting: _Waiting) -> None:
        gathered = self._unmatched.get(lane.id)
        if gathered is not None:
            gathered.append(waiting)
            return
        self._unmatched[lane.id] = [waiting]
        self._spawn(self._look_up(lane), name=f"receipts-{lane.name}")

    async def _look_up(self, lane: Lane) -> None:
        """Finds the messages of the receipts gathered in this loop turn in the store."""
        await self._clock.sleep(0)
        gathered = self._unmatched.pop(lane.id)
        try:
            by_form = await self._stored(lane, {w.receipt.provider_message_id for w in gathered})
        except StoreUnavailable:
            for waiting in gathered:
                waiting.stored(waiting.token, False)
            return
        strangers = [waiting for waiting in gathered if not self._matches(lane, waiting, by_form)]
        for waiting in strangers:
            self._park(lane, *waiting)
        await self._warn_of_id_mode(lane, [waiting.receipt for waiting in strangers])

    async def _stored(self, lane: Lane, ids: Iterable[str]) -> _ByForm:
        """The messages of these ids as live objects, found under every form of their ids."""
        by_form: _ByForm = {}
        with self._backlogs.watched() as unsettled:
            rows = await self._store.by_provider_message_id(lane.id, sorted(ids))
        for row in rows:
            for target in self._targets(lane, row, row.key not in unsettled):
                id = target.provider_message_id or ""
                by_form[id] = target
                by_form.setdefault(canonical_id(id), target)
        return by_form

    def _targets(self, lane: Lane, row: StoredMessage, is_settled: bool) -> list[Message | Part]:
        """What of a stored message this lane's receipts may be for."""
        message = self._backlogs.live.get(row.key)
        if message is None and row.state == MessageState.QUEUED and is_settled:
            message = self._backlogs.adopt(row)
        if message is None:
            copy = restored(row, self._accounts, self._credentials)
            message = lane.holder_of(copy)
            if message is None and not is_settled:
                return []  # it is coming to its end at this moment: the row says less than memory
            message = message or copy
            lane.await_parts(message)
        if message.parts is None:
            return [message]
        return [p for p in message.parts if p.provider_message_id and p.provider_id == lane.id]

    def _matches(self, lane: Lane, waiting: _Waiting, by_form: _ByForm) -> bool:
        """Gives the receipt to its message; False when nobody knows it.

        The exact id goes before its other spellings, and memory before the store: the answer, or
        this receipt, may have come while the store was asked.
        """
        id = waiting.receipt.provider_message_id
        target = lane.awaiting.get(id)
        known_as: str | None = id
        if target is None and id not in lane.ended:
            target = by_form.get(id)
            known_as = None if target is not None else lane.known_as(id)
            if known_as is not None:
                target = lane.awaiting.get(known_as)
            elif target is None:
                target = by_form.get(canonical_id(id))
        if target is not None:
            self._merge(lane, target, *waiting)
        elif known_as is not None:
            self._repeated(lane, known_as, *waiting)
        else:
            return False
        return True

    async def _warn_of_id_mode(self, lane: Lane, strangers: list[Receipt]) -> None:
        """Says so when strangers would be known by another `id_mode`: once an hour, and counted."""
        id_mode = lane.spec.id_mode
        if not id_mode:
            return
        readings = {
            reading: (receipt, setting)
            for receipt in strangers
            if is_final(receipt.state)
            for reading, setting in other_readings(receipt.provider_message_id, id_mode).items()
        }
        if not readings:
            return
        try:
            by_form = await self._stored(lane, readings)
        except StoreUnavailable:
            return
        for reading, (receipt, setting) in readings.items():
            if reading in by_form or lane.known_as(reading) in lane.awaiting:
                self._counters.receipts[lane.name, "id_mode_mismatch"] += 1
                self._warn(lane, receipt.provider_message_id, reading, setting)

    def _warn(self, lane: Lane, receipt_id: str, message_id: str, setting: str) -> None:
        now = self._clock.monotonic()
        if now < self._warn_again_at.get(lane.id, now):
            return
        self._warn_again_at[lane.id] = now + WARN_AGAIN_S
        fields = {
            "provider": lane.name,
            "receipt_id": receipt_id,
            "message_id": message_id,
            "id_mode": lane.spec.id_mode,
            "id_mode_that_fits": setting,
        }
        log.warning("receipts.id_mode_mismatch", extra={"fields": fields})

    # -- parking ---------------------------------------------------------------------------------

    def _park(self, lane: Lane, receipt: Receipt, stored: Stored, token: object) -> None:
        """Keeps a final receipt until its message is known."""
        known = lane.parked.get(receipt.provider_message_id)
        if not is_final(receipt.state):
            self._counters.receipts[lane.name, "intermediate"] += 1
            self._journal.after_commit(stored, token)
        elif (
            known is not None
            and known.provider_message_id == receipt.provider_message_id
            and merged_state(known.state, receipt.state) is None
        ):
            self._counters.receipts[lane.name, "repeated"] += 1
            self._journal.after_commit(stored, token)
        else:
            self._counters.receipts[lane.name, "parked"] += 1
            self._keep(lane, receipt, stored, token)

    def _keep(self, lane: Lane, receipt: Receipt, stored: Stored, token: object) -> None:
        receipt.parked_at_ms = self._clock.now_ms()
        lane.park(receipt)
        row = ParkedReceipt(
            lane.id, receipt.provider_message_id, receipt.state, receipt.error, receipt.done_at_ms,
            receipt.parked_at_ms,
        )  # fmt: skip
        self._journal.park(row, stored, token)

    def take_parked(self, lane: Lane, target: Message | Part, provider_message_id: str) -> None:
        """The answer came: is its receipt here already?"""
        for form in (provider_message_id, canonical_id(provider_message_id)):
            receipt = lane.parked.get(form)
            if receipt is not None:
                self._unpark(lane, receipt)
                self._merge(lane, target, receipt, _nobody, None)
                return

    def _unpark(self, lane: Lane, receipt: Receipt) -> None:
        lane.unpark(receipt)
        self._journal.unpark(lane.id, receipt.provider_message_id)

    async def reread_parked(self, lane: Lane, id_mode_before: str) -> None:
        """After a reload changed `id_mode`: what is parked is read again by the new setting."""
        id_mode = lane.spec.id_mode
        renamed: list[tuple[Receipt, Receipt]] = []
        for id, old in lane.parked.items():
            reading = read_again(old.provider_message_id, id_mode_before, id_mode)
            if id == old.provider_message_id != reading:
                renamed.append((old, Receipt(reading, old.state, old.error, old.done_at_ms)))
        for at in range(0, len(renamed), REREAD_AT_ONCE):
            page = renamed[at : at + REREAD_AT_ONCE]
            try:
                by_form = await self._stored(lane, {new.provider_message_id for _, new in page})
            except StoreUnavailable as error:
                fields = {"provider": lane.name, "reason": str(error), "left": len(renamed) - at}
                log.warning("receipts.not_reread", extra={"fields": fields})
                return
            for old, new in page:
                if lane.parked.get(old.provider_message_id) is old:  # else its answer came
                    # One loop turn, one commit group: it is never on disk under neither id.
                    self._unpark(lane, old)
                    if not self._matches(lane, _Waiting(new, _nobody, None), by_form):
                        self._keep(lane, new, _nobody, None)

    def restore_parked(self, lanes: dict[int, Lane], parked: list[ParkedReceipt]) -> None:
        """After a start: parked receipts wait for their answers again."""
        for row in parked:
            lane = lanes.get(row.provider_id)
            if lane is not None:
                receipt = Receipt(
                    row.provider_message_id, MessageState(row.state), row.error, row.done_at_ms
                )
                receipt.parked_at_ms = row.at_ms
                lane.park(receipt)

    # -- merging ---------------------------------------------------------------------------------

    def _merge(
        self, lane: Lane, target: Message | Part, receipt: Receipt, stored: Stored, token: object
    ) -> None:
        new = merged_state(target.state, receipt.state)
        message = target if isinstance(target, Message) else target.message
        if new is None:
            kind = "intermediate" if not is_final(receipt.state) else "repeated"
            self._counters.receipts[lane.name, kind] += 1
            if kind == "repeated" and message is target:
                detail = f"{lane.name}: {receipt.state.name}"
                self._fates.event(message, EventKind.REPEATED_RECEIPT, detail)
            self._journal.after_commit(stored, token)
            return
        self._counters.receipts[lane.name, "matched"] += 1
        id = target.provider_message_id or receipt.provider_message_id
        self._note(lane, id, target, message, new)
        if receipt.provider_message_id != id:
            self._note(lane, receipt.provider_message_id, target, message, new)
        if isinstance(target, Part):
            self._merge_part(lane, target, new, receipt.error, stored, token)
            return
        if message.state == _UNKNOWN:
            detail = f"{lane.name}: {receipt.state.name}"
            self._fates.event(message, EventKind.LATE_RECEIPT, detail)
        self._fates.finish(message, new, receipt.error, stored, token)

    def _note(
        self, lane: Lane, id: str, target: Message | Part, message: Message, new: MessageState
    ) -> None:
        """What the next receipt of this id will be: a repeat, unless UNKNOWN may still change."""
        if new == _UNKNOWN:
            lane.await_receipt(id, target)
        else:
            lane.receipt_taken(id, message.key)

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
        if message.state == _UNKNOWN:
            detail = f"{lane.name}: {new.name}, part {part.n + 1}"
            self._fates.event(message, EventKind.LATE_RECEIPT, detail)
        self._fates.finish(message, combined, error, stored, token)
        lane.forget(message)
        if combined == MessageState.DELIVERED:
            # Nothing more is said of it.  A part that its message names back would stay in memory
            # until the next collection of cycles.
            message.parts = None


def _nobody(_token: object, _stored: bool) -> None:
    """The provider was answered when the receipt was parked."""

"""What must be true of the rows of bulks at any moment, whatever died or was refused before."""

import json
from collections import Counter

from gateway.domain.bulk import BulkState, RecipientState
from gateway.domain.bulk_rows import COUNTED, StoredBulk
from gateway.domain.lifecycle import MoneyState, is_final
from gateway.store.audit import LedgerAudit, differences_of
from gateway.store.engine import Fetch

_COLUMNS = StoredBulk._fields[:-1]
_COUNTS = (*COUNTED, RecipientState.INVALID, RecipientState.BLOCKED)


async def bulk_faults(fetch: Fetch) -> list[str]:
    """Everything that contradicts itself, the money included; empty when all is sound."""
    faults = differences_of(await LedgerAudit(fetch).run())
    rows = await fetch(f"SELECT {', '.join(_COLUMNS)}, '' FROM bulk WHERE state > 0")  # noqa: S608
    for row in rows:
        bulk = StoredBulk._make(row)
        found = await _faults_of(fetch, bulk)
        faults += [f"bulk {bulk.key:016x}: {fault}" for fault in found]
    return faults


async def _faults_of(fetch: Fetch, bulk: StoredBulk) -> list[str]:
    recipients = await fetch(
        "SELECT n, recipient, state, price_class FROM bulk_recipient WHERE bulk_key = ? ORDER BY n",
        bulk.key,
    )
    messages = await fetch(
        "SELECT door_note, recipient, state, money, charge_micros FROM message"
        " WHERE batch_key = ? ORDER BY key",
        bulk.key,
    )
    faults = []
    if [n for n, *_ in recipients] != list(range(1, bulk.recipients + 1)):
        faults.append("its recipients have gaps")
    faults += _faults_of_counts(bulk, Counter(state for _, _, state, _ in recipients))
    faults += _faults_of_price(bulk, recipients)
    made = {-note: (recipient, state) for note, recipient, state, *_ in messages}
    if len(made) != len(messages):
        faults.append("a recipient became two messages")
    for n, recipient, state, _ in recipients:
        if state in (RecipientState.INVALID, RecipientState.BLOCKED) or n > bulk.fed_n:
            if n in made:
                faults.append(f"recipient {n} should not be a message yet")
        elif n not in made:
            faults.append(f"recipient {n} became no message")
        elif made[n] != (recipient, state) and (is_final(made[n][1]) or state):
            faults.append(f"recipient {n} is {state} and its message {made[n]}")
    return faults


def _faults_of_counts(bulk: StoredBulk, by_state: Counter[int]) -> list[str]:
    expected = dict(by_state)
    if bulk.state == BulkState.CANCELLED:
        expected[RecipientState.CANCELLED] = expected.pop(RecipientState.PENDING, 0)
    counted = {int(state): getattr(bulk, state.name.lower()) for state in _COUNTS}
    if counted != {int(state): expected.get(state, 0) for state in _COUNTS}:
        return [f"it counts {counted}, its recipients are {expected}"]
    return []


def _faults_of_price(bulk: StoredBulk, recipients: list[tuple[int, str, int, int]]) -> list[str]:
    prices = [price * bulk.parts for price in json.loads(bulk.classes)]
    valid = [
        (n, prices[price_class])
        for n, _, state, price_class in recipients
        if state not in (RecipientState.INVALID, RecipientState.BLOCKED)
    ]
    unfed = [price for n, price in valid if n > bulk.fed_n and price]
    if bulk.state == BulkState.CANCELLED:
        unfed = []
    faults = []
    if bulk.valid != len(valid) or bulk.total_micros != sum(price for _, price in valid):
        faults.append(f"it has {len(valid)} valid recipients for {sum(p for _, p in valid)}")
    if (bulk.unfed_micros, bulk.unfed_count) != (sum(unfed), len(unfed)):
        faults.append(f"it keeps {bulk.unfed_micros} for {unfed}")
    if bulk.money == MoneyState.NONE and bulk.total_micros and bulk.state != BulkState.CANCELLED:
        faults.append("nobody has paid for it")
    return faults

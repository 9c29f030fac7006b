"""The promises, checked on both ends and in the rows between them, once an ordeal is over.

Every check yields sentences that name ids; no sentence means that the promise was kept.
"""

from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from gateway.domain.account import Door
from gateway.domain.commit_group import EventKind, LedgerKind
from gateway.domain.fate import WORDS
from gateway.domain.keys import key_time_ms
from gateway.domain.lifecycle import FINAL_STATES, MessageState, MoneyState, Notified
from tests.faults.crash_carrier import Sighting
from tests.faults.crash_plan import HOLDING, MOST_PARTS, Fate, Sms, sms_to
from tests.faults.crash_rows import MessageRow, Rows
from tests.faults.crash_site import BINDS, PRICE_MICROS, WINDOW, Death, Site

# What an outcome may wait for a commit group to go with.
RIDE_ALONG_S = 0.02
_SHOWN = 5  # sentences of one check

_SUCCESS = MessageState.DELIVERED
_UNKNOWN = MessageState.UNKNOWN


class Evidence:
    """The rows of the store, joined with what the peers wrote down."""

    def __init__(self, site: Site, rows: Rows) -> None:
        self.site = site
        self.rows = rows
        self.by_recipient: dict[str, list[MessageRow]] = {}
        for row in rows.messages:
            self.by_recipient.setdefault(row.recipient, []).append(row)
        self.sightings: dict[str, dict[int, list[Sighting]]] = {}
        for carrier in site.carriers.values():
            for (recipient, part), sightings in carrier.sightings.items():
                self.sightings.setdefault(recipient, {})[part] = sightings
        self.smpp_receipts: dict[str, list[str]] = {}
        self.accepted: dict[str, Sms] = {}  # over SMPP
        for customer in site.customers:
            self.smpp_receipts.update(customer.receipts)
            self.accepted.update(customer.accepted)

    def events(self, row: MessageRow) -> list[EventKind]:
        """What deviated on its way."""
        return self.rows.events.get(row.key, [])

    def provider_ids(self, row: MessageRow) -> set[str | None]:
        """The ids under which the provider knows it."""
        if row.part_count == 1:
            return {row.provider_message_id}
        return {part.provider_message_id for part in self.rows.parts.get(row.key, [])}

    def is_known_to_provider(self, row: MessageRow) -> bool:
        """Whether the provider's id of every part is stored."""
        ids = self.provider_ids(row)
        return len(ids) == row.part_count and None not in ids

    @property
    def resent(self) -> int:
        """Messages that say on their timeline that they may have left twice."""
        kind = EventKind.RESENT_AFTER_RESTART
        return sum(kind in events for events in self.rows.events.values())


class Duplicates(NamedTuple):
    """Parts that one death made the carrier see again, and how many were at risk."""

    death: Death
    repeated: int
    allowed: int


def problems(evidence: Evidence) -> list[str]:
    """Every broken promise."""
    found: list[str] = []
    for check in CHECKS:
        sentences = list(check(evidence))
        found += [f"{check.__name__}: {sentence}" for sentence in sentences[:_SHOWN]]
        if len(sentences) > _SHOWN:
            found.append(f"{check.__name__}: ... and {len(sentences) - _SHOWN} more")
    return found


# --- messages -------------------------------------------------------------------------------------


def accepted_are_stored_once(evidence: Evidence) -> Iterator[str]:
    """Every positive answer names a row, and no number has two."""
    for message_id, sms in evidence.accepted.items():
        keys = [f"{row.key:016x}" for row in evidence.by_recipient.get(sms.recipient, [])]
        if keys != [message_id]:
            yield f"{message_id} to {sms.recipient} was accepted, stored are {keys}"
    for message_id, sms in evidence.site.rest.accepted.items():
        stored = evidence.by_recipient.get(sms.recipient, [])
        if len(stored) != 1:
            yield f"{message_id} to {sms.recipient} was accepted by REST, stored are {stored}"
    for recipient, stored in evidence.by_recipient.items():
        if len(stored) > 1:
            yield f"{recipient} has {len(stored)} rows: {[row.key for row in stored]}"


def refused_cost_nothing(evidence: Evidence) -> Iterator[str]:
    """What got an error is not stored, and the carrier never saw it."""
    refused: dict[str, object] = dict(evidence.site.rest.refused)
    for customer in evidence.site.customers:
        refused.update(customer.refused)
    for recipient, answer in refused.items():
        if recipient in evidence.by_recipient or recipient in evidence.sightings:
            yield f"{recipient} was answered {answer} and is stored or sent"


def accepted_reached_the_carrier(evidence: Evidence) -> Iterator[str]:
    """At least once, every part with its own text."""
    for row in evidence.rows.messages:
        sms = sms_to(row.recipient)
        seen = evidence.sightings.get(row.recipient, {})
        missing = sms.part_count - len(seen)
        if not seen and row.state == _UNKNOWN and sms.provider == HOLDING:
            continue  # at most once: it may have died between the commit and the wire
        if not seen or (missing and row.state == _SUCCESS):
            yield f"{row.key:016x} to {row.recipient} is {row.state.name}, {missing} parts unseen"
        texts = [{s.text for s in seen[part]} for part in sorted(seen)]
        joined = "".join(text for part in texts for text in part)
        if not missing and joined != sms.text:
            yield f"{row.key:016x} to {row.recipient} left as {texts}, not {sms.text!r}"


def nothing_unpaid_left(evidence: Evidence) -> Iterator[str]:
    """What the carrier saw is stored: it was paid for first."""
    for recipient in evidence.sightings.keys() - evidence.by_recipient.keys():
        yield f"{recipient} was sent and has no row"


def held_left_at_most_once(evidence: Evidence) -> Iterator[str]:
    """`unknown = "hold"`."""
    for recipient, parts in evidence.sightings.items():
        for part, sightings in parts.items():
            if len(sightings) > 1 and sms_to(recipient).provider == HOLDING:
                yield f"part {part} to {recipient} was sent {len(sightings)} times, to be held"


def repeated_are_marked(evidence: Evidence) -> Iterator[str]:
    """What the carrier saw twice says so on its timeline."""
    for recipient, parts in evidence.sightings.items():
        times = max(len(sightings) for sightings in parts.values())
        for row in evidence.by_recipient.get(recipient, []) if times > 1 else ():
            if EventKind.RESENT_AFTER_RESTART not in evidence.events(row):
                yield f"{row.key:016x} to {recipient} was sent {times} times without an event"


def repeated_are_few(evidence: Evidence) -> Iterator[str]:
    """Per death: no more than the provider's windows and what no commit covered yet."""
    for death, repeated, allowed in duplicates(evidence):
        if repeated > allowed:
            yield f"{repeated} parts were sent again after {death}, at most {allowed} may be"


def duplicates(evidence: Evidence) -> list[Duplicates]:
    """Parts sent again, by the death that made it necessary."""
    deaths = evidence.site.deaths
    births = [run.born for run in evidence.site.runs]  # those that died came first
    window = BINDS * WINDOW * len(evidence.site.carriers)
    # The other parts of a message that was begun may exceed a window.
    allowed = [window + BINDS * (MOST_PARTS - 1)] * len(deaths)
    repeated = [0] * len(deaths)
    for parts in evidence.sightings.values():
        for sightings in parts.values():
            for number, sighting in enumerate(sightings):
                sender = bisect(births, sighting.seen) - 1
                if sender < len(deaths):
                    covered = max(deaths[sender].covered, births[sender]) - RIDE_ALONG_S
                    allowed[sender] += sighting.answered >= covered
                    repeated[sender] += number + 1 < len(sightings)
    return [Duplicates(*found) for found in zip(deaths, repeated, allowed, strict=True)]


# --- fates ----------------------------------------------------------------------------------------


def every_message_has_its_fate(evidence: Evidence) -> Iterator[str]:
    """One final state with its time: the one the carrier decided."""
    for row in evidence.rows.messages:
        name = f"{row.key:016x} to {row.recipient}"
        if row.state not in FINAL_STATES or not row.final_at_ms:
            yield f"{name} is {row.state.name}, final at {row.final_at_ms}"
            continue
        decided = sms_to(row.recipient).fate
        if row.state != decided.value and not _outcome_was_lost(evidence, row):
            yield f"{name} is {row.state.name}, the carrier decided {decided.name}"
        if decided is not Fate.REFUSED and row.state != _UNKNOWN and not row.sent_at_ms:
            yield f"{name} is {row.state.name} and was never sent"
        if row.sent_at_ms > row.final_at_ms:
            yield f"{name} was sent at {row.sent_at_ms} and ended at {row.final_at_ms}"
        if row.sent_at_ms and row.sent_at_ms < key_time_ms(row.key):
            yield f"{name} was sent at {row.sent_at_ms}, before it was accepted"


def _outcome_was_lost(evidence: Evidence, row: MessageRow) -> bool:
    """Held, and the carrier's answer died with the daemon: nobody can know what became of it."""
    is_held = sms_to(row.recipient).provider == HOLDING
    return row.state == _UNKNOWN and is_held and not evidence.is_known_to_provider(row)


def parts_agree_with_their_message(evidence: Evidence) -> Iterator[str]:
    """A delivered message is delivered part by part."""
    for row in evidence.rows.messages:
        if row.part_count == 1 or row.state != _SUCCESS:
            continue
        states = [part.state for part in evidence.rows.parts.get(row.key, [])]
        if states != [_SUCCESS] * row.part_count:
            yield f"{row.key:016x} to {row.recipient} is DELIVERED, its parts are {states}"


def receipts_came_home(evidence: Evidence) -> Iterator[str]:
    """Each customer heard the final state at least once, and no other one."""
    for row in evidence.rows.messages:
        if row.door != Door.SMPP:
            continue
        message_id = f"{row.key:016x}"
        heard = evidence.smpp_receipts.get(message_id, [])
        if row.notified != Notified.DONE:
            yield f"{message_id} to {row.recipient} is {row.notified.name}"
        expected = WORDS[row.state].smpp_stat
        allowed = {expected}
        if EventKind.LATE_RECEIPT in evidence.events(row):
            allowed.add(WORDS[_UNKNOWN].smpp_stat)
        if expected not in heard or not allowed.issuperset(heard):
            yield f"{message_id} to {row.recipient} is {row.state.name}, its customer heard {heard}"
    stored = {f"{row.key:016x}" for row in evidence.rows.messages}
    for message_id in evidence.smpp_receipts.keys() - stored:
        yield f"{message_id} has a receipt and no row"


def webhooks_came_home(evidence: Evidence) -> Iterator[str]:
    """The REST customer was told every fate."""
    heard: dict[str, set[str]] = {}
    ids: dict[str, set[str]] = {}
    for message_id, events in evidence.site.rest.notifications.items():
        for event in events:
            recipient = event["recipient"].removeprefix("+")
            heard.setdefault(recipient, set()).add(event["status"])
            ids.setdefault(recipient, set()).add(message_id)
    for message_id, sms in evidence.site.rest.accepted.items():
        if ids.get(sms.recipient) != {message_id}:
            yield f"{message_id} to {sms.recipient}: told under {ids.get(sms.recipient)}"
    for row in evidence.rows.messages:
        if row.door == Door.SMPP:
            continue
        told = heard.get(row.recipient, set())
        if WORDS[row.state].word not in told:
            yield f"{row.key:016x} to {row.recipient} is {row.state.name}, its customer heard {told}"
    for key in evidence.rows.unnotified_webhooks:
        yield f"{key:016x}: its webhook was not taken"


def acknowledged_receipts_are_kept(evidence: Evidence) -> Iterator[str]:
    """What we told the carrier to forget moved its message, or is parked for a stranger."""
    names = {name: id_ for id_, name in evidence.rows.providers.items()}
    for carrier in evidence.site.carriers.values():
        provider_id = names[carrier.name]
        for message_id, status in carrier.refused_receipts.items():
            yield f"{carrier.name} {message_id}: its receipt was refused with 0x{status:x}"
        for message_id, sms in carrier.acknowledged.items():
            known = [
                row
                for row in evidence.by_recipient.get(sms.recipient, [])
                if message_id in evidence.provider_ids(row)
            ]
            if known and known[0].state == _UNKNOWN and known[0].part_count == 1:
                yield f"{carrier.name} {message_id} to {sms.recipient}: its message is UNKNOWN"
            if not known and (provider_id, message_id) not in evidence.rows.parked:
                yield f"{carrier.name} {message_id} to {sms.recipient}: lost"


# --- money ----------------------------------------------------------------------------------------


def the_ledger_holds(evidence: Evidence) -> Iterator[str]:
    """Balance = opening - charges + refunds, in the account, its lines and its messages."""
    yield from evidence.rows.ledger_problems
    for account in evidence.rows.accounts:
        lines = [line for line in evidence.rows.ledger if line.account_id == account.id]
        messages = [row for row in evidence.rows.messages if row.account_id == account.id]
        moved = sum(line.amount_micros for line in lines if line.kind != LedgerKind.OPENING)
        charged = sum(row.charge_micros for row in messages if row.money == MoneyState.CHARGED)
        if account.held_micros:
            yield f"{account.name} still holds {account.held_micros}"
        if account.balance_micros != account.opening_micros + moved:
            yield f"{account.name} has {account.balance_micros}, its lines say {moved}"
        if account.balance_micros != account.opening_micros - charged:
            yield f"{account.name} has {account.balance_micros}, its messages cost {charged}"


def each_message_is_charged_once(evidence: Evidence) -> Iterator[str]:
    """The lines count as many charges less refunds as there are charged messages."""
    for account in evidence.rows.accounts:
        lines = Counter[LedgerKind]()
        for line in evidence.rows.ledger:
            if line.account_id == account.id:
                lines[line.kind] += line.message_count
        charged = 0
        for row in evidence.rows.messages:
            if row.account_id == account.id:
                charged += row.money == MoneyState.CHARGED
                yield from _price_problems(evidence, row)
        if lines[LedgerKind.CHARGE] - lines[LedgerKind.REFUND] != charged:
            yield f"{account.name}: {dict(lines)} in its lines, {charged} charged messages"


def _price_problems(evidence: Evidence, row: MessageRow) -> Iterator[str]:
    if row.charge_micros != row.part_count * PRICE_MICROS:
        yield f"{row.key:016x} costs {row.charge_micros} for {row.part_count} parts"
    # A receipt that came after the window moves no money any more.
    was_late = EventKind.LATE_RECEIPT in evidence.events(row)
    paid = (MoneyState.CHARGED,) if row.state == _SUCCESS and not was_late else None
    if row.money not in (paid or (MoneyState.CHARGED, MoneyState.REFUNDED)):
        yield f"{row.key:016x} to {row.recipient} is {row.state.name} and {row.money.name}"


# --- the process ----------------------------------------------------------------------------------


def no_daemon_complained(evidence: Evidence) -> Iterator[str]:
    """No error in any log, and nothing of our own peers failed."""
    yield from evidence.site.troubles
    for run in evidence.site.runs:
        for line in run.lines():
            if line.get("level") in ("error", "critical"):
                yield f"{run.log.name}: {line}"


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    accepted_are_stored_once,
    refused_cost_nothing,
    accepted_reached_the_carrier,
    nothing_unpaid_left,
    held_left_at_most_once,
    repeated_are_marked,
    repeated_are_few,
    every_message_has_its_fate,
    parts_agree_with_their_message,
    receipts_came_home,
    webhooks_came_home,
    acknowledged_receipts_are_kept,
    the_ledger_holds,
    each_message_is_charged_once,
    no_daemon_complained,
)

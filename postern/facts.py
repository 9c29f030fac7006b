"""Rows and live objects as the JSON-ready facts that commands print; no decision is made here.

Amounts are decimal texts in units of the currency, times ISO 8601 in UTC, ids as customers see
them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.domain.account import Account, Door
from gateway.domain.commit_group import EventKind, MessageEvent, StoredMessage
from gateway.domain.fate import WORDS
from gateway.domain.identity import CredentialKind, Origin, StoredCredential, StoredSender
from gateway.domain.keys import KEY_LIMIT, PublicIds, key_time_ms
from gateway.domain.lifecycle import MessageState, MoneyState, Notified, is_final
from gateway.domain.message import Message
from gateway.domain.money import format_amount
from gateway.domain.sms_text import Alphabet
from gateway.flow.lane import Lane
from gateway.policy.breaker import Circuit

_ORIGINS = {Origin.FILE: "file", Origin.STORE: "command"}
_NOTIFIED = {
    Notified.PENDING: "notification pending",
    Notified.DONE: "notified",
    Notified.ABANDONED: "notification abandoned",
}

Facts = dict[str, object]


def iso(time_ms: int) -> str | None:
    """`2026-01-03T14:30:00.250Z`; None for 0, which means unset."""
    if not time_ms:
        return None
    seconds, millis = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


# -- accounts ------------------------------------------------------------------------------------


def account_facts(account: Account) -> Facts:
    """One account and its money."""
    return {
        "name": account.name,
        "id": account.id,
        "enabled": account.enabled,
        "currency": account.currency,
        "balance": format_amount(account.balance_micros),
        "held": format_amount(account.held_micros),
        "available": format_amount(account.available_micros),
        "limit": format_amount(account.limit_micros),
        "charge": account.charge_at.name.lower(),
        "refund": account.refund.name.lower(),
        "senders": sorted(account.senders),
    }


def token_facts(row: StoredCredential) -> Facts:
    """An API token without its secret."""
    return {
        "id": row.id,
        "name": row.name,
        "enabled": row.enabled,
        "origin": _ORIGINS[row.origin],
    }


def tokens_of(rows: Iterable[StoredCredential], account: Account) -> list[StoredCredential]:
    """The account's tokens, oldest first."""
    return [
        row for row in rows if row.account_id == account.id and row.kind == CredentialKind.TOKEN
    ]


def sender_facts(row: StoredSender, account: Account, public_ids: PublicIds) -> Facts:
    """A sender id, what both stages say, and who decided about it."""
    return {
        "account": account.name,
        "name": row.name,
        "id": public_ids.encode("sender", row.id),
        "state": row.state.name.lower(),
        "provider_state": row.verification.name.lower(),
        "may_send": row.may_send,
        "default": row.may_send and row.name == account.default_sender,
        "messages": row.message_count,
        "reason": row.reason,
        "origin": _ORIGINS[row.origin],
        "created_at": iso(row.created_at_ms),
        "changed_at": iso(row.changed_at_ms),
    }


# -- providers -----------------------------------------------------------------------------------


def lane_state(lane: Lane) -> str:
    """Up, down, paused, ended, or what its circuit says when that is not closed."""
    if not lane.enabled:
        return "ended"
    if lane.paused:
        return "paused"
    if not lane.wire.is_up():
        return "down"
    return _CIRCUITS[lane.breaker.circuit]


def lane_reason(lane: Lane) -> str:
    """Why it is not up, as far as that is known; empty when it is."""
    if lane.breaker.circuit is not Circuit.CLOSED:
        return f"{lane.breaker.failures} failures in a row, the last: {lane.breaker.reason}"
    return "" if lane.wire.is_up() else str(lane.wire.describe().get("last_error", ""))


_CIRCUITS = {
    Circuit.CLOSED: "up",
    Circuit.OPEN: "circuit open",
    Circuit.HALF_OPEN: "circuit half-open",
}


def lane_facts(lane: Lane) -> Facts:
    """One provider: its queue, pace and links."""
    spec = lane.spec
    return {
        "name": lane.name,
        "state": lane_state(lane),
        "paused": lane.paused,
        "queued": lane.queue.size,
        "awaiting_receipts": len(lane.awaiting),
        "rate_per_s": spec.rate_per_s,
        "current_rate_per_s": round(lane.pace.current, 3),
        "slowed": lane.pace.is_slowed,
        "window_limit": None if lane.window.limit is None else int(lane.window.limit),
        "failures": lane.breaker.failures,
        "failure": lane.breaker.reason,
        "unknown": spec.unknown,
        "receipts": spec.receipts,
        "receipt_window_s": spec.receipt_window_s,
        "retry_s": list(spec.retry_s),
        "wire": dict(lane.wire.describe()),
    }


# -- messages ------------------------------------------------------------------------------------


class Names(NamedTuple):
    """What ids of a message row are called."""

    accounts: Mapping[int, str]
    credentials: Mapping[int, str]
    providers: Mapping[int | None, str]
    public_ids: PublicIds


def message_keys(text: str, public_ids: PublicIds) -> list[int]:
    """The keys that `text` may mean: UUID, 16 hex digits or decimal; empty when it is no id.

    Sixteen decimal digits can be read both ways; hex, which is what SMPP shows, comes first.
    """
    text = text.strip().lower()
    key = public_ids.decode("message", text)
    if key is not None:
        return [key]
    found = []
    if len(text) == 16 and set(text) <= set("0123456789abcdef"):
        found.append(int(text, 16))
    if text.isascii() and text.isdigit() and len(text) <= 19:
        found.append(int(text))
    return [key for key in found if 0 < key < KEY_LIMIT]


def message_facts(row: StoredMessage, events: Sequence[MessageEvent], names: Names) -> Facts:
    """One message and its timeline.  Its text is the customer's and not shown."""
    state = MessageState(row.state)
    facts: Facts = {
        "id": f"{row.key:016x}",
        "decimal": str(row.key),
        "uuid": names.public_ids.encode("message", row.key),
        "account": names.accounts.get(row.account_id, ""),
        "credential": names.credentials.get(row.credential_id or 0, ""),
        "door": Door(row.door).name.lower(),
        "sender": row.sender,
        "recipient": f"+{row.recipient}",
        "state": WORDS[state].word,
        "final": is_final(state),
        "error": row.error,
        "alphabet": Alphabet(row.alphabet).name.lower(),
        "parts": row.part_count,
        "price": format_amount(row.charge_micros),
        "money": MoneyState(row.money).name.lower(),
        "priority": row.priority,
        "attempts": row.attempts + bool(row.sent_at_ms),
        "provider": names.providers.get(row.provider_id, ""),
        "provider_message_id": row.provider_message_id or "",
        "accepted_at": iso(key_time_ms(row.key)),
        "due_at": iso(row.due_at_ms),
        "expires_at": iso(row.expires_at_ms),
        "sent_at": iso(row.sent_at_ms),
        "final_at": iso(row.final_at_ms),
        "timeline": _timeline(row, events, names),
    }
    if row.parts:
        facts["part_list"] = [
            {
                "n": part.n + 1,
                "provider": names.providers.get(part.provider_id, ""),
                "provider_message_id": part.provider_message_id or "",
                "state": WORDS[MessageState(part.state)].word,
            }
            for part in row.parts
        ]
    return facts


def cancelled_facts(message: Message) -> Facts:
    """A message that was cancelled, and what became of its price."""
    return {
        "id": f"{message.key:016x}",
        "account": message.account.name,
        "state": WORDS[message.state].word,
        "price": format_amount(message.charge_micros),
        "currency": message.account.currency,
        "money": message.money.name.lower(),
    }


def _timeline(
    row: StoredMessage, events: Sequence[MessageEvent], names: Names
) -> list[dict[str, object]]:
    """Steps of the row and event rows, in order of time; a step without a time stands last."""
    provider = names.providers.get(row.provider_id, "")
    credential = names.credentials.get(row.credential_id or 0, "")
    steps: list[tuple[int, str, str]] = [
        (key_time_ms(row.key), "accepted", f"{Door(row.door).name.lower()} by {credential}")
    ]
    if row.sent_at_ms:
        given = f" as {row.provider_message_id}" if row.provider_message_id else ""
        steps.append((row.sent_at_ms, "sent", f"{provider}{given}"))
    steps += [(event.at_ms, _event_word(event), event.detail) for event in events]
    if row.final_at_ms:
        steps.append((row.final_at_ms, WORDS[MessageState(row.state)].word, row.error))
    steps.sort(key=lambda step: step[0])  # stable: what happened in one millisecond keeps its order
    timeline: list[dict[str, object]] = [
        {"at": iso(at_ms), "event": word, "detail": detail} for at_ms, word, detail in steps
    ]
    if row.notified != Notified.NONE:
        timeline.append({"at": None, "event": _NOTIFIED[Notified(row.notified)], "detail": ""})
    return timeline


def _event_word(event: MessageEvent) -> str:
    return EventKind(event.kind).name.lower().replace("_", " ")

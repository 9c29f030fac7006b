"""The one place where a message gets its final state.

Money, notification, message log, counters and commit are decided here, once for every flow.
"""

import json
from collections.abc import Callable, Iterable

from gateway.domain.account import Account, ChargeAt, Door, RefundPolicy
from gateway.domain.commit_group import (
    EventKind,
    LedgerKind,
    MessageEvent,
    NewWebhookDelivery,
    NoticeKind,
)
from gateway.domain.fate import WORDS
from gateway.domain.keys import key_time_ms
from gateway.domain.lifecycle import (
    MOVES,
    MessageState,
    MoneyState,
    Notified,
    wants_notification,
)
from gateway.domain.message import Message
from gateway.domain.money import format_amount
from gateway.flow.flight import Stored
from gateway.flow.journal import Journal
from gateway.ports import Clock
from gateway.runtime.message_log import MessageLog
from gateway.runtime.metrics import Counters

# Bound once: reaching a member through its class costs eight times a global.
_UNKNOWN = MessageState.UNKNOWN
_DELIVERED = MessageState.DELIVERED
_HANDED_OVER = MessageState.HANDED_OVER
_HELD = MoneyState.HELD
_CHARGED = MoneyState.CHARGED
_REFUNDED = MoneyState.REFUNDED
_SMPP = Door.SMPP
_PENDING = Notified.PENDING
_AT_DELIVERY = ChargeAt.DELIVERY
_IF_UNSENT = RefundPolicy.UNSENT
_IF_UNDELIVERED = RefundPolicy.UNDELIVERED

# By state value: an index costs less than a look into a dict.
_STATES = range(max(WORDS) + 1)
_WORD = [WORDS[MessageState(s)].word if s in WORDS else "" for s in _STATES]
_MOVES = [
    frozenset(int(m) for m in MOVES[MessageState(s)]) if s in MOVES else frozenset()
    for s in _STATES
]


class Fates:
    """Ends messages.  `offer_notification` is set by the notifications flow."""

    def __init__(
        self, journal: Journal, clock: Clock, counters: Counters, message_log: MessageLog | None
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._counters = counters
        self._message_log = message_log
        self.provider_names: dict[int | None, str] = {None: ""}
        # What is owed over HTTP for a message that ended: form and URL of each notification.
        self.owed_notices: Callable[[Message], Iterable[tuple[NoticeKind, str]]] = lambda _: ()
        self.offer_notification: Stored = lambda _message, _stored: None
        self.wake_webhooks: Stored = lambda _message, _stored: None

    def sent(self, message: Message) -> None:
        """The provider took it: a hold becomes a charge, unless delivery is what is paid for."""
        if message.money == _HELD and message.account.charge_at != _AT_DELIVERY:
            self._charge(message)

    def finish(
        self,
        message: Message,
        state: MessageState,
        error: str = "",
        stored: Stored | None = None,
        token: object = None,
    ) -> None:
        """Gives `message` its final `state`; `stored(token, True)` once that is on disk.

        Raises:
            ValueError: the state machine has no such move (a defect of the caller).
        """
        before = message.state
        if state not in _MOVES[before]:
            raise ValueError(f"message {message.key} cannot go from {before.name} to {state.name}")
        message.state = state
        message.final_at_ms = self._clock.now_ms()
        if error or state in (_DELIVERED, _HANDED_OVER):
            message.error = error  # what earlier attempts met is no error of a success
        if before != _UNKNOWN:
            self._settle(message, state)
        journal = self._journal
        if message.door_note < 0:
            journal.end_recipient(message, before)
        if wants_notification(message.notify_when, state):
            self._plan_notification(message)
        journal.change_now(message, stored, token)
        name = self.provider_names.get(message.provider_id, "")
        self._counters.fates[name, _WORD[state]] += 1
        if self._message_log is not None:
            self._message_log.append(_line(message, name))

    def event(self, message: Message, kind: EventKind, detail: str) -> None:
        """Records a deviation on the message's timeline."""
        self._journal.event(
            MessageEvent(message.key, self._clock.now_ms(), kind, message.provider_id, detail)
        )

    # -- money -----------------------------------------------------------------------------------

    def _settle(self, message: Message, state: MessageState) -> None:
        """What the end costs: the table in docs/configuration.md, "What a message costs"."""
        money = message.money
        if money == _CHARGED:
            if state in (_DELIVERED, _HANDED_OVER, _UNKNOWN):
                return
            policy = message.account.refund
            if policy == _IF_UNDELIVERED or (policy == _IF_UNSENT and not message.sent_at_ms):
                self._refund(message)
        elif money == _HELD:
            if state in (_DELIVERED, _HANDED_OVER):
                self._charge(message)
            else:
                self._release(message)

    def _charge(self, message: Message) -> None:
        account, amount = message.account, message.charge_micros
        account.held_micros -= amount
        account.balance_micros -= amount
        message.money = _CHARGED
        self._journal.move_money(message, LedgerKind.CHARGE, -amount, -amount)

    def _release(self, message: Message) -> None:
        account, amount = message.account, message.charge_micros
        account.held_micros -= amount
        message.money = _REFUNDED
        self._journal.move_money(message, LedgerKind.REFUND, 0, -amount)

    def _refund(self, message: Message) -> None:
        account, amount = message.account, message.charge_micros
        account.balance_micros += amount
        message.money = _REFUNDED
        self._journal.move_money(message, LedgerKind.REFUND, amount, 0)

    # -- notification ----------------------------------------------------------------------------

    def _plan_notification(self, message: Message) -> None:
        """The answer goes back over the door the message came in by."""
        if message.door == _SMPP:
            message.notified = _PENDING
            self._journal.also_after_commit(self.offer_notification, message)
            return
        account_id, due_at_ms = message.account.id, message.final_at_ms
        is_owed = False
        for kind, url in self.owed_notices(message):
            is_owed = True
            self._journal.owe_webhook(
                NewWebhookDelivery(message.key, account_id, kind, url, due_at_ms)
            )
        if is_owed:
            self._journal.also_after_commit(self.wake_webhooks, None)


def _line(message: Message, provider: str) -> str:
    """One JSON line of the message log: ids, account, provider, parts, price, state, times."""
    account: Account = message.account
    return (
        '{"message_id":"%016x","account":%s,"provider":%s,"provider_message_id":%s,"parts":%d,'
        '"price":"%s","currency":"%s","state":"%s","error":%s,"attempts":%d,"accepted_at_ms":%d,'
        '"sent_at_ms":%d,"final_at_ms":%d}'
        % (
            message.key,
            _quoted(account.name),
            _quoted(provider),
            _quoted(message.provider_message_id or ""),
            message.part_count,
            format_amount(message.charge_micros),
            account.currency,
            _WORD[message.state],
            _quoted(message.error),
            message.attempts + bool(message.sent_at_ms),  # the failed ones, and the one that worked
            key_time_ms(message.key),
            message.sent_at_ms,
            message.final_at_ms,
        )
    )


def _quoted(text: str) -> str:
    if text.isalnum() and text.isascii():
        return f'"{text}"'
    return json.dumps(text)

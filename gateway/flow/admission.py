"""Admission: the one door into the heart.

Decides at once, in memory; the journal makes the decision durable.

Order of the checks: the gateway takes work -> sender allowed -> text readable and split ->
recipient valid and not blocked -> route -> price -> throttles -> credit reserved -> appended to the
commit group.  A refused message costs nothing and leaves no trace but a counter.
"""

from collections.abc import Sequence

from gateway.domain.account import DOOR_NAMES, ChargeAt, Credential
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.keys import EPOCH_MS, KEY_SHIFT, KeyMaker
from gateway.domain.lifecycle import MoneyState
from gateway.domain.message import Batch, Channel, Message, Submission
from gateway.domain.route import Route
from gateway.domain.sms_text import MAX_PARTS, Alphabet, is_storable, measure
from gateway.flow.journal import Journal
from gateway.flow.switchboard import Switchboard
from gateway.policy.blocklist import Blocklist
from gateway.policy.numbering import NumberPlan
from gateway.policy.throttle import take
from gateway.ports import Clock
from gateway.runtime.metrics import Counters

# Bound once: reaching a member through its class costs eight times a global.
_NONE = MoneyState.NONE
_CHARGED = MoneyState.CHARGED
_HELD = MoneyState.HELD
_AT_ACCEPT = ChargeAt.ACCEPT
_OPAQUE = Alphabet.OPAQUE
_GSM7 = Alphabet.GSM7
_SMS = Channel.SMS

MOST_SCHEDULE_AHEAD_MS = 366 * 86_400_000
_C = RefusalCode


class Admission:
    """`ports.Submitter`."""

    def __init__(
        self,
        journal: Journal,
        switchboard: Switchboard,
        numbers: NumberPlan,
        blocklist: Blocklist,
        keys: KeyMaker,
        clock: Clock,
        counters: Counters,
        *,
        validity_s: int = 2 * 86_400,
    ) -> None:
        self._journal = journal
        self._switchboard = switchboard
        self._numbers = numbers
        self._blocklist = blocklist
        self._keys = keys
        self._clock = clock
        self._counters = counters
        self._validity_ms = validity_s * 1000
        self.stopping = False

    # -- ports.Submitter -------------------------------------------------------------------------

    def submit(self, submission: Submission, recipient: str) -> Message | Refusal:
        """One recipient as the customer wrote it.  A Refusal is final; else `answer` follows."""
        result = self._decide(submission, recipient)
        if type(result) is Refusal:
            self._counters.refused[DOOR_NAMES[submission.door], result.code] += 1
        return result

    def submit_batch(self, submission: Submission, recipients: Sequence[str]) -> Batch | Refusal:
        """Many recipients, one content; bad recipients are left out, credit is all or nothing."""
        result = self._decide_batch(submission, recipients)
        if isinstance(result, Refusal):
            self._counters.refused[DOOR_NAMES[submission.door], result.code] += 1
        return result

    # -- one -------------------------------------------------------------------------------------

    def _decide(self, submission: Submission, recipient: str) -> Message | Refusal:
        refusal = self.refusal_of_content(submission)
        if refusal is not None:
            return refusal
        content = submission.measured or self._measure(submission)
        if type(content) is Refusal:
            return content
        alphabet, parts = content
        credential = submission.credential
        digits = self._recipient(credential, recipient)
        if type(digits) is Refusal:
            return digits
        priced = self._route_and_price(submission, digits)
        if type(priced) is Refusal:
            return priced
        route, price = priced
        cost = price * parts
        refusal = self.throttle(credential, parts) or self._reserve(credential, cost)
        if refusal is not None:
            return refusal
        message = self._make(submission, digits, route, alphabet, parts, cost, None)
        self._journal.accept(submission, message)
        return message

    # -- many ------------------------------------------------------------------------------------

    def _decide_batch(self, submission: Submission, recipients: Sequence[str]) -> Batch | Refusal:
        refusal = self.refusal_of_content(submission)
        if refusal is not None:
            return refusal
        content = submission.measured or self._measure(submission)
        if isinstance(content, Refusal):
            return content
        alphabet, parts = content
        credential = submission.credential
        batch = Batch(self._keys.next(self._clock.now_ms()))
        chosen: list[tuple[str, Route, int]] = []
        for index, recipient in enumerate(recipients):
            digits = self._recipient(credential, recipient)
            if isinstance(digits, Refusal):
                digits.index = index
                batch.refused.append((index, digits))
                continue
            priced = self._route_and_price(submission, digits)
            if isinstance(priced, Refusal):
                priced.index = index
                return priced
            route, price = priced
            chosen.append((digits, route, price * parts))
        if not chosen:
            return Refusal(_C.RECIPIENT_INVALID, "no valid recipient")
        total = sum(cost for _, _, cost in chosen)
        refusal = self.throttle(credential, parts * len(chosen)) or self._reserve(credential, total)
        if refusal is not None:
            return refusal
        batch.total_micros = total
        batch.messages = [
            self._make(submission, digits, route, alphabet, parts, cost, batch.key)
            for digits, route, cost in chosen
        ]
        self._journal.accept_batch(submission, batch)
        return batch

    # -- the checks ------------------------------------------------------------------------------

    def refusal_of_content(self, submission: Submission) -> Refusal | None:
        """Everything that does not depend on the recipient."""
        if self.stopping:
            return Refusal(_C.STOPPING, "the gateway is stopping")
        refusal = self._journal.refusal()
        if refusal is not None:
            return refusal
        account = submission.credential.account
        if not account.enabled or not submission.credential.enabled:
            return Refusal(_C.ACCOUNT_DISABLED, "the account or its credential is disabled")
        sender = submission.sender
        if sender not in account.senders:
            if not account.any_sender:
                return Refusal(_C.SENDER_NOT_ALLOWED, "not an approved sender of the account")
            if not is_storable(sender):
                return Refusal(_C.SENDER_INVALID, "U+0000 or a lone surrogate")
        if submission.due_at_ms or submission.expires_at_ms:
            return self._refusal_of_times(submission)
        return None

    def _refusal_of_times(self, submission: Submission) -> Refusal | None:
        due, expires = submission.due_at_ms, submission.expires_at_ms
        now_ms = self._clock.now_ms()
        if due > now_ms + MOST_SCHEDULE_AHEAD_MS:
            return Refusal(_C.SCHEDULE_INVALID, "more than a year ahead")
        if expires and expires <= max(now_ms, due):
            return Refusal(_C.VALIDITY_INVALID, "over before the message could leave")
        return None

    def _measure(self, submission: Submission) -> tuple[Alphabet, int] | Refusal:
        """Alphabet and parts of the content."""
        return (_OPAQUE, 1) if submission.text is None else measured(submission.text)

    def _recipient(self, credential: Credential, recipient: str) -> str | Refusal:
        account = credential.account
        digits = self._numbers.normalise(recipient, account.region)
        if digits is None or not self._numbers.accepts(digits, account.number_check):
            return Refusal(_C.RECIPIENT_INVALID, "not a possible number")
        if self._blocklist.size and self._blocklist.blocked(account.id, digits):
            return Refusal(_C.RECIPIENT_BLOCKED, "on the blocklist")
        return digits

    def _route_and_price(self, submission: Submission, digits: str) -> tuple[Route, int] | Refusal:
        account = submission.credential.account
        route, price = self._switchboard.way(_SMS, account, submission.sender, digits)
        if route is None:
            return Refusal(_C.NO_ROUTE, "no route covers the recipient")
        if price is None:
            return Refusal(_C.NO_PRICE, f"no {account.currency} rate covers the recipient")
        return route, price

    def throttle(self, credential: Credential, parts: int) -> Refusal | None:
        """Account and credential rates: parts per second, bursts of one second."""
        account = credential.account
        if not account.rate_per_s and not credential.rate_per_s:
            return None
        now = 0.0
        for owner in (account, credential):
            rate = owner.rate_per_s
            if rate:
                now = now or self._clock.monotonic()
                if not take(owner.throttle, rate, rate, parts, now):
                    return Refusal(_C.RATE_EXCEEDED, f"more than {rate} parts per second")
        return None

    def _reserve(self, credential: Credential, cost: int) -> Refusal | None:
        account = credential.account
        if not cost:
            return None
        if account.balance_micros - account.held_micros - cost < account.limit_micros:
            return Refusal(_C.NO_CREDIT, "the available amount is too low")
        if account.charge_at == _AT_ACCEPT:
            account.balance_micros -= cost
        else:
            account.held_micros += cost
        return None

    def _make(
        self,
        submission: Submission,
        digits: str,
        route: Route,
        alphabet: Alphabet,
        parts: int,
        cost: int,
        batch_key: int | None,
    ) -> Message:
        key = self._keys.next(self._clock.now_ms())
        account = submission.credential.account
        # The key's own time, not the clock's: due times never run behind older keys.
        due = (key >> KEY_SHIFT) + EPOCH_MS
        if submission.due_at_ms > due:  # a time that is over means now
            due = submission.due_at_ms
        if not cost:
            money = _NONE
        elif account.charge_at == _AT_ACCEPT:
            money = _CHARGED
        else:
            money = _HELD
        message = Message(
            key, account, submission.credential, submission.door, submission.sender, digits,
            submission.text, submission.opaque, alphabet, parts, cost, money,
            submission.notify_when, submission.priority, due,
            submission.expires_at_ms or due + self._validity_ms, submission.door_note, batch_key,
        )  # fmt: skip
        message.route = route
        return message


def measured(text: str) -> tuple[Alphabet, int] | Refusal:
    """Alphabet and parts of a text; a Refusal when it is none that can be sent."""
    if not text:
        return Refusal(_C.TEXT_EMPTY, "no text")
    content = measure(text)
    # The GSM alphabet has neither U+0000 nor surrogates.
    if content[0] != _GSM7 and not is_storable(text):
        return Refusal(_C.TEXT_INVALID, "U+0000 or a lone surrogate")
    if content[1] > MAX_PARTS:
        return Refusal(_C.TEXT_TOO_LONG, f"{content[1]} parts")
    return content

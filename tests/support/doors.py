"""Fakes of the heart for the tests of the customers' doors.

`FakeDirectory`, `FakeSubmitter`, `FakeReader` and `FakeSenders` fit the ports of the same names.  The submitter is a
small honest admission: it charges the account, keeps what it accepted where the reader finds it, and
answers in the loop's next turn or when the test says so.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway.domain.account import Account, Credential
from gateway.domain.errors import Refusal, RefusalCode, StoreUnavailable
from gateway.domain.identity import Origin, SenderState, SenderVerification, StoredSender
from gateway.domain.lifecycle import MoneyState
from gateway.domain.message import Batch, IdempotencyKey, Message, StoredAnswer, Submission
from gateway.domain.sms_text import measure
from gateway.ports import Clock, SenderVerdict

PRICE_MICROS = 35_000


def make_account(
    id: int = 1, name: str = "ExoClass", *, balance_micros: int = 100_000_000
) -> Account:
    """An account with credit and two verified senders, EXOCLASS being the default."""
    account = Account(id, name)
    account.balance_micros = balance_micros
    account.senders = {"EXOCLASS", "EXOSMS"}
    account.default_sender = "EXOCLASS"
    return account


class FakeDirectory:
    """Tokens and system_ids in dicts; a password is right when it equals `passwords[name]`."""

    def __init__(self) -> None:
        self.tokens: dict[str, Credential] = {}
        self.key_pairs: dict[tuple[str, str], Credential] = {}
        self.system_ids: dict[str, Credential] = {}
        self.passwords: dict[str, str] = {}
        self.templates: dict[tuple[int, int], str] = {}  # by account and number
        self.contact_groups: dict[tuple[int, int], list[str]] = {}

    def add_token(self, secret: str, account: Account) -> Credential:
        """A token of `account`; returns its credential for further settings."""
        credential = Credential(len(self.tokens) + 1, account, f"token-{len(self.tokens) + 1}")
        self.tokens[secret] = credential
        return credential

    def add_key_pair(
        self, account_sid: str, api_key: str, api_token: str, account: Account
    ) -> Credential:
        """An API key of `account` with its token; returns its credential for further settings."""
        credential = Credential(1000 + len(self.key_pairs), account, api_key)
        credential.account_sid = account_sid
        self.key_pairs[api_key, api_token] = credential
        return credential

    def key_pair(self, api_key: str, api_token: str) -> Credential | None:
        return self.key_pairs.get((api_key, api_token))

    def token(self, secret: str) -> Credential | None:
        secret.encode()  # a real one digests it: lone surrogates must not come this far
        found = self.tokens.get(secret)
        return found if found is not None and found.enabled and found.account.enabled else None

    def any_token(self, secret: str) -> Credential | None:
        secret.encode()  # a real one digests it: lone surrogates must not come this far
        return self.tokens.get(secret)

    def smpp(self, system_id: str) -> Credential | None:
        return self.system_ids.get(system_id)

    def template(self, account: Account, id: int) -> str | None:
        return self.templates.get((account.id, id))

    def contact_group(self, account: Account, id: int) -> list[list[str]] | None:
        numbers = self.contact_groups.get((account.id, id))
        return None if numbers is None else [numbers]

    async def check_password(self, credential: Credential, password: str) -> bool:
        return self.passwords.get(credential.name) == password


class FakeReader:
    """Messages and stored answers in dicts; `unavailable` makes every read fail."""

    def __init__(self) -> None:
        self.messages: dict[int, Message] = {}
        self.answers: dict[tuple[int, str, bytes], StoredAnswer] = {}
        self.unavailable = False

    async def message(self, account: Account, key: int) -> Message | None:
        self._check()
        found = self.messages.get(key)
        return found if found is not None and found.account is account else None

    async def stored_answer(self, account: Account, key: IdempotencyKey) -> StoredAnswer | None:
        self._check()
        await asyncio.sleep(0)  # a real one leaves the loop as well
        return self.answers.get((account.id, key.endpoint, key.key_digest))

    def _check(self) -> None:
        if self.unavailable:
            raise StoreUnavailable("disk full")


class FakeSubmitter:
    """Admission with one price.

    `refusal` refuses every submission at once; `late_refusal` instead of the commit.  With `hold`
    the answers wait in `held` until `release()`; `held_one` is set when the first is there.  Recipients in `bad_recipients` (as written) are
    left out of a batch and refused alone.
    """

    def __init__(self, reader: FakeReader) -> None:
        self.reader = reader
        self.submissions: list[tuple[Submission, list[str]]] = []
        self.refusal: Refusal | None = None
        self.late_refusal: Refusal | None = None
        self.error: Exception | None = None
        self.hold = False
        self.held: list[tuple[Submission, Message | Batch | Refusal]] = []
        self.held_one = asyncio.Event()
        self.bad_recipients: set[str] = set()
        self.next_key = 1

    def submit(self, submission: Submission, recipient: str) -> Message | Refusal:
        refusal = self._refused(submission, [recipient])
        if refusal is not None:
            return refusal
        if recipient in self.bad_recipients:
            return Refusal(RefusalCode.RECIPIENT_INVALID)
        message = self._message(submission, recipient)
        if not self._charge(message.account, message.charge_micros):
            return Refusal(RefusalCode.NO_CREDIT)
        self._accept(submission, message, [message])
        return message

    def submit_batch(self, submission: Submission, recipients: Sequence[str]) -> Batch | Refusal:
        refusal = self._refused(submission, list(recipients))
        if refusal is not None:
            return refusal
        batch = Batch(self.next_key)
        self.next_key += 1
        for index, recipient in enumerate(recipients):
            if recipient in self.bad_recipients:
                batch.refused.append((index, Refusal(RefusalCode.RECIPIENT_INVALID, index=index)))
            else:
                batch.messages.append(self._message(submission, recipient))
        if not batch.messages:
            return Refusal(RefusalCode.RECIPIENT_INVALID)
        batch.total_micros = sum(message.charge_micros for message in batch.messages)
        if not self._charge(submission.credential.account, batch.total_micros):
            return Refusal(RefusalCode.NO_CREDIT)
        self._accept(submission, batch, batch.messages)
        return batch

    def release(self) -> None:
        """Answers everything held."""
        held, self.held = self.held, []
        for submission, result in held:
            self._answer(submission, result)

    def _refused(self, submission: Submission, recipients: list[str]) -> Refusal | None:
        self.submissions.append((submission, recipients))
        if self.error is not None:
            raise self.error
        account = submission.credential.account
        if self.refusal is None and submission.sender not in account.senders:
            return Refusal(RefusalCode.SENDER_NOT_ALLOWED)
        return self.refusal

    def _message(self, submission: Submission, recipient: str) -> Message:
        assert submission.text is not None
        alphabet, part_count = submission.measured or measure(submission.text)
        message = Message(
            self.next_key,
            submission.credential.account,
            submission.credential,
            submission.door,
            submission.sender,
            recipient.removeprefix("+"),
            submission.text,
            None,
            alphabet,
            part_count,
            PRICE_MICROS * part_count,
            MoneyState.CHARGED,
            submission.notify_when,
            submission.priority,
            0,
            0,
        )
        self.next_key += 1
        return message

    @staticmethod
    def _charge(account: Account, micros: int) -> bool:
        if account.available_micros - micros < account.limit_micros:
            return False
        account.balance_micros -= micros
        return True

    def _accept(
        self, submission: Submission, accepted: Message | Batch, messages: list[Message]
    ) -> None:
        result: Message | Batch | Refusal = accepted
        if self.late_refusal is not None:
            result = self.late_refusal
        else:
            for message in messages:
                self.reader.messages[message.key] = message
            self._store_answer(submission, accepted)
        if self.hold:
            self.held.append((submission, result))
            self.held_one.set()
        else:
            asyncio.get_running_loop().call_soon(self._answer, submission, result)

    def _store_answer(self, submission: Submission, accepted: Message | Batch) -> None:
        key = submission.idempotency
        if key is None:
            return
        assert submission.render is not None
        status, body = submission.render(accepted)
        name = (submission.credential.account.id, key.endpoint, key.key_digest)
        self.reader.answers[name] = StoredAnswer(key.body_digest, status, body)

    @staticmethod
    def _answer(submission: Submission, result: Message | Batch | Refusal) -> None:
        submission.answer(submission.token, result)


class FakeSenders:
    """`ports.SenderIds` over rows in a list, which a test fills."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rows: list[StoredSender] = []

    def add(self, account: Account, name: str, **fields: Any) -> StoredSender:
        """A row that may send, unless `fields` say otherwise."""
        now_ms = self.clock.now_ms()
        row = StoredSender(
            len(self.rows) + 1, account.id, name, SenderState.APPROVED,
            SenderVerification.VERIFIED, "", Origin.STORE, False, 0, now_ms, now_ms, now_ms, now_ms,
        )._replace(**fields)  # fmt: skip
        self.rows.append(row)
        return row

    async def list(self, account: Account) -> list[StoredSender]:
        return [row for row in self.rows if row.account_id == account.id]

    async def request(self, account: Account, name: str) -> StoredSender | None:
        if any(row.name == name for row in await self.list(account)):
            return None
        return self.add(
            account, name, state=SenderState.PENDING, verification=SenderVerification.PENDING,
            approved_at_ms=0, verified_at_ms=0,
        )  # fmt: skip

    async def make_default(self, account: Account, sender_id: int) -> StoredSender | SenderVerdict:
        row = await self._row(account, sender_id)
        if row is None:
            return SenderVerdict.NOT_FOUND
        if not row.may_send:
            return SenderVerdict.NOT_VERIFIED
        self.rows = [
            each._replace(is_default=each.id == row.id) if each.account_id == account.id else each
            for each in self.rows
        ]
        return row._replace(is_default=True)

    async def delete(self, account: Account, sender_id: int) -> SenderVerdict | None:
        row = await self._row(account, sender_id)
        if row is None:
            return SenderVerdict.NOT_FOUND
        if row.origin == Origin.FILE:
            return SenderVerdict.DECLARED
        if row.is_default:
            return SenderVerdict.IS_DEFAULT
        if row.message_count:
            return SenderVerdict.HAS_MESSAGES
        self.rows.remove(row)
        return None

    async def _row(self, account: Account, sender_id: int) -> StoredSender | None:
        return next((row for row in await self.list(account) if row.id == sender_id), None)

"""REST submissions on their way through the heart: hand over, wait for the commit, render once.

A vendor's handler gives a Submission and the function that renders its answer; it gets the answer
or a Refusal.  Waiting is bounded by one sweep over the waiting requests in order of their
deadlines, not by a timer each.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar, cast

from gateway.domain.account import Account
from gateway.domain.errors import Refusal, RefusalCode, StoreUnavailable
from gateway.domain.message import Batch, IdempotencyKey, Message, StoredAnswer, Submission
from gateway.ports import Clock, Submitter, Timer
from protocols.http.idempotency import IdempotentRequests

DECISION_TIMEOUT_S = 30.0

Recipients = TypeVar("Recipients", str, Sequence[str])


class Answer(NamedTuple):
    """Status and body of an HTTP answer.  `retry_after_s` 0 = no Retry-After header."""

    status: int
    body: bytes
    retry_after_s: int = 0


_Render = Callable[[Message | Batch, int], Answer]


class Sending(NamedTuple):
    """One message of a request that has many, each with a content and a fate of its own."""

    submission: Submission
    recipient: str
    render: Callable[[Message, int], Answer]


class _Pending:
    """One submission between the door and its commit; the token of the Submission."""

    __slots__ = ("account", "answer", "available_micros", "deadline", "future", "key", "render")

    def __init__(
        self,
        account: Account,
        render: _Render,
        key: IdempotencyKey | None,
        future: "asyncio.Future[Message | Batch | Refusal]",
        deadline: float,
    ) -> None:
        self.account = account
        self.render = render
        self.key = key
        self.future = future
        self.deadline = deadline
        self.available_micros = 0
        self.answer: Answer | None = None  # as stored for the idempotency key

    def render_stored(self, accepted: Message | Batch) -> tuple[int, bytes]:
        """Renders the answer that is stored with the message; the first asker gets the same one."""
        answer = self.answer = self.render(accepted, self.account.available_micros)
        return answer.status, answer.body


class Submissions:
    """What every REST door submits through.  Share one object among the doors.

    Pass `answer` as the Submission's own `answer`.  `render` gets the accepted Message or Batch and
    what the account may still spend after it, in micro-units, as admission left it.  The returned
    Refusal has the code STORE_UNAVAILABLE when no decision came within `timeout_s`; the message may
    still be accepted then, which is what an idempotency key is for.
    """

    def __init__(
        self,
        submitter: Submitter,
        idempotency: IdempotentRequests,
        clock: Clock,
        timeout_s: float = DECISION_TIMEOUT_S,
    ) -> None:
        self._submitter = submitter
        self._idempotency = idempotency
        self._clock = clock
        self._timeout_s = timeout_s
        self._waiting: dict[_Pending, None] = {}  # in order of their deadlines
        self._sweep_timer: Timer | None = None

    async def send(
        self,
        submission: Submission,
        recipient: str,
        render: Callable[[Message, int], Answer],
        key: IdempotencyKey | None = None,
    ) -> Answer | Refusal:
        """Submits to one recipient and waits until it is on disk."""
        # The heart answers submit() with a Message and submit_batch() with a Batch.
        return await self._decide(
            submission, self._submitter.submit, recipient, cast(_Render, render), key
        )

    async def send_batch(
        self,
        submission: Submission,
        recipients: Sequence[str],
        render: Callable[[Batch, int], Answer],
        key: IdempotencyKey | None = None,
    ) -> Answer | Refusal:
        """Submits one content to many recipients and waits until all are on disk."""
        return await self._decide(
            submission, self._submitter.submit_batch, recipients, cast(_Render, render), key
        )

    async def send_each(
        self, sendings: Sequence[Sending], key: IdempotencyKey | None = None
    ) -> list[Answer | Refusal] | Refusal:
        """Submits each by itself, all in one turn of the loop; answers in their order.

        Each accepted one keeps its own answer for `key`, so a repeat gets those again and tries the
        refused ones anew.  A Refusal in place of the list is about the key: nothing was submitted.
        """
        owned: list[IdempotencyKey | None] = [None] * len(sendings)
        found: list[Answer | None] = [None] * len(sendings)
        if key is not None:
            account = sendings[0].submission.credential.account
            refusal = await self._claim_each(account, key, owned, found)
            if refusal is not None:
                return refusal
        started: list[Answer | Refusal | _Pending] = []
        try:
            for sending, own_key, answer in zip(sendings, owned, found, strict=True):
                submission, recipient, render = sending
                started.append(
                    answer
                    or self._start(
                        submission,
                        self._submitter.submit,
                        recipient,
                        cast(_Render, render),
                        own_key,
                    )
                )
        finally:
            # Not empty after an exception, which the one it came from has released.
            self._release(sendings, owned[len(started) + 1 :])
        return [
            await self._settled(item) if isinstance(item, _Pending) else item for item in started
        ]

    def answer(self, token: object, result: Message | Batch | Refusal) -> None:
        """Takes the heart's answer to a submission sent through this object."""
        pending = cast(_Pending, token)
        self._forget(pending)
        if not pending.future.done():  # else it timed out or the client's handler was cancelled
            pending.future.set_result(result)

    async def _decide(
        self,
        submission: Submission,
        submit: Callable[[Submission, Recipients], Message | Batch | Refusal],
        recipients: Recipients,
        render: _Render,
        key: IdempotencyKey | None,
    ) -> Answer | Refusal:
        if key is not None:
            found = await self._claim(submission.credential.account, key)
            if found is not None:
                return found
        started = self._start(submission, submit, recipients, render, key)
        return started if isinstance(started, Refusal) else await self._settled(started)

    async def _claim(self, account: Account, key: IdempotencyKey) -> Answer | Refusal | None:
        """What there is to answer already; None: the caller owns the key now."""
        try:
            found = await self._idempotency.claim(account, key)
        except StoreUnavailable as error:
            return Refusal(RefusalCode.STORE_UNAVAILABLE, str(error))
        return Answer(found.status, found.body) if isinstance(found, StoredAnswer) else found

    async def _claim_each(
        self,
        account: Account,
        key: IdempotencyKey,
        owned: list[IdempotencyKey | None],
        found: list[Answer | None],
    ) -> Refusal | None:
        """A key for each place, `key` with its number: fills `owned` or `found`.

        All are claimed before anything is submitted.  After a Refusal none is owned.
        """
        claimed = False
        try:
            for n in range(len(owned)):
                own_key = key._replace(endpoint=f"{key.endpoint}/{n}")
                answer = await self._claim(account, own_key)
                if isinstance(answer, Refusal):
                    return answer
                if answer is None:
                    owned[n] = own_key
                found[n] = answer
            claimed = True
        finally:
            if not claimed:
                for each in filter(None, owned):
                    self._idempotency.release(account, each)
        return None

    def _release(self, sendings: Sequence[Sending], keys: Sequence[IdempotencyKey | None]) -> None:
        for each in filter(None, keys):
            self._idempotency.release(sendings[0].submission.credential.account, each)

    def _start(
        self,
        submission: Submission,
        submit: Callable[[Submission, Recipients], Message | Batch | Refusal],
        recipients: Recipients,
        render: _Render,
        key: IdempotencyKey | None,
    ) -> "_Pending | Refusal":
        """Hands over; a Refusal is final and has released the key."""
        account = submission.credential.account
        pending = self._expect(account, render, key)
        submission.token = pending
        if key is not None:
            submission.idempotency = key
            submission.render = pending.render_stored
        decided: Message | Batch | Refusal | None = None
        try:
            decided = submit(submission, recipients)
        finally:
            if decided is None or isinstance(decided, Refusal):
                self._forget(pending)  # no answer will follow
        if isinstance(decided, Refusal):
            return decided
        pending.available_micros = account.available_micros
        return pending

    async def _settled(self, pending: "_Pending") -> Answer | Refusal:
        """Waits for the commit."""
        settled = await pending.future
        if isinstance(settled, Refusal):
            return settled
        return pending.answer or pending.render(settled, pending.available_micros)

    def _expect(self, account: Account, render: _Render, key: IdempotencyKey | None) -> _Pending:
        deadline = self._clock.monotonic() + self._timeout_s
        future = asyncio.get_running_loop().create_future()
        pending = _Pending(account, render, key, future, deadline)
        self._waiting[pending] = None
        if self._sweep_timer is None:
            self._sweep_timer = self._clock.call_later(self._timeout_s, self._sweep)
        return pending

    def _forget(self, pending: _Pending) -> None:
        self._waiting.pop(pending, None)
        if pending.key is not None:
            self._idempotency.release(pending.account, pending.key)

    def _sweep(self) -> None:
        """Gives up waiting for what is past its deadline; its key stays claimed until `answer`."""
        self._sweep_timer = None
        now = self._clock.monotonic()
        while self._waiting:
            pending = next(iter(self._waiting))
            if pending.deadline > now:
                self._sweep_timer = self._clock.call_later(pending.deadline - now, self._sweep)
                return
            del self._waiting[pending]
            if not pending.future.done():
                pending.future.set_result(
                    Refusal(RefusalCode.STORE_UNAVAILABLE, "no decision in time")
                )

import asyncio

import pytest

from gateway.domain.account import Credential, Door
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.message import Batch, Message, Submission
from protocols.http.idempotency import IdempotentRequests, idempotency_key
from protocols.http.submissions import Answer, Sending, Submissions
from tests.support.clock import FakeClock
from tests.support.doors import PRICE_MICROS, FakeReader, FakeSubmitter, make_account

KEY = idempotency_key("endpoint", "k", b"body")


class Bench:
    """A Submissions with everything fake around it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.reader = FakeReader()
        self.submitter = FakeSubmitter(self.reader)
        self.account = make_account()
        self.credential = Credential(1, self.account, "token")
        self.submissions = Submissions(
            self.submitter, IdempotentRequests(self.reader), self.clock, timeout_s=30
        )

    async def send(self, key: object = None) -> Answer | Refusal:
        submission = Submission(
            self.credential, Door.EXOSEND, "EXOCLASS", "hello", self.submissions.answer
        )
        return await self.submissions.send(
            submission,
            "+37061234567",
            lambda message, available: Answer(201, b"%d %d" % (message.key, available)),
            KEY if key else None,
        )


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_accepted_message_is_rendered_with_what_is_left(bench: Bench) -> None:
    left = bench.account.available_micros - PRICE_MICROS
    assert await bench.send() == Answer(201, b"1 %d" % left)


async def test_what_is_left_is_as_of_the_decision_not_of_the_commit(bench: Bench) -> None:
    left = bench.account.available_micros - PRICE_MICROS
    bench.submitter.hold = True
    waiting = [asyncio.ensure_future(bench.send()) for _ in range(2)]
    await settle()
    bench.submitter.release()
    assert [await answer for answer in waiting] == [
        Answer(201, b"1 %d" % left),
        Answer(201, b"2 %d" % (left - PRICE_MICROS)),
    ]


async def test_a_batch_is_rendered(bench: Bench) -> None:
    submission = Submission(
        bench.credential, Door.EXOSEND, "EXOCLASS", "hello", bench.submissions.answer
    )

    def render(batch: Batch, available_micros: int) -> Answer:
        return Answer(201, b"%d" % len(batch.messages))

    answer = await bench.submissions.send_batch(submission, ["+3701", "+3702"], render)
    assert answer == Answer(201, b"2")


async def test_a_refusal_at_once(bench: Bench) -> None:
    bench.submitter.refusal = Refusal(RefusalCode.NO_CREDIT)
    assert await bench.send() is bench.submitter.refusal


async def test_a_refusal_instead_of_the_commit(bench: Bench) -> None:
    bench.submitter.late_refusal = Refusal(RefusalCode.STORE_UNAVAILABLE)
    assert await bench.send() is bench.submitter.late_refusal


async def test_a_decision_that_does_not_come_ends_as_unavailable(bench: Bench) -> None:
    bench.submitter.hold = True
    first = asyncio.ensure_future(bench.send())
    await settle()
    bench.clock.advance(20)
    second = asyncio.ensure_future(bench.send())
    await settle()
    bench.clock.advance(10)
    await settle()
    assert first.done()
    assert not second.done()
    bench.clock.advance(20)
    for waiting in (first, second):
        refusal = await waiting
        assert isinstance(refusal, Refusal)
        assert refusal.code is RefusalCode.STORE_UNAVAILABLE
    bench.submitter.release()  # late answers find nobody and do no harm


async def test_requests_after_an_idle_time_still_time_out(bench: Bench) -> None:
    await bench.send()
    bench.clock.advance(100)
    bench.submitter.hold = True
    waiting = asyncio.ensure_future(bench.send())
    await settle()
    bench.clock.advance(29)
    await settle()
    assert not waiting.done()
    bench.clock.advance(1)
    assert isinstance(await waiting, Refusal)


async def test_a_repeat_gets_the_stored_answer_and_submits_nothing(bench: Bench) -> None:
    first = await bench.send(KEY)
    again = await bench.send(KEY)
    assert again == first
    assert len(bench.submitter.submissions) == 1


async def test_the_first_asker_gets_what_was_stored(bench: Bench) -> None:
    bench.submitter.hold = True
    waiting = asyncio.ensure_future(bench.send(KEY))
    await settle()
    # The credit moved under the commit: the heart decides, and renders, a second time.
    bench.account.balance_micros -= 1
    ((submission, message),) = bench.submitter.held
    assert submission.render is not None
    assert isinstance(message, Message)
    stored = submission.render(message)
    bench.submitter.release()
    assert await waiting == Answer(*stored)
    assert stored[1].endswith(b" %d" % bench.account.available_micros)


async def test_a_repeat_while_the_first_is_undecided_is_refused(bench: Bench) -> None:
    bench.submitter.hold = True
    waiting = asyncio.ensure_future(bench.send(KEY))
    await settle()
    repeat = await bench.send(KEY)
    assert isinstance(repeat, Refusal)
    assert repeat.code is RefusalCode.IDEMPOTENCY_RUNNING
    bench.submitter.release()
    assert isinstance(await waiting, Answer)


async def test_a_timed_out_key_stays_taken_until_the_heart_answers(bench: Bench) -> None:
    bench.submitter.hold = True
    waiting = asyncio.ensure_future(bench.send(KEY))
    await settle()
    bench.clock.advance(30)
    assert isinstance(await waiting, Refusal)
    bench.reader.answers.clear()  # not committed yet
    repeat = await bench.send(KEY)
    assert isinstance(repeat, Refusal)
    assert repeat.code is RefusalCode.IDEMPOTENCY_RUNNING
    bench.submitter.release()
    bench.submitter.hold = False
    assert isinstance(await bench.send(KEY), Answer)


@pytest.mark.parametrize("late", [False, True])
async def test_a_refused_key_may_be_tried_again(bench: Bench, late: bool) -> None:
    refusal = Refusal(RefusalCode.NO_CREDIT)
    if late:
        bench.submitter.late_refusal = refusal
    else:
        bench.submitter.refusal = refusal
    assert await bench.send(KEY) is refusal
    bench.submitter.refusal = bench.submitter.late_refusal = None
    assert isinstance(await bench.send(KEY), Answer)


async def test_a_fault_in_admission_leaves_the_key_free(bench: Bench) -> None:
    bench.submitter.error = RuntimeError("defect")
    with pytest.raises(RuntimeError):
        await bench.send(KEY)
    bench.submitter.error = None
    assert isinstance(await bench.send(KEY), Answer)


async def test_a_store_that_cannot_be_read_refuses_the_keyed_request(bench: Bench) -> None:
    bench.reader.unavailable = True
    refusal = await bench.send(KEY)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.STORE_UNAVAILABLE
    assert not bench.submitter.submissions


async def test_a_cancelled_request_still_frees_its_key_when_decided(bench: Bench) -> None:
    bench.submitter.hold = True
    waiting = asyncio.ensure_future(bench.send(KEY))
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    bench.submitter.release()
    answer = await bench.send(KEY)
    assert isinstance(answer, Answer)
    assert len(bench.submitter.submissions) == 1


# --- many, each by itself -----------------------------------------------------------------------

NUMBERS = ["+3701", "+3702", "+3703"]


async def send_each(bench: Bench, key: object = None, count: int = 3) -> list[object] | Refusal:
    def sending(number: str) -> Sending:
        submission = Submission(
            bench.credential, Door.EXOTEL, "EXOCLASS", number, bench.submissions.answer
        )
        return Sending(submission, number, lambda m, _: Answer(200, b"%d" % m.key))

    results = await bench.submissions.send_each(
        [sending(number) for number in NUMBERS[:count]], KEY if key else None
    )
    if isinstance(results, Refusal):
        return results
    return [r.body if isinstance(r, Answer) else r.code for r in results]


@pytest.mark.parametrize("key", [None, KEY])
async def test_each_is_accepted_or_refused_by_itself(bench: Bench, key: object) -> None:
    bench.submitter.bad_recipients = {"+3702"}
    assert await send_each(bench, key) == [b"1", RefusalCode.RECIPIENT_INVALID, b"2"]
    # One turn of the loop: one commit.
    assert [recipients for _, recipients in bench.submitter.submissions] == [[n] for n in NUMBERS]


async def test_credit_is_counted_one_by_one(bench: Bench) -> None:
    bench.account.balance_micros = PRICE_MICROS
    assert await send_each(bench) == [b"1", RefusalCode.NO_CREDIT, RefusalCode.NO_CREDIT]


async def test_a_repeat_gets_what_was_accepted_and_tries_the_rest(bench: Bench) -> None:
    bench.submitter.bad_recipients = {"+3702"}
    await send_each(bench, KEY)
    bench.submitter.bad_recipients = set()
    assert await send_each(bench, KEY) == [b"1", b"3", b"2"]
    assert await send_each(bench, KEY) == [b"1", b"3", b"2"]
    assert len(bench.reader.messages) == 3


@pytest.mark.parametrize("refused", [set(), {"+3701"}])
async def test_a_key_of_another_body_submits_nothing(bench: Bench, refused: set[str]) -> None:
    bench.submitter.bad_recipients = refused
    await send_each(bench, KEY)
    submitted = len(bench.submitter.submissions)
    submission = Submission(
        bench.credential, Door.EXOTEL, "EXOCLASS", "other", bench.submissions.answer
    )
    sendings = [Sending(submission, "+3704", lambda m, _: Answer(200, b""))] * 3
    other = idempotency_key("endpoint", "k", b"other body")
    refusal = await bench.submissions.send_each(sendings, other)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.IDEMPOTENCY_MISMATCH
    assert len(bench.submitter.submissions) == submitted
    assert await send_each(bench, KEY) != refusal  # what was claimed is free again


async def test_a_repeat_of_many_while_the_first_is_undecided_is_refused(bench: Bench) -> None:
    bench.submitter.hold = True
    waiting = asyncio.ensure_future(send_each(bench, KEY))
    await settle()
    repeat = await send_each(bench, KEY)
    assert isinstance(repeat, Refusal)
    assert repeat.code is RefusalCode.IDEMPOTENCY_RUNNING
    bench.submitter.release()
    assert await waiting == [b"1", b"2", b"3"]


async def test_a_fault_in_admission_leaves_every_key_free(bench: Bench) -> None:
    bench.submitter.error = RuntimeError("defect")
    with pytest.raises(RuntimeError):
        await send_each(bench, KEY)
    bench.submitter.error = None
    assert await send_each(bench, KEY) == [b"1", b"2", b"3"]


async def test_a_store_that_cannot_be_read_leaves_every_key_free(bench: Bench) -> None:
    bench.reader.unavailable = True
    refusal = await send_each(bench, KEY)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.STORE_UNAVAILABLE
    bench.reader.unavailable = False
    assert await send_each(bench, KEY) == [b"1", b"2", b"3"]


async def test_many_that_are_cancelled_free_their_keys_when_decided(bench: Bench) -> None:
    bench.submitter.hold = True
    waiting = asyncio.ensure_future(send_each(bench, KEY))
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    bench.submitter.release()
    assert await send_each(bench, KEY) == [b"1", b"2", b"3"]
    assert len(bench.reader.messages) == 3

"""HTTP carriers that misbehave: nothing is lost, nothing is charged twice, the timeline says why."""

from typing import Any

import aiohttp
import pytest

from gateway.domain.commit_group import EventKind
from gateway.domain.lifecycle import MessageState
from postern.simulator.behaviour import IdFormat
from postern.simulator.garbage import HTTP_KINDS, Garbage
from protocols.http.callbacks import BODY_LIMIT
from tests.faults.provider_site import NAME, Site, http_site
from tests.support.heart import PRICE

S = MessageState
K = EventKind
SOON = (1, 1, 1, 1)
NO_BREAKER = {"breaker": 0, "retry_s": SOON}


async def posted(made: Site, body: bytes, url: str = "") -> int:
    """Status of a callback with this body."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url or made.callback_url, data=body) as answer,
    ):
        return answer.status


# --- answers ----------------------------------------------------------------------------------------


async def test_a_carrier_that_never_answers_fails_the_message_and_is_taken_out() -> None:
    async with http_site({"retry_s": (1, 1), "breaker": 3}, silence_every=1) as made:
        [message] = await made.accepted()
        await made.ended_slowly([message], S.FAILED)
        assert made.arrived(message) == 3
        assert made.story(message) == [K.UNKNOWN_OUTCOME, K.RETRY, K.UNKNOWN_OUTCOME]
        assert made.world.spent() == (0, 0)
        assert made.world.heart.counters.circuits_opened[NAME]


async def test_a_carrier_that_never_answers_gets_a_held_message_once() -> None:
    async with http_site({"unknown": "hold", "receipt_window_s": 60}, silence_every=1) as made:
        [message] = await made.accepted()
        await made.really(lambda: made.world.kinds(message))
        await made.elapse(120)
        await made.world.heart.maintenance.close_receipt_windows_once()
        await made.ended([message], S.UNKNOWN)
        assert made.arrived(message) == 1
        assert made.story(message) == [K.UNKNOWN_OUTCOME]


async def test_an_answer_after_the_timeout_is_lost_and_its_receipt_a_strangers() -> None:
    """HTTP has no late answers: the connection is gone.  `hold` is the policy for such carriers."""
    script = {"answer_delay_s": 60.0, "receipt_delay_s": (1.0, 1.0)}
    async with http_site({"unknown": "hold", "receipt_window_s": 60}, **script) as made:
        [message] = await made.accepted()
        await made.really(lambda: made.world.kinds(message))
        await made.until(lambda: made.counted("receipts"))
        assert made.counted("receipts") == {"parked": 1}
        await made.elapse(120)
        await made.world.heart.maintenance.close_receipt_windows_once()
        await made.ended([message], S.UNKNOWN)
        assert made.arrived(message) == 1
        assert made.world.spent() == (PRICE, 0)


async def test_a_connection_cut_mid_window_loses_nothing() -> None:
    async with http_site(NO_BREAKER, drop_after=3) as made:
        messages = await made.accepted(6)
        await made.ended_slowly(messages)
        assert sorted(made.arrived(m) for m in messages) == [1, 1, 1, 1, 1, 2]
        assert sum(K.UNKNOWN_OUTCOME in made.world.kinds(m) for m in messages) == 1


@pytest.mark.parametrize("status", [500, 503, 408])
async def test_errors_of_the_carrier_are_tried_again(status: int) -> None:
    async with http_site(NO_BREAKER, reject_status=status, reject_every=2) as made:
        messages = await made.accepted(4)
        await made.ended_slowly(messages)
        assert [made.arrived(m) for m in messages] == [1] * 4
        assert any(made.story(m) == [K.RETRY] for m in messages)
        assert made.counted("outcomes")["deferred"] == made.tallies[NAME].rejected


async def test_a_throttling_carrier_costs_time_and_no_attempt() -> None:
    async with http_site({"retry_s": (), "rate_per_s": 50}, throttle_every=2) as made:
        messages = await made.accepted(6)
        await made.ended_slowly(messages)
        assert [made.arrived(m) for m in messages] == [1] * 6
        assert all(made.world.kinds(m) in ([], [K.THROTTLED]) for m in messages)


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_garbage_costs_nothing_but_another_attempt(kind: Garbage) -> None:
    async with http_site(NO_BREAKER, garbage=kind, garbage_every=3) as made:
        messages = await made.accepted(4)
        await made.ended_slowly(messages)
        assert sum(made.arrived(m) for m in messages) > 4
        told = {k for m in messages for k in made.world.kinds(m)}
        assert told & {K.UNKNOWN_OUTCOME, K.RETRY}
        # A redirect is an answer: nobody has taken the message.
        assert (K.UNKNOWN_OUTCOME in told) is (kind is not Garbage.REDIRECT)


# --- callbacks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        {"receipt_first": True},
        {"duplicate_receipts": 1},
        {"stray_receipts": 1},
        {"receipt_delay_s": (0.1, 20.0)},
        {"response_ids": IdFormat.PADDED_HEX, "receipt_ids": IdFormat.UPPER_HEX},
    ],
    ids=["before the answer", "twice", "with strangers", "out of order", "spelt otherwise"],
)
async def test_callbacks_as_they_please(script: dict[str, Any]) -> None:
    async with http_site(**script) as made:
        messages = await made.accepted(4)
        await made.ended_slowly(messages)
        await made.really(lambda: made.tallies[NAME].receipts_taken == made.tallies[NAME].receipts_sent)  # fmt: skip
        assert [made.arrived(m) for m in messages] == [1] * 4
        assert made.world.spent() == (4 * PRICE, 0)
        if script.get("duplicate_receipts"):
            assert {tuple(made.world.kinds(m)) for m in messages} == {(K.REPEATED_RECEIPT,)}
        assert len(made.world.store.parked) == (4 if script.get("stray_receipts") else 0)


async def test_callbacks_that_are_none_are_refused_and_move_nothing() -> None:
    async with http_site(receipt_delay_s=(5.0, 5.0)) as made:
        [message] = await made.accepted()
        await made.really(lambda: made.world.state(message) == S.SENT)
        id = made.world.row(message).provider_message_id
        receipt = b'{"id":"%s","status":"failed"}' % (id or "").encode()
        assert await posted(made, b"x" * (BODY_LIMIT + 1)) == 413
        assert await posted(made, b"<html>") == 400
        assert await posted(made, receipt, made.callback_url + "x") == 404
        assert await posted(made, b'{"id":"stranger","status":"failed"}') == 200
        assert await posted(made, receipt.replace(b"failed", b"resting")) == 200
        assert made.world.state(message) == S.SENT
        await made.ended_slowly([message])

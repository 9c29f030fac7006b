import asyncio

import pytest

from gateway.domain.lifecycle import MessageState
from gateway.domain.receipt import Receipt
from protocols.http.stored_receipts import store_receipts
from tests.support.clock import settle
from tests.support.upstream import RecordingSink

TWO = [Receipt("a", MessageState.DELIVERED), Receipt("b", MessageState.FAILED)]


async def test_none_are_stored_at_once():
    assert await store_receipts([], RecordingSink())


@pytest.mark.parametrize("is_stored", [True, False])
async def test_it_is_told_what_became_of_them(is_stored: bool):
    sink = RecordingSink()
    sink.store_ok = is_stored
    assert await store_receipts(TWO, sink) is is_stored
    assert sink.receipts == TWO


@pytest.mark.parametrize("fates", [(True, True), (True, False), (False, True)])
async def test_all_of_them_are_waited_for(fates: tuple[bool, bool]):
    sink = RecordingSink()
    sink.store_ok = None
    storing = asyncio.ensure_future(store_receipts(TWO, sink))
    await settle()
    for (stored, token), fate in zip(sink.unanswered, fates, strict=True):
        assert not storing.done()
        stored(token, fate)
    assert await storing is all(fates)


async def test_an_answer_after_who_waited_is_gone_is_heard_by_nobody():
    sink = RecordingSink()
    sink.store_ok = None
    storing = asyncio.ensure_future(store_receipts(TWO, sink))
    await settle()
    storing.cancel()
    await asyncio.wait([storing])
    for stored, token in sink.unanswered:
        stored(token, True)

"""What a customer may ask: his own messages only, memory before disk."""

from gateway.domain.commit_group import StoredMessage
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import IdempotencyKey, StoredAnswer
from gateway.flow.queries import IDEMPOTENCY_KEEP_MS
from tests.support.heart import World, account_spec

ACCOUNTS = [account_spec(), account_spec("other")]


async def test_a_message_in_memory_is_newer_than_its_row() -> None:
    world = await World.build(are_up=False)
    message = await world.accepted()
    assert await world.heart.queries.message(world.account(), message.key) is message


async def test_a_message_that_has_left_is_read_from_the_store() -> None:
    world = await World.build()
    message, _ = await world.sent()
    found = await world.heart.queries.message(world.account(), message.key)
    assert isinstance(found, StoredMessage)
    assert (found.key, found.state) == (message.key, MessageState.SENT)


async def test_messages_of_others_look_like_unknown_ones() -> None:
    world = await World.build(accounts=ACCOUNTS)
    sent, _ = await world.sent()
    live = await world.accepted()
    other = world.account("other")
    assert live.key in world.heart.backlogs.live
    assert sent.key not in world.heart.backlogs.live
    for key in (sent.key, live.key, 12345):
        assert await world.heart.queries.message(other, key) is None


async def test_an_answer_is_given_again_for_a_day_to_its_own_account() -> None:
    world = await World.build(accounts=ACCOUNTS)
    key = IdempotencyKey("send", b"key", b"body")
    answer = StoredAnswer(b"body", 201, b"{}")
    account = world.account()
    world.store.answers[account.id, "send", b"key"] = (world.clock.now_ms(), answer)
    queries = world.heart.queries
    assert await queries.stored_answer(account, key) == answer
    assert await queries.stored_answer(world.account("other"), key) is None
    assert await queries.stored_answer(account, key._replace(endpoint="bulk")) is None
    world.clock.advance(IDEMPOTENCY_KEEP_MS / 1000)
    assert await queries.stored_answer(account, key) == answer
    world.clock.advance(0.001)
    assert await queries.stored_answer(account, key) is None

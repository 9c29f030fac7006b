import asyncio

import pytest

from gateway.domain.errors import Refusal, RefusalCode, StoreUnavailable
from gateway.domain.message import IdempotencyKey, StoredAnswer
from protocols.http.idempotency import (
    BodyDigest,
    IdempotentRequests,
    idempotency_key,
    streamed_key,
)
from tests.support.doors import FakeReader, make_account

ACCOUNT = make_account()
KEY = idempotency_key("exosend/sms/send", "order-17", b'{"a":1}')
OTHER_BODY = idempotency_key("exosend/sms/send", "order-17", b'{"a":2}')


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@pytest.fixture
def requests(reader: FakeReader) -> IdempotentRequests:
    return IdempotentRequests(reader)


def store(reader: FakeReader, status: int = 201, body: bytes = b"{}") -> None:
    name = (ACCOUNT.id, KEY.endpoint, KEY.key_digest)
    reader.answers[name] = StoredAnswer(KEY.body_digest, status, body)


def code(result: object) -> RefusalCode:
    assert isinstance(result, Refusal)
    return result.code


@pytest.mark.parametrize("header", ["x", "a b~", "k" * 255])
def test_printable_ascii_is_a_key(header: str) -> None:
    assert idempotency_key("e", header, b"").key_digest


@pytest.mark.parametrize("header", ["", "k" * 256, "schlüssel", "a\tb", "a\x7f", "\udcff"])
def test_anything_else_is_none(header: str) -> None:
    with pytest.raises(ValueError, match="1 to 255 printable ASCII"):
        idempotency_key("e", header, b"")


async def test_a_new_key_is_the_callers(requests: IdempotentRequests) -> None:
    assert await requests.claim(ACCOUNT, KEY) is None


async def test_the_same_key_while_it_runs(requests: IdempotentRequests) -> None:
    await requests.claim(ACCOUNT, KEY)
    assert code(await requests.claim(ACCOUNT, KEY)) is RefusalCode.IDEMPOTENCY_RUNNING
    assert code(await requests.claim(ACCOUNT, OTHER_BODY)) is RefusalCode.IDEMPOTENCY_MISMATCH


async def test_two_at_once_make_one_owner(requests: IdempotentRequests) -> None:
    results = await asyncio.gather(requests.claim(ACCOUNT, KEY), requests.claim(ACCOUNT, KEY))
    assert results[0] is None
    assert code(results[1]) is RefusalCode.IDEMPOTENCY_RUNNING


async def test_a_released_key_without_an_answer_may_be_tried_again(
    requests: IdempotentRequests,
) -> None:
    await requests.claim(ACCOUNT, KEY)
    requests.release(ACCOUNT, KEY)
    assert await requests.claim(ACCOUNT, OTHER_BODY) is None


async def test_a_stored_answer_comes_back(requests: IdempotentRequests, reader: FakeReader) -> None:
    store(reader, 201, b"the answer")
    for _ in range(2):
        stored = await requests.claim(ACCOUNT, KEY)
        assert isinstance(stored, StoredAnswer)
        assert (stored.status, stored.body) == (201, b"the answer")


async def test_a_stored_answer_of_another_body_is_a_mismatch(
    requests: IdempotentRequests, reader: FakeReader
) -> None:
    store(reader)
    assert code(await requests.claim(ACCOUNT, OTHER_BODY)) is RefusalCode.IDEMPOTENCY_MISMATCH
    assert isinstance(await requests.claim(ACCOUNT, KEY), StoredAnswer)


async def test_accounts_and_endpoints_are_apart(
    requests: IdempotentRequests, reader: FakeReader
) -> None:
    store(reader)
    assert await requests.claim(make_account(2), KEY) is None
    elsewhere = idempotency_key("exosend/sms/send-bulk", "order-17", b'{"a":1}')
    assert await requests.claim(ACCOUNT, elsewhere) is None


async def test_a_failed_look_up_leaves_the_key_free(
    requests: IdempotentRequests, reader: FakeReader
) -> None:
    reader.unavailable = True
    with pytest.raises(StoreUnavailable):
        await requests.claim(ACCOUNT, KEY)
    reader.unavailable = False
    assert await requests.claim(ACCOUNT, KEY) is None


# --- bodies that come piece by piece ------------------------------------------------------------

STREAMED = streamed_key("exosend/sms/send", "order-17")


def test_a_streamed_key_is_sealed_with_the_digest_of_the_whole() -> None:
    digest = BodyDigest()
    for piece in (b'{"a"', b"", b":1}"):
        digest.update(piece)
    assert digest.seal(STREAMED) == KEY
    with pytest.raises(ValueError, match="1 to 255 printable ASCII"):
        streamed_key("e", "")


async def test_a_streamed_key_gets_the_answer_of_any_body(
    requests: IdempotentRequests, reader: FakeReader
) -> None:
    store(reader)
    stored = await requests.claim(ACCOUNT, STREAMED)
    assert isinstance(stored, StoredAnswer)
    assert stored.body_digest == KEY.body_digest
    assert isinstance(await requests.claim(ACCOUNT, KEY), StoredAnswer)


@pytest.mark.parametrize(("first", "second"), [(STREAMED, KEY), (KEY, STREAMED), (STREAMED,) * 2])
async def test_nobody_knows_yet_whether_a_streamed_body_is_another(
    requests: IdempotentRequests, first: IdempotencyKey, second: IdempotencyKey
) -> None:
    assert await requests.claim(ACCOUNT, first) is None
    assert code(await requests.claim(ACCOUNT, second)) is RefusalCode.IDEMPOTENCY_RUNNING
    requests.release(ACCOUNT, first)
    assert await requests.claim(ACCOUNT, second) is None

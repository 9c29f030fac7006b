import uuid

import pytest

from gateway.domain.keys import (
    EPOCH_MS,
    KEY_LIMIT,
    KeyMaker,
    PublicIds,
    first_key_at,
    key_time_ms,
)
from tests.support.clock import START_MS

IDS = PublicIds(b"s" * 32)


def test_a_key_tells_its_time() -> None:
    assert key_time_ms(KeyMaker(node=7).next(START_MS)) == START_MS


def test_keys_grow_when_the_clock_goes_back() -> None:
    maker = KeyMaker()
    first = maker.next(START_MS)
    second = maker.next(START_MS - 3_600_000)
    assert second > first
    assert key_time_ms(second) == START_MS


def test_a_full_millisecond_borrows_from_the_next() -> None:
    maker = KeyMaker(node=255)
    keys = [maker.next(START_MS) for _ in range(16_385)]
    assert keys == sorted(set(keys))
    assert key_time_ms(keys[16_383]) == START_MS
    assert key_time_ms(keys[16_384]) == START_MS + 1


def test_the_maker_goes_on_after_the_last_stored_key() -> None:
    last = KeyMaker().next(START_MS + 60_000)
    assert KeyMaker(last_key=last).next(START_MS) == last + 1


def test_two_nodes_never_make_the_same_key() -> None:
    one, other = KeyMaker(node=0), KeyMaker(node=1)
    ones = {one.next(START_MS) for _ in range(1000)}
    assert ones.isdisjoint({other.next(START_MS) for _ in range(1000)})


@pytest.mark.parametrize("node", [-1, 256])
def test_a_node_has_eight_bits(node: int) -> None:
    with pytest.raises(ValueError, match=r"0\.\.255"):
        KeyMaker(node=node)


def test_the_first_key_of_a_time_is_the_least() -> None:
    assert first_key_at(START_MS) == KeyMaker(node=0).next(START_MS)
    assert first_key_at(EPOCH_MS - 1) == 0


def test_a_key_stays_within_63_bits_until_2093() -> None:
    assert first_key_at(EPOCH_MS + (1 << 41)) == KEY_LIMIT


@pytest.mark.parametrize("key", [0, 1, 0x7FFF, first_key_at(START_MS), KEY_LIMIT - 1])
def test_a_public_id_leads_back_to_its_key(key: int) -> None:
    text = IDS.encode("message", key)
    assert uuid.UUID(text).version == 8
    assert uuid.UUID(text).variant == uuid.RFC_4122
    assert IDS.decode("message", text) == key
    assert IDS.decode("message", text.upper()) == key
    assert IDS.decode("message", text.replace("-", "")) == key


def test_an_id_of_one_kind_is_none_of_another() -> None:
    text = IDS.encode("message", 42)
    assert IDS.decode("batch", text) is None
    assert PublicIds(b"t" * 32).decode("message", text) is None


def test_neighbours_cannot_be_guessed() -> None:
    text = IDS.encode("message", 42)
    for last in "0123456789abcdef":
        if last != text[-1]:
            assert IDS.decode("message", text[:-1] + last) is None


@pytest.mark.parametrize("text", ["", "zz", "g" * 32, "0" * 32, "-" * 36, "0" * 33, " " * 36])
def test_other_texts_are_no_ids(text: str) -> None:
    assert IDS.decode("message", text) is None


def test_ids_sort_by_time() -> None:
    maker = KeyMaker()
    texts = [IDS.encode("message", maker.next(START_MS + step)) for step in (0, 1, 1000, 10**7)]
    assert texts == sorted(texts)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        PublicIds(b"short")

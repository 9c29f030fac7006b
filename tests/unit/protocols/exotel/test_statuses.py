import pytest

from gateway.domain.fate import WORDS
from gateway.domain.lifecycle import MessageState
from protocols.exotel import statuses
from protocols.exotel.statuses import DETAILS, is_failure, state_of_code, state_of_word

S = MessageState


def test_the_table_has_the_33_documented_codes() -> None:
    assert len(DETAILS) == len(set(DETAILS.values())) == 33


@pytest.mark.parametrize("state", list(MessageState))
def test_what_we_say_of_our_states_is_in_the_table(state: MessageState) -> None:
    words = WORDS[state]
    assert DETAILS[words.exotel_detail_code] == words.exotel_detail
    # 4.2: a hundred has one status.
    status = {20: "sent", 23: "failed", 24: "failed"}
    expected = status.get(words.exotel_detail_code // 1000)
    assert words.exotel == (
        expected
        or {21010: "queued", 21015: "sending", 21020: "submitted"}[words.exotel_detail_code]
    )


@pytest.mark.parametrize("state", [S.DELIVERED, S.FAILED, S.REJECTED, S.EXPIRED])
def test_a_chained_gateway_understands_our_own_words(state: MessageState) -> None:
    words = WORDS[state]
    assert state_of_code(words.exotel_detail_code) == state
    assert state_of_word(words.exotel_detail) == state


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (21010, S.SENT), (21999, S.SENT), (20005, S.DELIVERED), (20006, S.DELIVERED),
        (20123, S.DELIVERED), (23005, S.REJECTED), (23020, S.REJECTED), (23010, S.FAILED),
        (23040, S.FAILED), (23050, S.EXPIRED), (23082, S.REJECTED), (23185, S.REJECTED),
        (23999, S.FAILED), (24990, S.FAILED), (24000, S.FAILED), (25000, None), (0, None),
    ],
)  # fmt: skip
def test_codes(code: int, state: MessageState | None) -> None:
    assert state_of_code(code) == state


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("queued", S.SENT), ("sending", S.SENT), ("submitted", S.SENT), ("sent", S.DELIVERED),
        ("failed-dnd", S.REJECTED), ("failed_dnd", S.REJECTED), ("FAILED_DND", S.REJECTED),
        ("failed", S.FAILED), (" Delivered ", S.DELIVERED), ("undelivered", S.FAILED),
        ("expired", S.EXPIRED), ("DELIVERED_TO_HANDSET", S.DELIVERED),
        ("PENDING_ON_OPERATOR", S.SENT), ("FAILED_EXPIRED", S.EXPIRED),
        ("FAILED_INVALID_NUMBER", S.FAILED), ("FAILED_SPAM", S.FAILED), ("soon", None), ("", None),
    ],
)  # fmt: skip
def test_words(word: str, state: MessageState | None) -> None:
    assert state_of_word(word) == state


def test_only_failures_are_failures() -> None:
    assert all(is_failure(word) for word in ("failed", "failed-dnd", "failed_dnd", "expired"))
    assert not any(is_failure(word) for word in ("queued", "sending", "submitted", "sent", ""))


def test_codes_of_refused_elements_are_in_the_table() -> None:
    named = {value for value in vars(statuses).values() if isinstance(value, int)}
    assert named <= DETAILS.keys()

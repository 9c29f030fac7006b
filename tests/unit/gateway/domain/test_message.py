from gateway.domain.account import Account
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from tests.support.upstream import make_message


def test_a_message_is_born_queued_and_unsent() -> None:
    message = make_message()
    assert (message.state, message.stored_state) == (MessageState.QUEUED, MessageState.QUEUED)
    assert (message.sent_at_ms, message.final_at_ms, message.attempts) == (0, 0, 0)
    assert message.parts is None


def test_parts_are_made_once_and_match_the_texts() -> None:
    message = make_message("a" * 307)
    parts = message.split_parts()
    assert [part.n for part in parts] == [0, 1, 2]
    assert message.split_parts() is parts
    assert all(part.message is message for part in parts)
    assert message.part_texts() == ["a" * 153, "a" * 153, "a"]


def test_the_reference_is_one_octet_that_differs_between_neighbours() -> None:
    references = [make_message(key=key).reference for key in range(1 << 22, (1 << 22) + 256)]
    assert sorted(references) == list(range(256))


def test_available_is_what_is_not_held() -> None:
    account = Account(1, "acme")
    account.balance_micros, account.held_micros = 100, 30
    assert account.available_micros == 70


def test_slots_keep_out_what_does_not_belong() -> None:
    assert not hasattr(make_message(), "__dict__")
    assert set(Message.__slots__) >= {"key", "state", "money"}

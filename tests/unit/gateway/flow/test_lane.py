"""Whether a provider may be given messages, and whose receipts it owes."""

import pytest

from gateway.domain.account import Account, Door
from gateway.domain.lifecycle import MessageState, MoneyState, NotifyWhen
from gateway.domain.message import Changed, Message
from gateway.domain.sms_text import Alphabet
from gateway.flow import lane as lanes
from gateway.flow.lane import Lane
from tests.support.fake_wire import FakeWire
from tests.support.heart import provider_spec


@pytest.fixture
def wire() -> FakeWire:
    return FakeWire("carrier", is_stored=lambda _: True)


@pytest.fixture
def lane(wire: FakeWire) -> Lane:
    return Lane(1, provider_spec(rate_per_s=7), wire)


def message(part_count: int = 1) -> Message:
    return Message(
        1, Account(1, "acme"), None, Door.SMPP, "ACME", "41790000001", "x", None, Alphabet.GSM7,
        part_count, 0, MoneyState.NONE, NotifyWhen.NEVER, 1, 0, 0,
    )  # fmt: skip


def test_it_is_open_when_declared_not_paused_and_connected(lane: Lane, wire: FakeWire) -> None:
    assert lane.is_open
    wire.up = False
    assert not lane.is_open
    wire.up = True
    lane.paused = True
    assert not lane.is_open
    lane.paused, lane.enabled = False, False
    assert not lane.is_open


def test_its_pace_is_the_contracted_rate(lane: Lane) -> None:
    assert lane.pace.current == 7


def test_what_is_awaited_is_bounded_and_the_oldest_go(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MOST_AWAITING", 100)
    unwritten = message()
    unwritten.changed = Changed.RIDING
    lane.await_receipt("unwritten", unwritten)
    for n in range(100, 200):
        lane.await_receipt(str(n), message())
    # A twentieth was looked at; what is not on disk could not be found there.
    assert list(lane.awaiting)[:2] == ["unwritten", "104"]
    assert len(lane.awaiting) == 97


def test_a_final_receipt_is_remembered(lane: Lane) -> None:
    lane.await_receipt("id", message())
    lane.receipt_taken("id", 5)
    assert lane.awaiting == {}
    assert lane.ended["id"] == 5


@pytest.mark.parametrize("answered", ["00AB12", "AB12", "ab12", "0ab12"])
@pytest.mark.parametrize("receipted", ["00AB12", "AB12", "ab12", "0ab12"])
def test_case_and_leading_zeros_are_forgiven_on_either_side(
    lane: Lane, answered: str, receipted: str
) -> None:
    assert lane.known_as(receipted) is None
    lane.await_receipt(answered, message())
    assert lane.known_as(receipted) == answered
    lane.receipt_taken(answered, 7)
    assert lane.known_as(receipted) == answered
    assert lane.known_as("ab13") is None


def test_other_spellings_are_bounded(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MOST_AWAITING", 100)
    for n in range(101):
        lane.await_receipt(f"ID{n}", message())
    assert lane.known_as("id4") is None
    assert lane.known_as("id5") == "ID5"


def test_parts_of_a_restored_message_are_awaited_under_every_spelling(lane: Lane) -> None:
    long = message(2)
    for part, id in zip(long.split_parts(), ("0A", "0B"), strict=True):
        part.state, part.provider_message_id = MessageState.SENT, id
    lane.await_parts(long)
    assert [lane.known_as(id) for id in ("a", "B")] == ["0A", "0B"]


def test_parts_of_an_ended_message_are_not_awaited_again(lane: Lane) -> None:
    def restored() -> Message:
        """As its row still says while its end is on the way to disk."""
        long = message(2)
        for part, id in zip(long.split_parts(), ("a", "b"), strict=True):
            part.state, part.provider_message_id = MessageState.SENT, id
        return long

    one = restored()
    lane.await_parts(one)
    lane.forget(one)
    lane.await_parts(restored())
    assert lane.awaiting == {}


def test_an_ended_message_is_forgotten(lane: Lane) -> None:
    single = message()
    lane.forget(single)  # it has no id yet
    single.provider_message_id = "id"
    lane.await_receipt("id", single)
    lane.await_receipt("other", message())
    lane.forget(single)
    assert list(lane.awaiting) == ["other"]
    assert "id" in lane.ended
    assert "other" not in lane.ended


def test_of_a_long_message_only_open_parts_are_forgotten(lane: Lane) -> None:
    long = message(3)
    first, second, _ = long.split_parts()
    for part, id in ((first, "a"), (second, "b")):
        part.state, part.provider_message_id = MessageState.SENT, id
        lane.await_receipt(id, part)
    first.state = MessageState.DELIVERED
    lane.receipt_taken("a", long.key)
    lane.forget(long)
    assert lane.awaiting == {}
    assert (lane.ended["a"], lane.ended["b"]) == (long.key, lanes.TOLD)  # both would be repeats

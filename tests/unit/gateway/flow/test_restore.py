"""A message read back is the message that was stored."""

from typing import Any

import pytest

from gateway.domain.account import Account, Credential, Door
from gateway.domain.commit_group import StoredMessage, StoredPart
from gateway.domain.lifecycle import MessageState, MoneyState, Notified, NotifyWhen
from gateway.domain.message import Changed, Message, Opaque
from gateway.domain.sms_text import Alphabet
from gateway.flow.restore import restored

ACCOUNTS = {1: Account(1, "acme")}
CREDENTIALS = {7: Credential(7, ACCOUNTS[1], "bound")}
ROW = StoredMessage(
    key=11, account_id=1, credential_id=7, door=1, channel=0, batch_key=9, priority=2,
    sender="ACME", recipient="41790000001", text="hello", octets=None, data_coding=None,
    esm_class=None, tlvs=None, alphabet=Alphabet.UCS2, part_count=3, charge_micros=100,
    money=MoneyState.HELD, notify_when=NotifyWhen.FAILURE, door_note=5, due_at_ms=1000,
    expires_at_ms=2000, state=MessageState.SENT, provider_id=4, provider_message_id="id-4",
    attempts=2, sent_at_ms=1500, final_at_ms=0, error="058", notified=Notified.PENDING,
)  # fmt: skip


def restore(**changes: Any) -> Message:
    return restored(ROW._replace(**changes), ACCOUNTS, CREDENTIALS)


def test_every_column_returns() -> None:
    message = restore()
    same = set(Message.__slots__) & set(StoredMessage._fields) - {"parts"}
    assert len(same) > 20
    for name in same:
        assert getattr(message, name) == getattr(ROW, name), name
    assert message.account is ACCOUNTS[1]
    assert message.credential is CREDENTIALS[7]


def test_integers_of_the_store_become_members_again() -> None:
    message = restore(door=2, alphabet=int(Alphabet.GSM7), state=0)
    for name, kind in (
        ("door", Door), ("alphabet", Alphabet), ("state", MessageState),
        ("stored_state", MessageState), ("money", MoneyState), ("notify_when", NotifyWhen),
        ("notified", Notified),
    ):  # fmt: skip
        assert type(getattr(message, name)) is kind, name


def test_it_is_fresh_in_what_only_memory_knows() -> None:
    message = restore()
    assert message.stored_state == MessageState.SENT
    assert message.changed == Changed.NO
    assert (message.route, message.tried, message.in_flight) == (None, None, 0)
    assert message.parts is None


def test_opaque_octets_return() -> None:
    message = restore(text=None, octets=b"\x01", data_coding=4, esm_class=0x40, tlvs=b"t")
    assert (message.text, message.opaque) == (None, Opaque(b"\x01", 4, 0x40, b"t"))
    empty = restore(text=None, octets=b"", data_coding=None, esm_class=None, tlvs=None)
    assert empty.opaque == Opaque(b"", 0, 0, b"")


def test_parts_return_at_their_places() -> None:
    stored = StoredPart(1, 4, "id-4b", MessageState.SENT)
    parts = restore(parts=(stored,)).parts
    assert parts is not None
    assert [(p.n, p.state, p.provider_id, p.provider_message_id) for p in parts] == [
        (0, MessageState.QUEUED, None, None),
        (1, MessageState.SENT, 4, "id-4b"),
        (2, MessageState.QUEUED, None, None),
    ]


@pytest.mark.parametrize("credential_id", [None, 99])
def test_a_credential_may_be_gone(credential_id: int | None) -> None:
    assert restore(credential_id=credential_id).credential is None


def test_an_account_may_not() -> None:
    with pytest.raises(KeyError):
        restore(account_id=99)


def test_the_parts_know_who_has_begun_to_take_the_message() -> None:
    """Their rows may be on disk before the message's own."""
    sent = StoredPart(0, 8, "p0", MessageState.SENT)
    waiting = StoredPart(1, None, None, MessageState.QUEUED)
    for row_says in (None, 4):
        message = restore(state=0, provider_id=row_says, parts=(sent, waiting))
        assert message.provider_id == 8


def test_a_message_whose_part_has_left_has_been_sent() -> None:
    """Else its money would be given back: a part's row may be on disk before the message's own."""
    sent = StoredPart(0, 8, "p0", MessageState.SENT)
    waiting = StoredPart(1, None, None, MessageState.QUEUED)
    row = {"state": 0, "sent_at_ms": 0, "due_at_ms": 1000}
    assert restore(**row, parts=(sent, waiting)).sent_at_ms == 1000
    assert restore(**row, parts=(waiting,)).sent_at_ms == 0
    assert restore(parts=(sent, waiting)).sent_at_ms == ROW.sent_at_ms

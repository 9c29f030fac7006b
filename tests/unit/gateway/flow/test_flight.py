"""Rows of a group, credit lines that always follow its members, and taking it apart."""

import pytest

from gateway.domain.account import Account, Credential, Door
from gateway.domain.bulk_rows import (
    BulkRecipientChange,
    BulkRows,
    BulkStep,
    NewBulk,
    NewBulkRecipient,
)
from gateway.domain.charge import Charge
from gateway.domain.commit_group import (
    CreditChange,
    EventKind,
    IdempotencyRow,
    LedgerKind,
    LedgerLine,
    MessageEvent,
    NewBatch,
    NewMessage,
    ParkedReceipt,
)
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.lifecycle import MessageState, MoneyState, NotifyWhen
from gateway.domain.message import Batch, Changed, Message, Opaque, Part
from gateway.domain.sms_text import Alphabet
from gateway.flow.flight import UNSTORABLE, Flight, give_back

AT_MS = 1_790_000_000_123
PRICE = 100
S = MessageState


def account(id: int = 1, currency: str = "EUR") -> Account:
    made = Account(id, f"account-{id}", currency)
    made.balance_micros = 1000
    return made


def message(
    key: int,
    owner: Account,
    money: MoneyState = MoneyState.CHARGED,
    *,
    charge: int = PRICE,
    opaque: Opaque | None = None,
    batch_key: int | None = None,
) -> Message:
    """Reserved as admission does it."""
    if money == MoneyState.CHARGED:
        owner.balance_micros -= charge
    elif money == MoneyState.HELD:
        owner.held_micros += charge
    return Message(
        key, owner, Credential(7, owner, "bound"), Door.SMPP, "ACME", "41790000001",
        None if opaque else "hello", opaque, Alphabet.GSM7, 1, charge, money, NotifyWhen.ALWAYS,
        2, AT_MS, AT_MS + 1000, 5, batch_key,
    )  # fmt: skip


class Asked:
    def __init__(self) -> None:
        self.answers: list[tuple[object, object]] = []

    def answered(self, token: object, result: object) -> None:
        self.answers.append((token, result))


def flight_of(*messages: Message, asked: Asked | None = None) -> Flight:
    asked = asked or Asked()
    flight = Flight()
    for each in messages:
        flight.group.members.append(each)
        flight.accepts.append((asked.answered, each.key, each))
    return flight


def closed(flight: Flight, changed: list[Message] | None = None) -> Flight:
    flight.close(changed or [], [], AT_MS)
    return flight


def keys(flight: Flight) -> list[int]:
    return [row[0] for row in flight.group.new_messages]


# --- rows ---------------------------------------------------------------------------------------


def test_a_new_row_has_every_column_in_its_place() -> None:
    owner = account(3)
    [row] = closed(flight_of(message(11, owner))).group.new_messages
    assert NewMessage(*row) == NewMessage(
        key=11, account_id=3, credential_id=7, door=1, channel=0, batch_key=None, priority=2,
        sender="ACME", recipient="41790000001", text="hello", octets=None, data_coding=None,
        esm_class=None, tlvs=None, alphabet=Alphabet.GSM7, part_count=1, charge_micros=PRICE,
        money=MoneyState.CHARGED, notify_when=NotifyWhen.ALWAYS, door_note=5, due_at_ms=AT_MS,
        expires_at_ms=AT_MS + 1000,
    )  # fmt: skip
    assert type(row[3]) is type(row[-5]) is int  # no enum reaches a store


def test_opaque_octets_are_stored_with_what_describes_them() -> None:
    opaque = Opaque(b"\x05\x00\x03", 4, 0x40, b"tlv")
    [row] = closed(flight_of(message(11, account(), opaque=opaque))).group.new_messages
    stored = NewMessage(*row)
    assert (stored.text, stored.octets, stored.data_coding) == (None, b"\x05\x00\x03", 4)
    assert (stored.esm_class, stored.tlvs) == (0x40, b"tlv")


@pytest.mark.parametrize("opaque", [None, Opaque(b"\x01", 4, 0, b"")])
def test_the_content_of_a_batch_is_not_repeated(opaque: Opaque | None) -> None:
    [row] = closed(flight_of(message(11, account(), opaque=opaque, batch_key=9))).group.new_messages
    stored = NewMessage(*row)
    assert (stored.batch_key, stored.text, stored.octets) == (9, None, None)


def test_a_change_is_guarded_by_the_state_written_last() -> None:
    changed = message(11, account())
    changed.state, changed.changed = S.SENT, Changed.FORCED
    [row] = closed(Flight(), [changed]).group.message_changes
    assert row[:3] == (11, S.QUEUED, S.SENT)
    assert changed.changed == Changed.NO
    changed.state = S.DELIVERED
    [row] = closed(Flight(), [changed]).group.message_changes
    assert row[:3] == (11, S.SENT, S.DELIVERED)


def test_rows_are_snapshots() -> None:
    changed = message(11, account())
    part = Part(changed, 1)
    part.changed = True
    flight = Flight()
    flight.close([changed], [part], AT_MS)
    changed.state = part.state = S.SENT
    assert flight.group.message_changes[0][2] == S.QUEUED
    assert flight.group.part_changes[0] == (11, 1, None, None, S.QUEUED)
    assert not part.changed


def test_rows_counts_everything_that_is_written() -> None:
    owner = account()
    flight = flight_of(message(11, owner))
    flight.money.append((2, owner, LedgerKind.REFUND, PRICE, 0))
    flight.group.notified_keys.append(5)
    flight.group.events.append(MessageEvent(5, AT_MS, EventKind.RETRY, 1, ""))
    flight.group.parked_receipts.append(ParkedReceipt(1, "x", S.DELIVERED, "", 0, AT_MS))
    flight.group.matched_receipts.append((1, "y"))
    assert closed(flight, [message(12, owner)]).rows == 7


def test_waiters_alone_are_no_rows() -> None:
    flight = Flight()
    flight.after.append((lambda *_: None, None))
    assert closed(flight).rows == 0


# --- credit lines -------------------------------------------------------------------------------


def test_charges_become_one_line_per_account() -> None:
    first, second = account(1), account(2, "CHF")
    flight = closed(flight_of(message(1, first), message(2, second), message(3, first)))
    assert flight.group.credit == [CreditChange(1, -200, 0, True), CreditChange(2, -100, 0, True)]
    assert flight.group.ledger == [
        LedgerLine(1, LedgerKind.CHARGE, -200, 2, AT_MS, ""),
        LedgerLine(2, LedgerKind.CHARGE, -100, 1, AT_MS, ""),
    ]
    assert flight.currencies == {1: "EUR", 2: "CHF"}


def test_a_hold_moves_no_balance_and_makes_no_line() -> None:
    flight = closed(flight_of(message(1, account(), MoneyState.HELD)))
    assert flight.group.credit == [CreditChange(1, 0, PRICE, True)]
    assert flight.group.ledger == []


def test_free_messages_touch_no_account() -> None:
    flight = closed(flight_of(message(1, account(), MoneyState.NONE, charge=0)))
    assert (flight.group.credit, flight.group.ledger) == ([], [])


def test_refunds_alone_are_not_guarded() -> None:
    owner = account()
    flight = Flight()
    flight.money = [(1, owner, LedgerKind.REFUND, 30, 0), (2, owner, LedgerKind.REFUND, 20, 0)]
    assert closed(flight).group.credit == [CreditChange(1, 50, 0, False)]
    assert flight.group.ledger == [LedgerLine(1, LedgerKind.REFUND, 50, 2, AT_MS, "")]


def test_a_hold_that_becomes_a_charge_joins_the_charges_of_the_group() -> None:
    owner = account()
    flight = flight_of(message(1, owner))
    flight.money.append((1, owner, LedgerKind.CHARGE, -40, -40))
    assert closed(flight).group.credit == [CreditChange(1, -140, -40, True)]
    assert flight.group.ledger == [LedgerLine(1, LedgerKind.CHARGE, -140, 2, AT_MS, "")]


# --- giving back and refusing -------------------------------------------------------------------


@pytest.mark.parametrize("money", [MoneyState.CHARGED, MoneyState.HELD])
def test_what_was_reserved_is_given_back_once(money: MoneyState) -> None:
    owner = account()
    reserved = message(1, owner, money)
    assert owner.available_micros == 900
    give_back(reserved)
    give_back(reserved)
    assert (owner.balance_micros, owner.held_micros) == (1000, 0)


def test_refusing_takes_out_rows_credit_and_answers() -> None:
    loser, winner = account(1), account(2)
    asked = Asked()
    lost, kept = message(1, loser), message(2, winner)
    flight = flight_of(lost, kept, asked=asked)
    flight.answers = [
        (m.key, IdempotencyRow(m.account.id, "send", b"k", b"b", 200, b"{}", AT_MS))
        for m in (lost, kept)
    ]
    closed(flight)
    refusal = Refusal(RefusalCode.NO_CREDIT)
    losers = flight.accepts_of(frozenset({1}))
    flight.refuse(losers, refusal)
    assert asked.answers == [(1, refusal)]
    assert loser.available_micros == 1000
    assert keys(flight) == [2]
    assert flight.group.members == [kept]
    assert flight.group.credit == [CreditChange(2, -100, 0, True)]
    assert [row.account_id for row in flight.group.idempotency] == [2]
    assert flight.rows == 1
    flight.refuse([], refusal)
    assert len(asked.answers) == 1


def batch_of(key: int, *messages: Message) -> Batch:
    batch = Batch(key)
    batch.messages = list(messages)
    return batch


def batch_flight(batch: Batch, asked: Asked) -> Flight:
    flight = Flight()
    flight.group.members = list(batch.messages)
    flight.group.new_batches = [NewBatch(batch.key, 1, "x", None, None, None, None, 2)]
    flight.accepts = [(asked.answered, "token", batch)]
    return flight


def test_a_batch_is_refused_whole() -> None:
    owner, asked = account(), Asked()
    batch = batch_of(9, message(10, owner, batch_key=9), message(11, owner, batch_key=9))
    flight = closed(batch_flight(batch, asked))
    flight.refuse(flight.accepts_of(frozenset({1})), Refusal(RefusalCode.NO_CREDIT))
    assert owner.balance_micros == 1000
    group = flight.group
    assert [*group.new_batches, *group.new_messages, *group.members] == []
    assert len(asked.answers) == 1


# --- halves -------------------------------------------------------------------------------------


def test_accepts_are_halved_in_order_with_their_credit() -> None:
    owner = account()
    flight = closed(flight_of(*[message(key, owner) for key in (1, 2, 3)]))
    halves = flight.halves()
    assert halves is not None
    assert [keys(half) for half in halves] == [[1, 2], [3]]
    assert [half.group.credit[0].balance_micros for half in halves] == [-200, -100]
    assert [[a[1] for a in half.accepts] for half in halves] == [[1, 2], [3]]


def test_everything_but_the_accepts_goes_first() -> None:
    owner = account()
    flight = flight_of(message(1, owner))
    flight.money.append((5, owner, LedgerKind.REFUND, 30, 0))
    flight.after.append((lambda *_: None, "waiter"))
    flight.group.notified_keys.append(8)
    halves = closed(flight, [message(5, owner)]).halves()
    assert halves is not None
    rest, accepts = halves
    assert rest.message_keys() == [5]
    assert (rest.group.notified_keys, len(rest.after), len(rest.money)) == ([8], 1, 1)
    assert keys(accepts) == [1]
    assert (accepts.after, accepts.money, accepts.group.message_changes) == ([], [], [])
    assert sum(c.balance_micros for h in halves for c in h.group.credit) == 30 - PRICE


def test_a_batch_is_never_cut() -> None:
    owner = account()
    batch = batch_of(9, message(10, owner, batch_key=9), message(11, owner, batch_key=9))
    flight = closed(batch_flight(batch, Asked()))
    assert flight.halves() is None


def test_one_accept_alone_cannot_be_split() -> None:
    assert closed(flight_of(message(1, account()))).halves() is None


def test_rows_are_halved_in_order_and_waiters_come_last() -> None:
    owner = account()
    flight = Flight()
    flight.after.append((lambda *_: None, "waiter"))
    flight.group.notified_keys = [21, 22]
    halves = closed(flight, [message(1, owner), message(2, owner)]).halves()
    assert halves is not None
    first, second = halves
    assert (first.message_keys(), first.group.notified_keys, first.after) == ([1, 2], [], [])
    assert (second.message_keys(), second.group.notified_keys) == ([], [21, 22])
    assert len(second.after) == 1


def test_one_row_alone_cannot_be_split() -> None:
    assert closed(Flight(), [message(1, account())]).halves() is None


def test_halving_reaches_every_row_once() -> None:
    owner = account()
    flight = flight_of(*[message(key, owner) for key in range(1, 6)])
    flight.group.notified_keys = [21, 22, 23]
    flights, singles = [closed(flight, [message(9, owner)])], []
    while flights:
        halves = flights[0].halves()
        if halves is None:
            singles.append(flights[0])
        flights[:1] = halves or []
    assert [single.rows for single in singles] == [1] * 9
    assert sorted(k for s in singles for k in s.message_keys()) == [1, 2, 3, 4, 5, 9]
    assert [k for s in singles for k in s.group.notified_keys] == [21, 22, 23]


def test_money_goes_where_the_row_of_its_message_goes() -> None:
    owner = account()
    flight = Flight()
    for key in (1, 2, 3):
        flight.money.append((key, owner, LedgerKind.REFUND, key, -key))
    halves = closed(flight, [message(key, owner) for key in (1, 2, 3)]).halves()
    assert halves is not None
    assert [half.message_keys() for half in halves] == [[1], [2, 3]]
    assert [half.group.credit for half in halves] == [
        [CreditChange(1, 1, -1, False)],
        [CreditChange(1, 5, -5, False)],
    ]


def test_a_change_that_is_refused_alone_goes_without_its_texts() -> None:
    owner = account()
    changed = message(1, owner)
    changed.state, changed.error, changed.provider_message_id = S.FAILED, "bad", "worse"
    flight = Flight()
    flight.money.append((1, owner, LedgerKind.REFUND, 30, 0))
    closed(flight, [changed])
    texts = []
    while (halves := flight.halves()) is not None:
        assert halves == [flight]
        [row] = flight.group.message_changes
        texts.append((row.error, row.provider_message_id))
        assert (row.key, row.was_state, row.state) == (1, S.QUEUED, S.FAILED)
        assert flight.group.credit == [CreditChange(1, 30, 0, False)]
    assert texts == [(UNSTORABLE, "worse"), (UNSTORABLE, None)]


def test_when_a_row_is_given_up_its_money_has_not_moved_and_waiters_stay() -> None:
    owner = account()
    flight = Flight()
    flight.money.append((1, owner, LedgerKind.CHARGE, -40, -60))
    assert closed(flight, [message(1, owner, MoneyState.NONE)]).without_rows() is None
    assert (owner.balance_micros, owner.held_micros) == (1040, 60)
    flight.money.clear()
    flight.after.append((lambda *_: None, "waiter"))
    rest = flight.without_rows()
    assert rest is not None
    assert (rest.message_keys(), rest.group.credit, len(rest.after)) == ([], [], 1)


# --- bulks --------------------------------------------------------------------------------------


def bulk_row(key: int, **columns: int) -> NewBulk:
    row = NewBulk._make([key, 1, 7, Door.MESMS, 2, *[0] * (len(NewBulk._fields) - 5)])
    return row._replace(**columns)


def begun(key: int, owner: Account, micros: int) -> Charge:
    """A bulk whose price is reserved."""
    owner.balance_micros -= micros
    recipients = [NewBulkRecipient(key, n, f"{n}", 0, 0, 0) for n in (1, 2)]
    return Charge(
        key, owner, Door.MESMS, LedgerKind.CHARGE, -micros, message_count=2,
        bulk=BulkRows(bulk_row(key, valid=2), recipients),
    )  # fmt: skip


def fed(key: int, owner: Account, *message_keys: int) -> Charge:
    """A page of a bulk that has paid for it."""
    messages = [message(n, owner, MoneyState.NONE, batch_key=key) for n in message_keys]
    step = BulkStep(key, 2, 0, 2, 2, len(messages), 0, 0, 0)
    return Charge(
        key, owner, Door.MESMS, LedgerKind.CHARGE, 0, bulk=BulkRows(step=step, messages=messages)
    )


def taking(flight: Flight, charge: Charge, asked: Asked, batch: NewBatch | None = None) -> Flight:
    flight.take_charge(charge, asked.answered, charge.key, batch, None)
    return flight


def batch_row(key: int) -> NewBatch:
    return NewBatch(key, 1, "x", None, None, None, None, 2)


def ended(key: int, owner: Account, n: int, bulk_key: int = 9) -> Message:
    made = message(key, owner, MoneyState.NONE, batch_key=bulk_key)
    made.door_note, made.state, made.final_at_ms = -n, S.DELIVERED, AT_MS
    return made


def test_a_bulk_brings_its_rows_and_its_price() -> None:
    owner = account()
    flight = closed(taking(Flight(), begun(9, owner, 200), Asked(), batch_row(9)))
    group = flight.group
    assert [row.key for row in group.new_bulks] == [9]
    assert [row.n for row in group.new_bulk_recipients] == [1, 2]
    assert group.credit == [CreditChange(1, -200, 0, True)]
    assert group.ledger == [LedgerLine(1, LedgerKind.CHARGE, -200, 2, AT_MS, "")]
    assert flight.rows == 3


def test_a_refused_bulk_leaves_nothing() -> None:
    owner, asked = account(), Asked()
    flight = closed(
        taking(flight_of(message(1, account(2))), begun(9, owner, 200), asked, batch_row(9))
    )
    flight.refuse(flight.accepts_of(frozenset({1})), Refusal(RefusalCode.NO_CREDIT))
    group = flight.group
    assert [*group.new_bulks, *group.new_bulk_recipients, *group.new_batches] == []
    assert owner.balance_micros == 1000
    assert [token for token, _ in asked.answers] == [9]
    assert keys(flight) == [1]


def test_messages_of_a_bulk_are_written_and_not_charged_again() -> None:
    owner = account()
    flight = closed(taking(flight_of(message(1, owner)), fed(9, owner, 10, 11), Asked()))
    assert keys(flight) == [1, 10, 11]
    assert flight.group.credit == [CreditChange(1, -PRICE, 0, True)]
    assert [step.key for step in flight.group.bulk_steps] == [9]
    assert [m.key for m in flight.fed] == [10, 11]


def test_what_takes_nothing_is_not_refused_for_want_of_credit() -> None:
    owner = account()
    flight = closed(taking(flight_of(message(1, owner)), fed(9, owner, 10), Asked()))
    assert [accept[2].key for accept in flight.accepts_of(frozenset({1}))] == [1]


def test_a_refused_page_is_written_in_no_part() -> None:
    owner, asked = account(), Asked()
    flight = closed(taking(flight_of(message(1, owner)), fed(9, owner, 10, 11), asked))
    flight.refuse([flight.accepts[1]], Refusal(RefusalCode.STORE_UNAVAILABLE))
    assert keys(flight) == [1]
    assert (flight.fed, flight.group.bulk_steps) == ([], [])
    assert owner.balance_micros == 1000 - PRICE


def test_halves_keep_a_page_with_its_step() -> None:
    owner = account()
    flight = taking(taking(Flight(), fed(8, owner, 10), Asked()), fed(9, owner, 11), Asked())
    halves = closed(flight).halves()
    assert halves is not None
    assert [keys(half) for half in halves] == [[10], [11]]
    assert [[step.key for step in half.group.bulk_steps] for half in halves] == [[8], [9]]
    assert [[m.key for m in half.fed] for half in halves] == [[10], [11]]


def test_ends_of_recipients_are_counted_once_per_bulk() -> None:
    owner = account()
    flight, messages = Flight(), [ended(n, owner, n) for n in (1, 2)]
    messages[1].state = S.UNKNOWN
    for each in messages:
        flight.end_recipient(each, S.SENT)
    messages[1].state = S.FAILED
    flight.end_recipient(messages[1], S.UNKNOWN)
    group = closed(flight, messages).group
    assert group.recipient_changes == [
        BulkRecipientChange(9, 1, S.DELIVERED, AT_MS), BulkRecipientChange(9, 2, S.FAILED, AT_MS)
    ]  # fmt: skip
    [counts] = group.bulk_counts
    assert (counts.pending, counts.unknown, counts.delivered, counts.failed) == (-2, 0, 1, 1)


def test_an_end_goes_where_the_row_of_its_message_goes() -> None:
    owner = account()
    flight, messages = Flight(), [ended(n, owner, n) for n in (1, 2, 3)]
    for each in messages:
        flight.end_recipient(each, S.SENT)
    halves = closed(flight, messages).halves()
    assert halves is not None
    numbers = [[c.recipient_n for c in half.group.recipient_changes] for half in halves]
    assert numbers == [[1], [2, 3]]
    assert [half.group.bulk_counts[0].pending for half in halves] == [-1, -2]


def test_ends_go_before_the_accepts() -> None:
    owner = account()
    flight, end = flight_of(message(1, owner)), ended(5, owner, 1)
    flight.end_recipient(end, S.SENT)
    halves = closed(flight, [end]).halves()
    assert halves is not None
    assert [len(half.group.recipient_changes) for half in halves] == [1, 0]
    assert [len(half.group.bulk_counts) for half in halves] == [1, 0]


def test_a_numbered_message_without_a_bulk_is_a_defect() -> None:
    with pytest.raises(ValueError, match="names none"):
        Flight().end_recipient(message(1, account()), S.SENT)

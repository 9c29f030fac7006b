import pytest

from postern.simulator.behaviour import Fate
from postern.simulator.mailbox import Mailbox, PendingReceipt
from protocols.smpp import receipt_text
from protocols.smpp.codec import ShortMessage, decode_sm, decode_tlvs, frame
from protocols.smpp.constants import Tag

SUBMITTED_MS = 1_790_000_000_000


class FakeReceiver:
    def __init__(self, room: int) -> None:
        self.delivery_room = room
        self.delivered: list[PendingReceipt] = []

    def deliver(self, receipt: PendingReceipt) -> None:
        self.delivery_room -= 1
        self.delivered.append(receipt)


def make_receipt(origin: FakeReceiver | None = None, fate: Fate = Fate.DELIVERED) -> PendingReceipt:
    sm = ShortMessage(
        "", 5, 0, "POSTERN", 1, 1, "37120000000", 0, 0, 0, "", "", 1, 0, 0, 0, b"hello", b""
    )
    return PendingReceipt(
        origin or FakeReceiver(0), sm, "hello", b"4711", fate, SUBMITTED_MS, SUBMITTED_MS + 60_000
    )


@pytest.mark.parametrize(
    ("fate", "stat", "state", "err", "dlvrd"),
    [
        (Fate.DELIVERED, "DELIVRD", 2, "000", "001"),
        (Fate.FAILED, "UNDELIV", 5, "001", "000"),
        (Fate.EXPIRED, "EXPIRED", 3, "005", "000"),
    ],
)
def test_a_receipt_tells_its_fate_in_text_and_tlvs(
    fate: Fate, stat: str, state: int, err: str, dlvrd: str
) -> None:
    ((_, _, sequence_number, body),), _ = frame(make_receipt(fate=fate).encode(9, with_tlvs=True))
    sm = decode_sm(body)
    text = receipt_text.parse(sm.short_message)

    assert sequence_number == 9
    assert sm.esm_class == 0x04
    assert (sm.source_addr_ton, sm.source_addr_npi, sm.source_addr) == (1, 1, "37120000000")
    assert (sm.dest_addr_ton, sm.dest_addr_npi, sm.destination_addr) == (5, 0, "POSTERN")
    assert text == ("4711", "001", dlvrd, "2609211413", "2609211414", stat, err, "hello")
    assert decode_tlvs(sm.tlvs) == [
        (Tag.RECEIPTED_MESSAGE_ID, b"4711\0"), (Tag.MESSAGE_STATE, bytes((state,))),
    ]  # fmt: skip


def test_a_receipt_for_an_old_peer_has_no_tlvs() -> None:
    ((_, _, _, body),), _ = frame(make_receipt().encode(1, with_tlvs=False))

    assert decode_sm(body).tlvs == b""


def test_the_submitting_link_comes_first() -> None:
    mailbox, origin, other = Mailbox(), FakeReceiver(1), FakeReceiver(9)
    mailbox.join(other)
    mailbox.join(origin)
    receipts = [make_receipt(origin), make_receipt(origin)]
    for receipt in receipts:
        mailbox.put(receipt)

    assert origin.delivered == receipts[:1]
    assert other.delivered == receipts[1:]


def test_without_its_link_a_receipt_goes_where_most_room_is() -> None:
    mailbox, narrow, wide = Mailbox(), FakeReceiver(1), FakeReceiver(2)
    mailbox.join(narrow)
    mailbox.join(wide)
    mailbox.put(make_receipt())

    assert (len(narrow.delivered), len(wide.delivered)) == (0, 1)


def test_receipts_wait_in_order_for_a_receiver() -> None:
    mailbox, receiver = Mailbox(), FakeReceiver(2)
    receipts = [make_receipt() for _ in range(3)]
    for receipt in receipts:
        mailbox.put(receipt)
    mailbox.join(receiver)

    assert receiver.delivered == receipts[:2]
    receiver.delivery_room = 1
    mailbox.flush()
    assert receiver.delivered == receipts


def test_what_comes_back_goes_out_first() -> None:
    mailbox, receiver = Mailbox(), FakeReceiver(3)
    first, second, third = (make_receipt() for _ in range(3))
    mailbox.put(third)
    mailbox.put_back([first, second])
    mailbox.join(receiver)

    assert receiver.delivered == [first, second, third]


def test_a_link_that_left_gets_nothing() -> None:
    mailbox, receiver = Mailbox(), FakeReceiver(1)
    mailbox.join(receiver)
    mailbox.leave(receiver)
    mailbox.leave(receiver)
    mailbox.put(make_receipt(receiver))

    assert receiver.delivered == []


def test_a_mailbox_is_idle_when_nobody_is_bound_and_nothing_is_owed() -> None:
    mailbox = Mailbox()

    assert mailbox.is_idle
    mailbox.owed = 1
    assert not mailbox.is_idle
    mailbox.owed, mailbox.links = 0, 1
    assert not mailbox.is_idle

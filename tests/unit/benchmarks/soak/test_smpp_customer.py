from random import Random

import pytest

from benchmarks.soak.book import Arrivals, Book
from benchmarks.soak.numbers import Area, recipient
from benchmarks.soak.smpp_customer import CustomerLink, SmppCustomer
from benchmarks.soak.traffic import SHORT, WRONG_NUMBER, Customer, Mixer
from protocols.smpp import receipt_text
from protocols.smpp.codec import encode_deliver_sm, encode_header, encode_submit_sm_resp, frame
from protocols.smpp.constants import CommandId
from tests.support.written import WrittenTransport

RATE = 1_000_000.0  # whatever the window takes is due


def customer(mix=((SHORT, 1),), binds=("trx",), window=3):
    described = Customer(system_id="steady", binds=binds, share=1.0, mix=mix, window=window)
    return SmppCustomer(described, 2775, RATE, Book(), Mixer(mix, Random(1)))


def bound(owner, kind="trx"):
    link, transport = CustomerLink(owner, kind), WrittenTransport()
    link.connection_made(transport)
    [(command_id, _, sequence_number, _)], _ = frame(transport.taken())
    link.data_received(encode_header(command_id | 0x8000_0000, 0, sequence_number))
    return link, transport


def sent(transport):
    return [pdu for pdu in frame(transport.taken())[0] if pdu[0] == CommandId.SUBMIT_SM]


def receipt(number, message_id, stat=b"DELIVRD"):
    text = b"id:%016x sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:%b err:000 text:"
    to = recipient(number, Area.SMSC).encode()
    return encode_deliver_sm(9, 1, 1, to, 0, 0, b"POSTERN", 4, 0, text % (message_id, stat))


async def test_it_sends_as_far_as_its_window_goes():
    owner = customer()
    link, transport = bound(owner)
    assert owner.links == [link]
    owner.send_due()
    first = sent(transport)
    assert len(first) == 3
    link.data_received(encode_submit_sm_resp(first[0][2], 0, b"0000000000000007"))
    owner.send_due()
    assert len(sent(transport)) == 1
    assert owner.book.accepted == 1
    assert owner.book.response.count == 1


async def test_a_receiver_sends_nothing():
    owner = customer(binds=("tx", "rx"))
    _, receiving = bound(owner, "rx")
    _, sending = bound(owner, "tx")
    owner.send_due()
    assert (len(sent(receiving)), len(sent(sending))) == (0, 3)


async def test_a_receipt_is_noted_with_its_id_and_answered():
    owner = customer(window=1)
    link, transport = bound(owner)
    owner.send_due()
    [submit] = sent(transport)
    link.data_received(encode_submit_sm_resp(submit[2], 0, b"%016x" % 7))
    link.data_received(receipt(0, 7))
    assert frame(transport.taken())[0][0][:3] == (CommandId.DELIVER_SM_RESP, 0, 9)
    arrivals = Arrivals(1)
    arrivals.add(recipient(0, Area.SMSC), 1)
    findings = owner.book.findings(arrivals)
    assert findings.is_clean
    assert findings.fates == {"DELIVRD": 1}


async def test_what_must_be_refused_is_expected_to_be():
    owner = customer(mix=((WRONG_NUMBER, 1),), window=2)
    link, transport = bound(owner)
    owner.send_due()
    refused, taken = (pdu[2] for pdu in sent(transport))
    link.data_received(encode_submit_sm_resp(refused, 0x0B, b""))
    link.data_received(encode_submit_sm_resp(taken, 0, b"0000000000000001"))
    assert (owner.book.expected_refusals, owner.book.refusals_missed) == (2, 1)
    assert owner.book.next_number == 0


async def test_what_was_on_its_way_when_the_link_broke_stays_unanswered():
    owner = customer()
    link, _ = bound(owner)
    owner.send_due()
    link.connection_lost(None)
    owner.send_due()
    assert owner.links == []
    assert link.lost.is_set()
    assert owner.book.findings(Arrivals(3)).unanswered == 3


async def test_a_bind_that_is_refused_is_an_error_for_who_waits():
    link, transport = CustomerLink(customer(), "trx"), WrittenTransport()
    link.connection_made(transport)
    link.data_received(encode_header(CommandId.BIND_TRANSCEIVER_RESP, 0x0E, 1))
    with pytest.raises(ConnectionError, match="0x0000000e"):
        await link.bound


async def test_requests_of_the_gateway_are_answered():
    link, transport = bound(customer())
    link.data_received(encode_header(CommandId.ENQUIRE_LINK, 0, 77))
    assert frame(transport.taken())[0][0][:3] == (CommandId.ENQUIRE_LINK_RESP, 0, 77)


async def test_a_receipt_that_cannot_be_read_is_a_stranger():
    owner = customer()
    link, _ = bound(owner)
    link.data_received(encode_deliver_sm(9, 1, 1, b"1", 0, 0, b"P", 4, 0, b"hello"))
    assert receipt_text.parse(b"hello") is None
    assert owner.book.strangers == 1

from benchmarks.esme import submit_format
from benchmarks.sink import RECEIPT_WINDOW, Sink, SinkLink
from protocols.smpp import receipt_text
from protocols.smpp.codec import (
    decode_message_id,
    decode_sm,
    decode_tlvs,
    encode_bind,
    encode_deliver_sm_resp,
    frame,
)
from protocols.smpp.constants import CommandId, CommandStatus, Tag
from tests.support.written import WrittenTransport


def connected(with_receipts):
    sink = Sink(with_receipts)
    link, transport = SinkLink(sink), WrittenTransport()
    link.connection_made(transport)
    return sink, link, transport


def submits(first, last, with_receipt=True):
    form = submit_format(with_receipt)
    return b"".join(form % (n.to_bytes(4, "big"), n) for n in range(first, last))


def received(transport, command_id):
    return [pdu for pdu in frame(transport.taken())[0] if pdu[0] == command_id]


def test_every_submit_is_answered_with_an_id_of_its_own():
    sink, link, transport = connected(with_receipts=False)
    stream = submits(1, 4)
    link.data_received(stream[:50])
    link.data_received(stream[50:])
    answers = received(transport, CommandId.SUBMIT_SM_RESP)
    assert [pdu[2] for pdu in answers] == [1, 2, 3]
    assert len({decode_message_id(pdu[3]) for pdu in answers}) == 3
    assert (sink.submits, sink.counts()["doubled"], sink.receipts) == (3, 0, 0)


def test_a_destination_seen_twice_is_doubled():
    sink, link, _ = connected(with_receipts=False)
    link.data_received(submits(1, 4) + submits(2, 4))
    assert sink.counts()["doubled"] == 2


def test_a_receipt_carries_the_id_in_text_and_tlv():
    _, link, transport = connected(with_receipts=True)
    link.data_received(submits(1, 2))
    answer, delivery = frame(transport.taken())[0]
    sm, message_id = decode_sm(delivery[3]), decode_message_id(answer[3])
    text = receipt_text.parse(sm.short_message)
    assert (sm.source_addr, sm.destination_addr, sm.esm_class) == ("46700000001", "10000", 4)
    assert (text.id, text.stat, text.dlvrd) == (message_id, "DELIVRD", "001")
    assert decode_tlvs(sm.tlvs) == [
        (Tag.RECEIPTED_MESSAGE_ID, message_id.encode() + b"\0"),
        (Tag.MESSAGE_STATE, b"\2"),
    ]


def test_who_does_not_ask_gets_no_receipt():
    sink, link, transport = connected(with_receipts=True)
    link.data_received(submits(1, 3, with_receipt=False))
    assert received(transport, CommandId.DELIVER_SM) == []
    assert sink.receipts == 0


def test_receipts_wait_for_their_window():
    sink, link, transport = connected(with_receipts=True)
    link.data_received(submits(1, RECEIPT_WINDOW + 6))
    assert len(received(transport, CommandId.DELIVER_SM)) == RECEIPT_WINDOW
    link.data_received(
        encode_deliver_sm_resp(1, 0) + encode_deliver_sm_resp(2, CommandStatus.RSYSERR)
    )
    assert len(received(transport, CommandId.DELIVER_SM)) == 2
    assert (sink.receipts, sink.receipts_answered, sink.receipts_refused) == (102, 2, 1)


def test_a_bind_is_granted():
    sink, link, transport = connected(with_receipts=False)
    link.data_received(encode_bind(CommandId.BIND_TRANSCEIVER, 5, "gw", "gw", ""))
    [(_, status, sequence_number, _)] = received(transport, CommandId.BIND_TRANSCEIVER_RESP)
    assert (status, sequence_number, sink.binds) == (0, 5, 1)

import pytest

from benchmarks.esme import EsmeLink, EsmeLoad, EsmeOptions, submit_format
from protocols.smpp.codec import (
    decode_sm,
    encode_deliver_sm,
    encode_header,
    encode_submit_sm_resp,
    frame,
)
from protocols.smpp.constants import CommandId, CommandStatus
from tests.support.written import WrittenTransport


def options(**changes):
    fields = {
        "port": 1, "system_id": "bench", "password": "bench", "connections": 1, "window": 3,
        "count": 5, "rate_per_s": 0, "offset": 700, "with_receipts": False, "timeout_s": 1.0,
    }  # fmt: skip
    return EsmeOptions(**{**fields, **changes})


def bound_link(load):
    link, transport = EsmeLink(load), WrittenTransport()
    link.connection_made(transport)
    sequence_number = frame(transport.taken())[0][0][2]
    link.data_received(encode_header(CommandId.BIND_TRANSCEIVER_RESP, 0, sequence_number))
    load.links.append(link)
    return link, transport


def sequence_numbers(octets, command_id=CommandId.SUBMIT_SM):
    return [pdu[2] for pdu in frame(octets)[0] if pdu[0] == command_id]


def receipt(sequence_number, digits, stat=b"DELIVRD"):
    text = b"id:1 sub:001 dlvrd:001 submit date:1 done date:1 stat:" + stat + b" err:000 text:"
    return encode_deliver_sm(sequence_number, 1, 1, b"467" + digits, 0, 0, b"10000", 4, 0, text)


@pytest.mark.parametrize("with_receipt", [False, True])
def test_a_submit_is_a_submit_sm_that_the_codec_reads(with_receipt):
    pdu = submit_format(with_receipt) % (b"\0\0\1\2", 42)
    [(command_id, status, sequence_number, body)], rest = frame(pdu)
    sm = decode_sm(body)
    assert (command_id, status, sequence_number, rest) == (CommandId.SUBMIT_SM, 0, 0x102, b"")
    assert (sm.source_addr, sm.destination_addr) == ("10000", "46700000042")
    assert sm.registered_delivery == with_receipt


async def test_the_window_is_filled_and_refilled_up_to_the_count():
    link, transport = bound_link(EsmeLoad(options()))
    assert sequence_numbers(transport.taken()) == [1, 2, 3]
    link.data_received(encode_submit_sm_resp(2, 0, b"a") + encode_submit_sm_resp(1, 0, b"b"))
    assert sequence_numbers(transport.taken()) == [4, 5]
    link.data_received(encode_submit_sm_resp(3, 0, b"c"))
    assert transport.writes == []


async def test_the_run_ends_with_the_last_answer():
    load = EsmeLoad(options(count=2))
    link, _ = bound_link(load)
    link.data_received(encode_submit_sm_resp(1, 0, b"a"))
    assert not load._done.is_set()
    link.data_received(encode_submit_sm_resp(2, CommandStatus.RTHROTTLED, b""))
    assert load._done.is_set()
    assert dict(load.statuses) == {0: 1, CommandStatus.RTHROTTLED: 1}


async def test_the_run_waits_for_the_receipts_of_what_was_accepted():
    load = EsmeLoad(options(count=2, with_receipts=True))
    link, transport = bound_link(load)
    transport.taken()
    link.data_received(
        encode_submit_sm_resp(1, 0, b"a") + encode_submit_sm_resp(2, CommandStatus.RSYSERR, b"")
    )
    assert not load._done.is_set()
    link.data_received(receipt(9, b"00000700"))
    assert sequence_numbers(transport.taken(), CommandId.DELIVER_SM_RESP) == [9]
    assert (load.delivered, load.strays, load._done.is_set()) == (1, 0, True)


@pytest.mark.parametrize(
    "stray",
    [
        receipt(1, b"00000700"),
        receipt(1, b"00000702"),
        receipt(1, b"00000699"),
        receipt(1, b"00000701", b"UNDELIV"),
        encode_submit_sm_resp(1, 0, b"a"),
    ],
    ids=[
        "second receipt",
        "beyond the count",
        "below the offset",
        "not delivered",
        "second answer",
    ],
)
async def test_what_nobody_should_have_got_is_a_stray(stray):
    load = EsmeLoad(options(count=2, with_receipts=True))
    link, _ = bound_link(load)
    link.data_received(encode_submit_sm_resp(1, 0, b"a") + receipt(1, b"00000700"))
    link.data_received(stray)
    assert (load.answered, load.delivered, load.strays) == (1, 1, 1)


async def test_a_paced_link_sends_its_backlog_as_far_as_the_window_goes():
    load = EsmeLoad(options(rate_per_s=1000))
    link, transport = bound_link(load)
    assert transport.taken() == b""
    link.backlog.extend([0, 1, 2, 3])
    link.fill()
    assert sequence_numbers(transport.taken()) == [1, 2, 3]
    link.data_received(encode_submit_sm_resp(1, 0, b"a"))
    assert sequence_numbers(transport.taken()) == [4]


async def test_requests_of_the_other_side_are_answered():
    link, transport = bound_link(EsmeLoad(options()))
    transport.taken()
    link.data_received(encode_header(CommandId.ENQUIRE_LINK, 0, 77))
    assert transport.taken() == encode_header(CommandId.ENQUIRE_LINK_RESP, 0, 77)

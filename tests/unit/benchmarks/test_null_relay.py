import asyncio

import pytest

from benchmarks.esme import submit_format
from benchmarks.null_relay import Customer, Upstream
from protocols.smpp.codec import encode_header, encode_submit_sm_resp, frame
from protocols.smpp.constants import CommandId, CommandStatus
from tests.support.written import WrittenTransport


@pytest.fixture
async def relay():
    upstream, south = Upstream(), WrittenTransport()
    upstream.connection_made(south)
    customer, north = Customer(upstream), WrittenTransport()
    customer.connection_made(north)
    await asyncio.sleep(0)
    south.taken()
    return upstream, south, customer, north


async def test_a_submit_goes_on_with_the_same_body_and_a_sequence_number_of_its_own(relay):
    _, south, customer, _ = relay
    pdu = submit_format(True) % (b"\0\0\0\x63", 5)
    customer.data_received(pdu[:30])
    customer.data_received(pdu[30:])
    await asyncio.sleep(0)
    [(command_id, _, sequence_number, body)], _ = frame(south.taken())
    assert (command_id, body) == (CommandId.SUBMIT_SM, pdu[16:])
    assert sequence_number != 0x63


async def test_the_answer_goes_back_under_the_askers_sequence_number(relay):
    upstream, south, customer, north = relay
    form = submit_format(False)
    customer.data_received(form % (b"\0\0\0\x07", 1) + form % (b"\0\0\0\x08", 2))
    await asyncio.sleep(0)
    first, second = (pdu[2] for pdu in frame(south.taken())[0])
    upstream.data_received(
        encode_submit_sm_resp(second, CommandStatus.RTHROTTLED, b"")
        + encode_submit_sm_resp(first, 0, b"id-1")
    )
    await asyncio.sleep(0)
    assert frame(north.taken())[0] == [
        (CommandId.SUBMIT_SM_RESP, CommandStatus.RTHROTTLED, 8, b""),
        (CommandId.SUBMIT_SM_RESP, 0, 7, b"id-1\0"),
    ]
    assert not upstream.pending


async def test_all_of_a_loop_turn_leaves_in_one_write(relay):
    _, south, customer, _ = relay
    form = submit_format(False)
    customer.data_received(form % (b"\0\0\0\1", 1))
    customer.data_received(form % (b"\0\0\0\2", 2))
    await asyncio.sleep(0)
    assert len(south.writes) == 1


async def test_the_session_of_the_load_is_granted(relay):
    _, _, customer, north = relay
    customer.data_received(encode_header(CommandId.UNBIND, 0, 3))
    await asyncio.sleep(0)
    assert north.taken() == encode_header(CommandId.UNBIND_RESP, 0, 3)

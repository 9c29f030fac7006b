import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any, Protocol

import pytest

from gateway.runtime.clock import LoopClock
from postern.commands.failure import CommandError
from postern.commands.send_smpp import SmppSending
from postern.commands.sending import Draft, Sending
from postern.simulator.behaviour import Behaviour
from postern.simulator.inbox import Inbox
from postern.simulator.smsc import SimulatedSmsc
from protocols.smpp.codec import (
    encode_bind_resp,
    encode_deliver_sm,
    encode_header,
    encode_submit_sm_resp,
    frame,
)
from protocols.smpp.constants import RESP, CommandId, CommandStatus

QUICK = Behaviour(receipt_delay_s=(0.0, 0.0))
Carrier = tuple[SimulatedSmsc, Inbox]


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    running = []

    async def start(behaviour: Behaviour = QUICK, **credentials: str) -> Carrier:
        inbox = Inbox()
        clock = LoopClock(asyncio.get_running_loop())
        smsc = SimulatedSmsc("c", inbox=inbox, clock=clock, behaviour=behaviour, **credentials)
        await smsc.start("127.0.0.1", 0)
        running.append(smsc)
        return smsc, inbox

    yield start
    for smsc in running:
        await smsc.stop()


class Listening(Protocol):
    """An SMSC on loopback."""

    @property
    def port(self) -> int: ...


async def send(
    smsc: Listening,
    *,
    to: str = "+37120000000",
    text: str = "hello",
    sender: str = "ACME",
    wait_s: float = 10.0,
) -> tuple[Sending, list[str]]:
    said: list[str] = []
    draft = Draft(sender=sender, to=to, text=text, wait_s=wait_s)
    sending = SmppSending(draft, said.append, monotonic)
    result = await asyncio.to_thread(sending.run, "127.0.0.1", smsc.port, "acme", "secret")
    return result, said


async def test_delivered(start: Callable[..., Any]) -> None:
    smsc, inbox = await start()
    sending, said = await send(smsc)
    assert (sending.receipt, sending.is_delivered) == ("DELIVRD", True)
    assert said == [f"accepted as {sending.message_id}", "receipt DELIVRD, error 000"]
    entry = inbox.after(0)[0]
    assert (entry["from"], entry["to"], entry["text"]) == ("ACME", "+37120000000", "hello")


async def test_failed(start: Callable[..., Any]) -> None:
    smsc, _ = await start()
    sending, said = await send(smsc, to="+37120000001")
    assert (sending.receipt, sending.is_delivered) == ("UNDELIV", False)
    assert said[-1] == "receipt UNDELIV, error 001"


async def test_no_receipt_in_time(start: Callable[..., Any]) -> None:
    smsc, _ = await start()
    sending, said = await send(smsc, to="+37120000002", wait_s=0.05)
    assert (sending.receipt, sending.is_delivered, len(said)) == (None, False, 1)


async def test_no_waiting(start: Callable[..., Any]) -> None:
    smsc, _ = await start()
    sending, _ = await send(smsc, wait_s=0)
    assert sending.message_id
    assert sending.receipt is None


@pytest.mark.parametrize(
    "text", ["zażółć 🎉", "price: 5 €", "x" * 254, "x" * 255, "y" * 700, "ż" * 300, "[brackets]"]
)
async def test_text_arrives_as_it_was(start: Callable[..., Any], text: str) -> None:
    smsc, inbox = await start()
    await send(smsc, text=text)
    assert [entry["text"] for entry in inbox.after(0)] == [text]


async def test_numeric_sender_and_plain_recipient(start: Callable[..., Any]) -> None:
    smsc, inbox = await start()
    await send(smsc, sender="10000", to="37120000000")
    assert [(e["from"], e["to"]) for e in inbox.after(0)] == [("10000", "+37120000000")]


async def test_refused_bind(start: Callable[..., Any]) -> None:
    smsc, _ = await start(system_id="acme", password="other")
    with pytest.raises(CommandError, match="refused with ESME_RINVPASWD") as failure:
        await send(smsc)
    assert failure.value.exit_code == 1


@pytest.mark.parametrize(
    ("status", "text"),
    [(0x58, r"ESME_RTHROTTLED \(0x00000058\)"), (0x401, r"refused with \(0x00000401\)")],
)
async def test_refused_message(start: Callable[..., Any], status: int, text: str) -> None:
    smsc, _ = await start(Behaviour(reject_status=status))
    with pytest.raises(CommandError, match=text):
        await send(smsc)


async def test_connection_that_is_cut(start: Callable[..., Any]) -> None:
    smsc, _ = await start(Behaviour(drop_after=1))
    with pytest.raises(CommandError, match="ended without an answer") as failure:
        await send(smsc)
    assert failure.value.exit_code == 2


async def test_nobody_listens(start: Callable[..., Any]) -> None:
    smsc, _ = await start()
    await smsc.stop()
    with pytest.raises(CommandError, match="Connection refused"):
        await send(smsc)


class ScriptedSmsc:
    """After submit_sm it sends receipts for other messages around the response, then ours."""

    def __init__(self) -> None:
        self.port = 0
        self.binds: list[int] = []
        self.receipt_answers: dict[int, int] = {}  # sequence_number -> command_status

    def answers(self, command_id: int, sequence_number: int) -> bytes:
        """What goes out after one request."""
        if command_id in (CommandId.BIND_TRANSCEIVER, CommandId.BIND_TRANSMITTER):
            self.binds.append(command_id)
            return encode_bind_resp(command_id | RESP, sequence_number, 0, "smsc", 0x34)
        if command_id == CommandId.SUBMIT_SM:
            if self.binds[-1] == CommandId.BIND_TRANSMITTER:
                return encode_submit_sm_resp(sequence_number, 0, b"ours")
            ours = b"id:ours stat:DELIVRD err:000"
            return b"".join(
                (
                    _deliver_sm(1, ours),
                    encode_submit_sm_resp(sequence_number, 0, b"ours"),
                    _deliver_sm(2, b"id:theirs stat:DELIVRD err:000"),
                    _deliver_sm(3, b"a message from a phone"),
                    _deliver_sm(4, b"id:ours stat:ENROUTE err:000"),
                    _deliver_sm(5, ours),
                )
            )
        return encode_header(command_id | RESP, 0, sequence_number)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rest = b""
        while octets := await reader.read(4096):
            pdus, rest = frame(rest + octets)
            for command_id, status, sequence_number, _ in pdus:
                if command_id & RESP:
                    self.receipt_answers[sequence_number] = status
                else:
                    writer.write(self.answers(command_id, sequence_number))
        writer.close()
        await writer.wait_closed()


def _deliver_sm(sequence_number: int, text: bytes) -> bytes:
    return encode_deliver_sm(sequence_number, 1, 1, b"37120000000", 5, 0, b"ACME", 4, 0, text)


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedSmsc]:
    smsc = ScriptedSmsc()
    server = await asyncio.start_server(smsc.talk, "127.0.0.1", 0)
    smsc.port = server.sockets[0].getsockname()[1]
    async with server:
        yield smsc


async def test_only_our_own_receipt_is_taken(scripted: ScriptedSmsc) -> None:
    """The others must come to the customer's own client, so they are handed back."""
    sending, said = await send(scripted)
    assert (sending.message_id, sending.receipt) == ("ours", "DELIVRD")
    assert said[1:] == ["receipt ENROUTE, error 000", "receipt DELIVRD, error 000"]
    handed_back, taken = CommandStatus.RX_T_APPN, CommandStatus.ROK
    assert scripted.receipt_answers == {
        1: handed_back, 2: handed_back, 3: handed_back, 4: taken, 5: taken,
    }  # fmt: skip


async def test_no_receipts_are_asked_for_when_not_waiting(scripted: ScriptedSmsc) -> None:
    await send(scripted)
    await send(scripted, wait_s=0)
    assert scripted.binds == [CommandId.BIND_TRANSCEIVER, CommandId.BIND_TRANSMITTER]

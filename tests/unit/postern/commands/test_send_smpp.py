import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any

import pytest

from gateway.runtime.clock import LoopClock
from postern.commands.failure import CommandError
from postern.commands.send_smpp import SmppSending
from postern.commands.sending import Draft, Sending
from postern.simulator.behaviour import Behaviour
from postern.simulator.inbox import Inbox
from postern.simulator.smsc import SimulatedSmsc

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


async def send(
    smsc: SimulatedSmsc,
    *,
    to: str = "+37120000000",
    text: str = "hello",
    sender: str = "ACME",
    wait_s: float = 10.0,
    password: str = "secret",
) -> tuple[Sending, list[str]]:
    said: list[str] = []
    draft = Draft(sender=sender, to=to, text=text, wait_s=wait_s)
    sending = SmppSending(draft, said.append, monotonic)
    result = await asyncio.to_thread(sending.run, "127.0.0.1", smsc.port, "acme", password)
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


async def test_receipts_of_others_are_handed_back(start: Callable[..., Any]) -> None:
    """A message of the same system_id whose receipt is still owed: it must not be swallowed."""
    smsc, _ = await start(Behaviour(receipt_delay_s=(0.05, 0.05)))
    (first, _), (second, _) = await asyncio.gather(send(smsc), send(smsc))
    assert first.message_id != second.message_id
    assert first.is_delivered
    assert second.is_delivered

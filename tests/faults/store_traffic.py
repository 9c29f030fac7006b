"""Steady SMPP and REST load in a thread of its own, which notes what every single request met."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import aiohttp

from protocols.smpp.codec import (
    decode_message_id,
    decode_sm,
    encode_bind,
    encode_deliver_sm_resp,
    encode_header,
    encode_submit_sm,
    frame,
)
from protocols.smpp.constants import RESP, CommandId, CommandStatus

SMPP_TO = "37129000017"
REST_TO = "37129000027"
PACE_S = 0.01
PER_PACE = 2  # submit_sm: 200 per second
REST_CLIENTS = 4
REST_PAUSE_S = 0.04
ENQUIRE_S = 0.25
GIVE_UP_S = 60.0  # for one answer; longer than any fault of these tests


class Answered(NamedTuple):
    """One submission: its text, when it was sent, how long the answer took, and what it said.

    `status` is a command_status or an HTTP status; `message_id` is empty when it was refused.
    """

    text: str
    sent_at: float
    seconds: float
    status: int
    message_id: str

    @property
    def is_accepted(self) -> bool:
        return bool(self.message_id)


class Traffic:
    """Two customers of the account `acme`, an ESME and a REST client.  Use `running`."""

    def __init__(self, smpp_port: int, http_port: int, window: int) -> None:
        self._smpp_port = smpp_port
        self._window = window  # unanswered submit_sm
        self._send_url = f"http://127.0.0.1:{http_port}/api/v1/sms/send"
        self._submitting = True
        self._ending = False
        self._sequence = 0
        self._submits: dict[int, tuple[str, float]] = {}
        self._posts = 0  # that wait for their answer
        self._enquiries: dict[int, float] = {}
        self._writer: asyncio.StreamWriter
        self.smpp: list[Answered] = []
        self.rest: list[Answered] = []
        self.enquiries: list[tuple[float, float]] = []  # sent at, seconds to the answer
        self.receipts: Counter[str] = Counter()  # of final receipts, by message id
        self.errors: list[str] = []  # connections lost and the like: there must be none

    # -- for the test ----------------------------------------------------------------------------

    @property
    def answers(self) -> list[Answered]:
        """Of both customers."""
        return self.smpp + self.rest

    def stop_submitting(self) -> None:
        """Nothing new; receipts are still taken."""
        self._submitting = False

    def unanswered(self) -> int:
        """Submissions that wait for their answer."""
        return len(self._submits) + self._posts

    def accepted(self) -> list[Answered]:
        """Those with a message id."""
        return [one for one in self.answers if one.is_accepted]

    def since(self, moment: float) -> list[Answered]:
        """What was submitted after `moment` and has been answered."""
        return [one for one in self.answers if one.sent_at >= moment]

    # -- the thread ------------------------------------------------------------------------------

    def run(self) -> None:
        """Until `end`."""
        asyncio.run(self._run())

    def end(self) -> None:
        """Lets `run` return."""
        self._submitting = False
        self._ending = True

    async def _run(self) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._smpp_port)
        self._writer.write(
            encode_bind(CommandId.BIND_TRANSCEIVER, self._next(), "acme", "secret", "")
        )
        timeout = aiohttp.ClientTimeout(total=GIVE_UP_S)
        headers = {"Authorization": "Bearer token-acme"}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            rest = [self._noted(self._post(session, n)) for n in range(REST_CLIENTS)]
            reading = asyncio.ensure_future(self._noted(self._read(reader)))
            await asyncio.gather(*rest, self._noted(self._submit()), self._noted(self._enquire()))
            reading.cancel()
            await asyncio.wait([reading])
        self._writer.close()

    async def _noted(self, running: Awaitable[None]) -> None:
        try:
            await running
        except Exception as error:
            self.errors.append(repr(error))

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    # -- SMPP ------------------------------------------------------------------------------------

    async def _submit(self) -> None:
        number = 0
        while not self._ending:
            await asyncio.sleep(PACE_S)
            for _ in range(PER_PACE):
                if self._submitting and len(self._submits) < self._window:
                    number += 1
                    self._write_submit(f"smpp {number}")

    def _write_submit(self, text: str) -> None:
        sequence_number = self._next()
        self._submits[sequence_number] = (text, time.monotonic())
        self._writer.write(
            encode_submit_sm(
                sequence_number, 5, 0, b"ACME", 1, 1, SMPP_TO.encode(), 0, 0, b"", b"", 1, 0,
                text.encode(), b"",
            )
        )  # fmt: skip

    async def _enquire(self) -> None:
        while not self._ending:
            await asyncio.sleep(ENQUIRE_S)
            sequence_number = self._next()
            self._enquiries[sequence_number] = time.monotonic()
            self._writer.write(encode_header(CommandId.ENQUIRE_LINK, 0, sequence_number))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        while octets := await reader.read(65_536):
            pdus, rest = frame(rest + octets)
            for pdu in pdus:
                self._received(*pdu)
        raise ConnectionError("the gateway closed the connection")

    def _received(self, command_id: int, status: int, sequence_number: int, body: bytes) -> None:
        now = time.monotonic()
        if command_id == CommandId.SUBMIT_SM_RESP:
            text, sent_at = self._submits.pop(sequence_number)
            message_id = "" if status else decode_message_id(body)
            self.smpp.append(Answered(text, sent_at, now - sent_at, status, message_id))
        elif command_id == CommandId.ENQUIRE_LINK | RESP:
            sent_at = self._enquiries.pop(sequence_number)
            self.enquiries.append((sent_at, now - sent_at))
        elif command_id == CommandId.ENQUIRE_LINK:
            self._writer.write(encode_header(CommandId.ENQUIRE_LINK_RESP, 0, sequence_number))
        elif command_id == CommandId.DELIVER_SM:
            text = decode_sm(body).short_message.decode()
            self.receipts[text.removeprefix("id:").partition(" ")[0]] += 1
            self._writer.write(encode_deliver_sm_resp(sequence_number, 0))
        elif status != CommandStatus.ROK:
            raise ConnectionError(f"command 0x{command_id:08x} with status 0x{status:x}")

    # -- REST ------------------------------------------------------------------------------------

    async def _post(self, session: aiohttp.ClientSession, client: int) -> None:
        number = 0
        while not self._ending:
            await asyncio.sleep(REST_PAUSE_S)
            if not self._submitting:
                continue
            number += 1
            text = f"rest {client}-{number}"
            sent_at = time.monotonic()
            body = {"recipient": f"+{REST_TO}", "sender_id": "ACME", "message": text}
            self._posts += 1
            async with session.post(self._send_url, json=body) as response:
                answer = await response.json()
                seconds = time.monotonic() - sent_at
                id = answer["data"]["message_id"] if response.status == 201 else ""
                self.rest.append(Answered(text, sent_at, seconds, response.status, id))
            self._posts -= 1


@contextmanager
def running(smpp_port: int, http_port: int, window: int) -> Iterator[Traffic]:
    """Traffic that flows until the block ends."""
    traffic = Traffic(smpp_port, http_port, window)
    thread = threading.Thread(target=traffic.run, name="traffic")
    thread.start()
    try:
        yield traffic
    finally:
        traffic.end()
        thread.join(GIVE_UP_S)

"""Both ends of SMPP for tests of the live rings: the heart as the server and the provider see it, a
scripted SMSC, and a transport that is no socket.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from gateway.domain.account import Account, Credential
from gateway.domain.errors import Refusal
from gateway.domain.keys import KeyMaker, PublicIds
from gateway.domain.lifecycle import MessageState, MoneyState
from gateway.domain.message import Batch, Message, Submission
from gateway.domain.outcome import Outcome
from gateway.domain.sms_text import Alphabet, measure
from protocols.smpp.codec import (
    ShortMessage,
    decode_bind,
    decode_sm,
    encode_bind_resp,
    encode_deliver_sm,
    encode_header,
    encode_submit_sm_resp,
)
from protocols.smpp.constants import RESP, CommandId
from protocols.smpp.server import ServerOptions, SmppServer
from protocols.smpp.session import BIND_STATES
from tests.support.clock import FakeClock, settle
from tests.support.doors import FakeDirectory
from tests.support.esme import LIMIT_S, PASSWORD, Esme
from tests.support.upstream import RecordingSink

PUBLIC_IDS = PublicIds(b"secret of the public ids of tests")


async def eventually(condition: Callable[[], object]) -> None:
    """Gives the loop its turns until `condition` is true.

    Raises:
        TimeoutError: it never was.
    """
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - sockets and protocols set no event
            await asyncio.sleep(0)


class SocketClock(FakeClock):
    """Time moves by hand, but the loop's turns are real: for protocols on real sockets."""

    def call_soon(self, callback: Callable[..., object], *args: object) -> Any:
        return asyncio.get_running_loop().call_soon(callback, *args)


class Tasks:
    """`Supervisor.spawn` for tests: a task that dies fails the test that calls `check`."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[Any]] = []

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.append(task)
        return task

    async def check(self) -> None:
        """Cancels what still runs.

        Raises:
            Exception: the error of a task that died of it.
        """
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


# --- the heart as the server sees it --------------------------------------------------------------


class HeldSubmitter:
    """`ports.Submitter`: takes everything; the answers wait until the test gives them."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._keys = KeyMaker()
        self.refusal: Refusal | None = None
        self.error: Exception | None = None
        self.submissions: list[tuple[Submission, str]] = []
        self.waiting: list[tuple[Submission, Message]] = []
        self.answers_at_once = False

    def submit(self, submission: Submission, recipient: str) -> Message | Refusal:
        self.submissions.append((submission, recipient))
        if self.error is not None:
            raise self.error
        if self.refusal is not None:
            return self.refusal
        message = self._message(submission, recipient.removeprefix("+"))
        self.waiting.append((submission, message))
        if self.answers_at_once:
            self._clock.call_soon(self.answer)
        return message

    def submit_batch(self, submission: Submission, recipients: object) -> Batch | Refusal:
        raise AssertionError("SMPP has no batches")

    def answer(self, result: Refusal | None = None) -> Message:
        """The commit group of the oldest message is on disk, or was refused with `result`."""
        submission, message = self.waiting.pop(0)
        submission.answer(submission.token, result or message)
        return message

    def _message(self, submission: Submission, digits: str) -> Message:
        text = submission.text
        alphabet, parts = (Alphabet.OPAQUE, 1) if text is None else measure(text)
        return Message(
            self._keys.next(self._clock.now_ms()), submission.credential.account,
            submission.credential, submission.door, submission.sender, digits, text,
            submission.opaque, alphabet, parts, 0, MoneyState.NONE, submission.notify_when,
            submission.priority, submission.due_at_ms, submission.expires_at_ms,
            submission.door_note,
        )  # fmt: skip


class RecordingNotifications:
    """`ports.NotificationSink`."""

    def __init__(self) -> None:
        self.done: list[Message] = []
        self.again: list[tuple[Message, float]] = []
        self.room_changes = 0

    def notified(self, message: Message) -> None:
        self.done.append(message)

    def postponed(self, message: Message, delay_s: float) -> None:
        self.again.append((message, delay_s))

    def room_changed(self, credential: Credential) -> None:
        self.room_changes += 1


class North:
    """An SmppServer among fakes, with one customer: system_id "esme"."""

    def __init__(self, clock: FakeClock, options: ServerOptions) -> None:
        self.clock = clock
        self.submitter = HeldSubmitter(clock)
        self.notifications = RecordingNotifications()
        self.directory = FakeDirectory()
        self.tasks = Tasks()
        self.server = SmppServer(
            options,
            submitter=self.submitter,
            directory=self.directory,
            notifications=self.notifications,
            public_ids=PUBLIC_IDS,
            clock=clock,
            spawn=self.tasks.spawn,
        )
        self.credential = self.add("esme")

    @property
    def port(self) -> int:
        return self.server.port

    def add(self, system_id: str) -> Credential:
        """One more customer, with the usual password."""
        number = len(self.directory.system_ids) + 1
        credential = Credential(number, Account(number, f"account-{number}"), system_id)
        self.directory.system_ids[system_id] = credential
        self.directory.passwords[system_id] = PASSWORD
        return credential

    async def fate(
        self, esme: Esme, to: str = "37120000001", state: MessageState = MessageState.DELIVERED
    ) -> Message:
        """Submits, answers, and ends one message; its receipt is not sent yet."""
        sequence_number = esme.write_submit(to)
        await eventually(lambda: self.submitter.waiting)
        message = self.submitter.answer()
        response = await esme.expect(CommandId.SUBMIT_SM_RESP)
        assert response.sequence_number == sequence_number
        message.state = state
        message.final_at_ms = self.clock.now_ms()
        return message


@asynccontextmanager
async def serving(
    options: ServerOptions | None = None, clock: FakeClock | None = None
) -> AsyncIterator[North]:
    """A listening server; afterwards no task may have died."""
    north = North(clock or SocketClock(), options or ServerOptions())
    await north.server.start("127.0.0.1", 0)
    try:
        yield north
    finally:
        north.server.stop_listening()
        for link in list(north.server.links):
            link.abort("the test ends")
        await eventually(lambda: not north.server.links)
        await north.tasks.check()


# --- the heart and the carrier as the provider sees them ------------------------------------------


class SmppSink(RecordingSink):
    """`ports.ProviderSink` that also keeps late answers."""

    def __init__(self) -> None:
        super().__init__()
        self.late_outcomes: list[tuple[Message, int, Outcome]] = []

    def late(self, message: Message, part: int, outcome: Outcome) -> None:
        self.late_outcomes.append((message, part, outcome))


class SmscEnd(Esme):
    """The SMSC's end of one connection; every step is the test's."""

    async def accept_bind(self, status: int = 0) -> tuple[int, str, str]:
        """Answers the bind with `status`; its command_id, system_id and password."""
        pdu = await self.read()
        assert pdu is not None
        assert pdu.command_id in BIND_STATES
        bind = decode_bind(pdu.body)
        self.write(
            encode_bind_resp(pdu.command_id | RESP, pdu.sequence_number, status, "smsc", 0x34)
        )
        return pdu.command_id, bind.system_id, bind.password

    async def submit_sm(self) -> tuple[int, ShortMessage]:
        """sequence_number and body of the next submit_sm."""
        pdu = await self.expect(CommandId.SUBMIT_SM)
        return pdu.sequence_number, decode_sm(pdu.body)

    def answer_submit(self, sequence_number: int, status: int = 0, message_id: str = "1") -> None:
        self.write(encode_submit_sm_resp(sequence_number, status, message_id.encode()))

    def deliver(self, text: bytes, *, esm_class: int = 4, tlvs: bytes = b"") -> int:
        """deliver_sm without waiting; its sequence_number."""
        sequence_number = self.next_sequence()
        self.write(
            encode_deliver_sm(
                sequence_number, 1, 1, b"37120000001", 5, 0, b"ACME", esm_class, 0, text, tlvs
            )
        )
        return sequence_number

    async def deliver_status(self, text: bytes, *, esm_class: int = 4, tlvs: bytes = b"") -> int:
        """command_status that a deliver_sm is answered with."""
        sequence_number = self.deliver(text, esm_class=esm_class, tlvs=tlvs)
        pdu = await self.expect(CommandId.DELIVER_SM_RESP)
        assert pdu.sequence_number == sequence_number
        return pdu.command_status

    async def expect_unbind(self) -> None:
        """Answers the unbind that comes."""
        pdu = await self.expect(CommandId.UNBIND)
        self.write(encode_header(CommandId.UNBIND_RESP, 0, pdu.sequence_number))


class ScriptedSmsc:
    """Listens; every connection becomes a SmscEnd for the test to take."""

    def __init__(self) -> None:
        self._ends: asyncio.Queue[SmscEnd] = asyncio.Queue()
        self._all: list[SmscEnd] = []
        self._listener: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._listener is not None
        self._listener.close()
        await settle()  # a connection may just have been accepted
        for end in self._all:
            await end.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = SmscEnd(reader, writer)
        self._all.append(end)
        self._ends.put_nowait(end)

    async def connection(self) -> SmscEnd:
        """The next connection, not bound yet."""
        async with asyncio.timeout(LIMIT_S):
            return await self._ends.get()

    async def bound(self) -> SmscEnd:
        """The next connection, its bind accepted."""
        end = await self.connection()
        await end.accept_bind()
        return end

    @property
    def is_quiet(self) -> bool:
        """Whether nobody connected since."""
        return self._ends.empty()


# --- no socket ------------------------------------------------------------------------------------


class FakeTransport:
    """`asyncio.Transport` as far as a Link uses it.  `buffered` is what the peer has not read."""

    def __init__(self, peername: tuple[str, int] | None = ("192.0.2.1", 4000)) -> None:
        self.peername = peername
        self.written = b""
        self.buffered = 0
        self.is_reading = True
        self.state = "open"

    def get_extra_info(self, name: str) -> object:
        return self.peername if name == "peername" else None

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def write(self, octets: bytes) -> None:
        assert self.state == "open"
        self.written += octets

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def is_closing(self) -> bool:
        return self.state != "open"

    def close(self) -> None:
        self.state = "closing"

    def abort(self) -> None:
        self.state = "aborted"

    def taken(self) -> bytes:
        """What was written since the last call."""
        written, self.written = self.written, b""
        return written

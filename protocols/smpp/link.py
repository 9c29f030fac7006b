"""The asyncio ring around a session: framing, timers, coalesced writes, bounds on both buffers.

One Link per connection, of either role.  Everything is callbacks: a PDU costs no task and no
future, and all PDUs written in one loop turn leave in one `transport.write`.
"""

import asyncio
import logging
from typing import Any

from gateway.ports import Clock, Timer
from protocols.smpp.codec import FrameError, encode_header, frame
from protocols.smpp.constants import RESP, CommandId, CommandStatus
from protocols.smpp.session import Action, Role, Session, State, Timers, Verdict

# Bound once: reaching a member through its class costs eight times a global.
_ACCEPT = Verdict.ACCEPT
_RESPONSE = Verdict.RESPONSE
_IGNORE = Verdict.IGNORE

log = logging.getLogger("postern.smpp")

TICK_S = 1.0
# A peer that does not read: above the first mark we give it nothing more, at the second we hang up.
WRITE_HIGH_OCTETS = 1 << 20
WRITE_LIMIT_OCTETS = 8 << 20
CLOSE_LIMIT_S = 5.0  # for the peer to read what was written before we closed

_GENERIC_NACK = int(CommandId.GENERIC_NACK)
_ENQUIRE_LINK = int(CommandId.ENQUIRE_LINK)
_ENQUIRE_LINK_RESP = int(CommandId.ENQUIRE_LINK_RESP)
_UNBIND_RESP = int(CommandId.UNBIND_RESP)

Pdu = tuple[int, int, int, bytes]


class Link(asyncio.Protocol):
    """Common to ESME and SMSC; the subclasses handle requests, responses and the end.

    `can_write` is False while the peer's side of the connection is full.
    """

    def __init__(self, role: Role, timers: Timers, clock: Clock) -> None:
        self._role = role
        self._timers = timers
        self._clock = clock
        self._rest = b""
        self._out: list[bytes] = []
        self._held: list[Pdu] = []  # PDUs read but not to be handled yet
        self._is_holding = False
        self._timer: Timer | None = None
        self._unbind_resp: bytes | None = None  # set once both sides agreed to end; what we owe
        self._close_by = 0.0
        self._transport: Any = None
        self.session: Session
        self.can_write = True
        self.peer = ""
        self.close_reason = ""

    # -- to be given by the subclass -------------------------------------------------------------

    def request_received(
        self, command_id: int, sequence_number: int, body: bytes
    ) -> None:  # pragma: no cover - abstract
        """A request that the state allows, except enquire_link."""
        raise NotImplementedError

    def response_received(
        self, command_id: int, command_status: int, sequence_number: int, body: bytes
    ) -> None:  # pragma: no cover - abstract
        """A response, generic_nack included, except enquire_link_resp."""
        raise NotImplementedError

    def swept(self, now: float) -> None:
        """Once a second: time out what waits too long."""

    def leaving(self) -> None:
        """No new work for this link: it unbinds or closes.  May be called more than once."""

    def is_settled(self) -> bool:
        """Whether no request waits for an answer, so that an unbind may be finished."""
        return True

    def link_lost(self) -> None:
        """The connection is gone; called once."""

    def writable(self) -> None:
        """`can_write` is True again."""

    # -- asyncio.Protocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands: the session begins OPEN."""
        self._transport = transport
        self.session = Session(self._role, self._timers, self._clock.monotonic())
        peer = transport.get_extra_info("peername")
        self.peer = f"{peer[0]}:{peer[1]}" if peer else "?"
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_OCTETS)
        self._timer = self._clock.call_later(TICK_S, self._tick)

    def data_received(self, data: bytes) -> None:
        """Octets from the peer, any number of PDUs."""
        self.session.heard(self._clock.monotonic())
        if self._rest:
            data = self._rest + data
        try:
            pdus, self._rest = frame(data)
        except FrameError as error:
            self._handle(error.pdus)
            self.send(encode_header(_GENERIC_NACK, CommandStatus.RINVCMDLEN, error.sequence_number))
            self.close(str(error))
            return
        self._handle(pdus)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended, by either side."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if exc is not None and not self.close_reason:
            self.close_reason = str(exc) or type(exc).__name__
        self.session.closed()
        self._held.clear()
        self.link_lost()
        self._out.clear()

    def pause_writing(self) -> None:
        """The peer does not read as fast as we write."""
        self.can_write = False

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self.can_write = True
        self.writable()

    # -- reading ---------------------------------------------------------------------------------

    def hold(self) -> None:
        """Stops handling and reading: what was read waits, the peer feels TCP's back-pressure."""
        if not self._is_holding:
            self._is_holding = True
            self._transport.pause_reading()

    def release(self) -> None:
        """Goes on with what was held, then with reading."""
        if not self._is_holding:
            return
        self._is_holding = False
        held, self._held = self._held, []
        self._handle(held)
        if not self._is_holding and not self._transport.is_closing():
            self._transport.resume_reading()

    def _handle(self, pdus: list[Pdu]) -> None:
        if self._is_holding:
            self._held.extend(pdus)
            return
        session = self.session
        last_id, state, verdict = -1, session.state, _IGNORE
        for index, (command_id, command_status, sequence_number, body) in enumerate(pdus):
            # PDUs of a kind come in runs: the table is asked once per run and state.
            if command_id != last_id or session.state is not state:
                last_id, state = command_id, session.state
                verdict = session.receive(command_id)
            try:
                if verdict is _ACCEPT:
                    if command_id == _ENQUIRE_LINK:
                        self.send(encode_header(_ENQUIRE_LINK_RESP, 0, sequence_number))
                    else:
                        self.request_received(command_id, sequence_number, body)
                elif verdict is _RESPONSE:
                    if command_id != _ENQUIRE_LINK_RESP:
                        self.response_received(command_id, command_status, sequence_number, body)
                else:
                    self._misplaced(verdict, command_id, sequence_number)
            except Exception as error:
                self._failed(error, command_id, sequence_number)
            if self._is_holding:
                self._held.extend(pdus[index + 1 :])
                return

    def _failed(self, error: Exception, command_id: int, sequence_number: int) -> None:
        """A defect of ours costs this PDU only: not the bind, and not whoever called `release`."""
        log.error(
            "link.failed",
            exc_info=error,
            extra={"fields": {"peer": self.peer, "command_id": f"0x{command_id:08x}"}},
        )
        if not command_id & RESP:
            self.send(encode_header(command_id | RESP, CommandStatus.RSYSERR, sequence_number))

    def _misplaced(self, verdict: Verdict, command_id: int, sequence_number: int) -> None:
        if verdict is Verdict.WRONG_STATE:
            self.send(encode_header(command_id | RESP, CommandStatus.RINVBNDSTS, sequence_number))
        elif verdict is Verdict.ALREADY_BOUND:
            self.send(encode_header(command_id | RESP, CommandStatus.RALYBND, sequence_number))
        elif verdict is Verdict.UNKNOWN_COMMAND:
            self.send(encode_header(_GENERIC_NACK, CommandStatus.RINVCMDID, sequence_number))

    # -- writing ---------------------------------------------------------------------------------

    def send(self, pdu: bytes) -> None:
        """Queues one PDU; everything of this loop turn leaves together."""
        out = self._out
        if not out:
            self._clock.call_soon(self._flush)
        out.append(pdu)

    def _flush(self) -> None:
        out, transport = self._out, self._transport
        if not out or transport.is_closing():
            return  # `unsent` tells what stays behind
        transport.write(b"".join(out) if len(out) > 1 else out[0])
        out.clear()
        # A stranger gets the first mark only: any number of them may come.
        if not self.can_write and (
            not self.session.is_bound or transport.get_write_buffer_size() > WRITE_LIMIT_OCTETS
        ):
            self.abort("the peer does not read")

    def unsent(self, command_id: int) -> set[int]:
        """sequence_numbers of what no transport was given, of one kind; for `link_lost`."""
        pdus, _ = frame(b"".join(self._out))
        return {number for command, _, number, _ in pdus if command == command_id}

    # -- timers and the end ----------------------------------------------------------------------

    def _tick(self) -> None:
        now = self._clock.monotonic()
        self._timer = self._clock.call_later(TICK_S, self._tick)
        if self._transport.is_closing():
            if now >= self._close_by:
                self._transport.abort()
            return
        if self._is_holding:
            self.session.heard(now)  # we do not listen: silence proves nothing about the peer
        self.swept(now)
        action = self.session.next_action(now)
        if action is None:
            return
        if action is Action.SEND_ENQUIRE_LINK:
            self.send(encode_header(_ENQUIRE_LINK, 0, self.next_enquire_sequence()))
        else:
            self.close(action.name.lower())

    def next_enquire_sequence(self) -> int:
        """Sequence number for our own enquire_link or unbind."""
        raise NotImplementedError  # pragma: no cover - abstract

    def unbind(self) -> None:
        """Asks the peer to end the session; the connection closes with its answer."""
        if self.session.is_bound:
            self.session.unbinding(self._clock.monotonic())
            self.leaving()
            self.send(encode_header(CommandId.UNBIND, 0, self.next_enquire_sequence()))
        elif self.session.state is not State.UNBINDING:
            self.close("unbind")

    def unbind_asked(self, sequence_number: int) -> None:
        """The peer unbinds: outstanding requests are answered first, then its unbind (trap 19)."""
        self.session.unbinding(self._clock.monotonic())
        self._unbind_resp = encode_header(_UNBIND_RESP, 0, sequence_number)
        self.leaving()
        self.finish_unbind()

    def unbind_answered(self) -> None:
        """The peer agrees to our unbind."""
        self._unbind_resp = b""
        self.finish_unbind()

    def finish_unbind(self) -> None:
        """Ends an unbind both sides agreed on, once nothing is outstanding."""
        if self._unbind_resp is None or not self.is_settled():
            return
        if self._unbind_resp:
            self.send(self._unbind_resp)
        self.close("unbind")

    def close(self, reason: str) -> None:
        """Writes what is queued, then closes; nothing that still comes is handled."""
        if self._transport is None or self._transport.is_closing():
            return
        self.close_reason = self.close_reason or reason
        self._close_by = self._clock.monotonic() + CLOSE_LIMIT_S
        self._flush()
        self._transport.close()
        self._end()

    def abort(self, reason: str) -> None:
        """Closes at once; what the peer has not read is lost."""
        self.close_reason = self.close_reason or reason
        if self._transport is not None:
            self._transport.abort()
            self._end()

    def _end(self) -> None:
        self.session.closed()
        self.leaving()

"""The ring by itself: no socket, no loop, time by hand.  Both roles are tested as they are used."""

import pytest

from protocols.smpp.codec import encode_header, frame
from protocols.smpp.constants import CommandId, CommandStatus
from protocols.smpp.link import CLOSE_LIMIT_S, TICK_S, WRITE_LIMIT_OCTETS, Link
from protocols.smpp.session import Role, State, Timers
from tests.support.clock import FakeClock
from tests.support.smpp_peers import FakeTransport

QUESTION = encode_header(CommandId.ENQUIRE_LINK, 0, 7)
SUBMIT = encode_header(CommandId.SUBMIT_SM, 0, 8)


class PlainLink(Link):
    """An SMSC's link that notes what it is told."""

    def __init__(self, clock: FakeClock, timers: Timers | None = None) -> None:
        super().__init__(Role.SMSC, timers or Timers(), clock)
        self.transport = FakeTransport()
        self.clock = clock
        self.told: list[object] = []
        self.holds_at: set[int] = set()
        self.fails = False
        self.settled = True

    def begin(self) -> "PlainLink":
        self.connection_made(self.transport)  # type: ignore[arg-type]
        return self

    def bind(self) -> "PlainLink":
        self.begin()
        self.session.bound(CommandId.BIND_TRANSCEIVER)
        return self

    def request_received(self, command_id: int, sequence_number: int, body: bytes) -> None:
        self.told.append(sequence_number)
        if sequence_number in self.holds_at:
            self.hold()
        if self.fails:
            raise KeyError("a defect")

    def response_received(
        self, command_id: int, command_status: int, sequence_number: int, body: bytes
    ) -> None:
        self.told.append(-sequence_number)
        if self.fails:
            raise KeyError("a defect")

    def next_enquire_sequence(self) -> int:
        return 100

    def is_settled(self) -> bool:
        return self.settled

    def leaving(self) -> None:
        self.told.append("leaving")

    def link_lost(self) -> None:
        self.told.append("lost")

    def written(self) -> list[tuple[int, int, int]]:
        """(command_id, command_status, sequence_number) of what left since."""
        self.clock.turn()
        pdus, rest = frame(self.transport.taken())
        assert not rest
        return [pdu[:3] for pdu in pdus]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def submits(*numbers: int) -> bytes:
    return b"".join(encode_header(CommandId.SUBMIT_SM, 0, n) for n in numbers)


# --- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(1, 32))
def test_a_pdu_in_pieces(clock: FakeClock, cut: int) -> None:
    link = PlainLink(clock).bind()
    octets = submits(1, 2)
    link.data_received(octets[:cut])
    link.data_received(octets[cut:])
    assert link.told == [1, 2]


def test_what_is_written_in_one_turn_leaves_together(clock: FakeClock) -> None:
    link = PlainLink(clock).bind()
    link.data_received(QUESTION * 3)
    assert not link.transport.written
    assert link.written() == [(CommandId.ENQUIRE_LINK_RESP, 0, 7)] * 3


def test_holding_keeps_order_and_reads_no_more(clock: FakeClock) -> None:
    link = PlainLink(clock).bind()
    link.holds_at = {1, 3}
    link.data_received(submits(1, 2, 3, 4))
    assert link.told == [1]
    assert not link.transport.is_reading
    link.data_received(submits(5))  # was on its way up already
    link.release()
    assert link.told == [1, 2, 3]
    assert not link.transport.is_reading
    link.release()
    assert link.told == [1, 2, 3, 4, 5]
    assert link.transport.is_reading
    link.release()


def test_the_state_is_asked_again_when_it_moved_within_one_read(clock: FakeClock) -> None:
    link = PlainLink(clock).begin()

    def bind_at_once(command_id: int, sequence_number: int, body: bytes) -> None:
        link.told.append(sequence_number)
        if command_id == CommandId.BIND_TRANSCEIVER:
            link.session.bound(command_id)

    link.request_received = bind_at_once  # type: ignore[method-assign]
    link.data_received(submits(1) + encode_header(CommandId.BIND_TRANSCEIVER, 0, 2) + submits(3))
    assert link.told == [2, 3]
    assert link.written() == [(CommandId.SUBMIT_SM_RESP, CommandStatus.RINVBNDSTS, 1)]


def test_defects_are_loud_and_cost_one_pdu(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    link = PlainLink(clock).bind()
    link.fails = True
    link.data_received(SUBMIT + encode_header(CommandId.DELIVER_SM_RESP, 0, 9) + QUESTION)
    assert link.told == [8, -9]
    assert link.written() == [
        (CommandId.SUBMIT_SM_RESP, CommandStatus.RSYSERR, 8),
        (CommandId.ENQUIRE_LINK_RESP, 0, 7),
    ]
    assert [(r.levelname, r.message) for r in caplog.records] == [("ERROR", "link.failed")] * 2
    assert caplog.records[0].exc_info


# --- the end --------------------------------------------------------------------------------------


def test_after_close_nothing_is_handled_or_written(clock: FakeClock) -> None:
    link = PlainLink(clock).bind()
    link.data_received(QUESTION)
    link.close("enough")
    assert link.told == ["leaving"]
    assert link.session.state is State.CLOSED
    link.data_received(SUBMIT + QUESTION)
    link.send(QUESTION)
    assert link.written() == [(CommandId.ENQUIRE_LINK_RESP, 0, 7)]  # from before
    link.close("again")
    assert link.close_reason == "enough"
    assert link.told == ["leaving"]


def test_held_pdus_die_with_the_connection(clock: FakeClock) -> None:
    link = PlainLink(clock).bind()
    link.holds_at = {1}
    link.data_received(submits(1, 2))
    link.abort("cut")
    link.release()
    link.connection_lost(None)
    assert link.told == [1, "leaving", "lost"]


def test_a_close_that_drags_on_is_cut(clock: FakeClock) -> None:
    link = PlainLink(clock).bind()
    link.close("enough")
    clock.advance(CLOSE_LIMIT_S - TICK_S / 2)
    assert link.transport.state == "closing"
    clock.advance(TICK_S)
    assert link.transport.state == "aborted"
    link.connection_lost(None)
    clock.advance(100.0)  # the timer is gone: nothing is asked of the transport any more
    assert link.transport.state == "aborted"


def test_why_it_ended(clock: FakeClock) -> None:
    link = PlainLink(clock).begin()
    link.connection_lost(ConnectionResetError("reset"))
    assert link.close_reason == "reset"
    other = PlainLink(clock).begin()
    other.connection_lost(TimeoutError())
    assert other.close_reason == "TimeoutError"


def test_a_peer_without_a_name(clock: FakeClock) -> None:
    link = PlainLink(clock)
    link.transport.peername = None
    assert link.begin().peer == "?"


def test_a_peer_that_does_not_read(clock: FakeClock) -> None:
    link = PlainLink(clock).bind()
    link.pause_writing()
    link.transport.buffered = WRITE_LIMIT_OCTETS
    link.data_received(QUESTION)
    assert link.written()
    assert not link.can_write
    link.resume_writing()
    assert link.can_write
    link.pause_writing()
    link.transport.buffered += 1
    link.data_received(QUESTION)
    clock.turn()
    assert link.transport.state == "aborted"
    assert link.close_reason == "the peer does not read"


# --- unbind -------------------------------------------------------------------------------------


def test_our_unbind_waits_for_the_peers_answer_and_for_ours(clock: FakeClock) -> None:
    link = PlainLink(clock).bind()
    link.settled = False
    link.unbind()
    link.unbind()
    assert link.written() == [(CommandId.UNBIND, 0, 100)]
    clock.advance(2.0)
    link.unbind_answered()
    assert link.transport.state == "open"
    link.settled = True
    link.finish_unbind()
    assert link.transport.state == "closing"


def test_unbinds_that_cross(clock: FakeClock) -> None:
    link = PlainLink(clock).bind()
    link.unbind()
    link.unbind_asked(5)
    assert link.written() == [(CommandId.UNBIND, 0, 100), (CommandId.UNBIND_RESP, 0, 5)]
    assert link.transport.state == "closing"


def test_a_link_that_is_not_bound_just_closes(clock: FakeClock) -> None:
    link = PlainLink(clock).begin()
    link.unbind()
    assert not link.written()
    assert link.transport.state == "closing"


# --- time ---------------------------------------------------------------------------------------


def test_while_we_do_not_listen_silence_proves_nothing(clock: FakeClock) -> None:
    link = PlainLink(clock, Timers(enquire_link_s=30, inactivity_s=0, response_s=10)).bind()
    link.hold()
    clock.advance(3600.0)
    assert not link.written()
    link.release()
    clock.advance(30.0)
    assert link.written() == [(CommandId.ENQUIRE_LINK, 0, 100)]
    clock.advance(10.0)
    assert link.transport.state == "closing"
    assert link.close_reason == "close_no_answer"

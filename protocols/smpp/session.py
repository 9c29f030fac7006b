"""The bind state machine of SMPP v3.4 2.2, table 2-1 and the timers of 7.2; no I/O, both roles.

Theory of operation.  A session begins OPEN when the connection stands.  The ESME asks for a bind
(BINDING while it is being decided, so that a second request cannot overtake the password check) and
is then BOUND_TX, BOUND_RX or BOUND_TRX.  Whoever sends or receives unbind is UNBINDING until the
connection ends: new work is refused, answers to old work still pass.  `TABLE_2_1` says who may send
what in which state; everything `receive` and `may_send` answer derives from it.

The link tells the session what it heard and when; the session tells the link what is due.  Time is
an argument, in seconds of any clock that never goes back.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto

from protocols.smpp.constants import RESP, CommandId


class Role(Enum):
    """Which end of the connection we are."""

    ESME = auto()
    SMSC = auto()


class State(Enum):
    """SMPP v3.4 2.2, with BINDING and UNBINDING for the moments between its states."""

    OPEN = auto()
    BINDING = auto()
    BOUND_TX = auto()
    BOUND_RX = auto()
    BOUND_TRX = auto()
    UNBINDING = auto()
    CLOSED = auto()


class Verdict(Enum):
    """What to do with a PDU that came in."""

    ACCEPT = auto()  # a request we may serve
    RESPONSE = auto()  # an answer, generic_nack included: settle the request it belongs to
    WRONG_STATE = auto()  # answer its *_resp with RINVBNDSTS
    ALREADY_BOUND = auto()  # answer the bind's response with RALYBND
    UNKNOWN_COMMAND = auto()  # answer generic_nack with RINVCMDID and the same sequence_number
    IGNORE = auto()  # out of place, and of a kind that has no answer


class Action(Enum):
    """What is due when a timer of 7.2 has run out."""

    SEND_ENQUIRE_LINK = auto()
    CLOSE_NOT_BOUND = auto()  # session_init_timer: no bind in time
    CLOSE_NO_ANSWER = auto()  # response_timer: nothing came after our enquire_link
    CLOSE_INACTIVE = auto()  # inactivity_timer: no message traffic
    CLOSE_UNBINDING = auto()  # response_timer: the peer did not finish the unbind


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """The timers of SMPP v3.4 7.2 in seconds; 0 turns one off."""

    session_init_s: float = 30.0
    enquire_link_s: float = 30.0
    inactivity_s: float = 0.0
    response_s: float = 10.0


BIND_STATES = {
    CommandId.BIND_TRANSMITTER: State.BOUND_TX,
    CommandId.BIND_RECEIVER: State.BOUND_RX,
    CommandId.BIND_TRANSCEIVER: State.BOUND_TRX,
}
BOUND_STATES = frozenset(BIND_STATES.values())

MOVES: dict[State, frozenset[State]] = {
    State.OPEN: frozenset({State.BINDING, *BOUND_STATES, State.CLOSED}),
    State.BINDING: frozenset({State.OPEN, *BOUND_STATES, State.CLOSED}),
    State.BOUND_TX: frozenset({State.UNBINDING, State.CLOSED}),
    State.BOUND_RX: frozenset({State.UNBINDING, State.CLOSED}),
    State.BOUND_TRX: frozenset({State.UNBINDING, State.CLOSED}),
    State.UNBINDING: frozenset({State.UNBINDING, State.CLOSED}),
    State.CLOSED: frozenset({State.CLOSED}),
}

_UNBOUND = frozenset({State.OPEN})
_TX = frozenset({State.BOUND_TX, State.BOUND_TRX})
_RX = frozenset({State.BOUND_RX, State.BOUND_TRX})
_ESME = frozenset({Role.ESME})
_SMSC = frozenset({Role.SMSC})
_BOTH = _ESME | _SMSC

# SMPP v3.4 2.3: each request with the states it needs and the roles that may send it.  Its response
# needs the same states and comes from the other role.
TABLE_2_1: dict[CommandId, tuple[frozenset[State], frozenset[Role]]] = {
    CommandId.BIND_TRANSMITTER: (_UNBOUND, _ESME),
    CommandId.BIND_RECEIVER: (_UNBOUND, _ESME),
    CommandId.BIND_TRANSCEIVER: (_UNBOUND, _ESME),
    CommandId.OUTBIND: (_UNBOUND, _SMSC),
    CommandId.UNBIND: (BOUND_STATES, _BOTH),
    CommandId.SUBMIT_SM: (_TX, _ESME),
    CommandId.SUBMIT_MULTI: (_TX, _ESME),
    CommandId.DATA_SM: (BOUND_STATES, _BOTH),
    CommandId.DELIVER_SM: (_RX, _SMSC),
    CommandId.QUERY_SM: (_TX, _ESME),
    CommandId.CANCEL_SM: (_TX, _ESME),
    CommandId.REPLACE_SM: (_TX, _ESME),
    CommandId.ENQUIRE_LINK: (BOUND_STATES, _BOTH),
    CommandId.ALERT_NOTIFICATION: (_RX, _SMSC),
}
_WITHOUT_RESPONSE = frozenset({CommandId.OUTBIND, CommandId.ALERT_NOTIFICATION})
# Requests that cross our unbind on the wire.  An SMSC that is leaving must not take messages any
# more; an ESME still takes receipts, which the SMSC would only send again.
_WHILE_UNBINDING = {
    Role.SMSC: frozenset({CommandId.UNBIND, CommandId.ENQUIRE_LINK}),
    Role.ESME: frozenset(
        {
            CommandId.UNBIND,
            CommandId.ENQUIRE_LINK,
            CommandId.DELIVER_SM,
            CommandId.DATA_SM,
            CommandId.ALERT_NOTIFICATION,
        }
    ),
}


def _request_verdict(role: Role, state: State, command_id: CommandId) -> Verdict:
    """Verdict of a `role` that receives a request in `state`."""
    states, senders = TABLE_2_1[command_id]
    from_peer = any(sender is not role for sender in senders)
    if from_peer and state in states:
        return Verdict.ACCEPT
    if state is State.UNBINDING and command_id in _WHILE_UNBINDING[role]:
        return Verdict.ACCEPT
    if command_id in _WITHOUT_RESPONSE or state is State.CLOSED:
        return Verdict.IGNORE
    if command_id in BIND_STATES and from_peer and state not in _UNBOUND:
        return Verdict.ALREADY_BOUND
    return Verdict.WRONG_STATE


def _response_verdict(role: Role, state: State, command_id: CommandId) -> Verdict:
    """Verdict of a `role` that receives the response to `command_id` in `state`."""
    states, senders = TABLE_2_1[command_id]
    awaited = (
        state in states
        or (state is State.BINDING and command_id in BIND_STATES)
        or (state is State.UNBINDING and command_id not in BIND_STATES)
    )
    return Verdict.RESPONSE if role in senders and awaited else Verdict.IGNORE


def _verdicts(role: Role, state: State) -> dict[int, Verdict]:
    verdicts: dict[int, Verdict] = {}
    for command_id in TABLE_2_1:
        verdicts[int(command_id)] = _request_verdict(role, state, command_id)
        if command_id not in _WITHOUT_RESPONSE:
            verdicts[command_id | RESP] = _response_verdict(role, state, command_id)
    # generic_nack answers any request of ours, a bind included (4.3.1).
    closed = state is State.CLOSED
    verdicts[int(CommandId.GENERIC_NACK)] = Verdict.IGNORE if closed else Verdict.RESPONSE
    return verdicts


_VERDICTS = {(role, state): _verdicts(role, state) for role in Role for state in State}
_ENQUIRE_LINK = int(CommandId.ENQUIRE_LINK)
_ENQUIRE_LINK_RESP = int(CommandId.ENQUIRE_LINK_RESP)


class Session:
    """One connection's rules and deadlines."""

    __slots__ = (
        "_active_at", "_enquired_at", "_heard_at", "_left_at", "_opened_at", "_verdicts", "role",
        "state", "timers",
    )  # fmt: skip

    def __init__(self, role: Role, timers: Timers, now: float) -> None:
        self.role = role
        self.timers = timers
        self.state = State.OPEN
        self._verdicts = _VERDICTS[role, State.OPEN]
        self._opened_at = now
        self._heard_at = now
        self._active_at = now
        self._enquired_at = -math.inf  # when our last enquire_link left
        self._left_at = -math.inf  # when UNBINDING began

    # What happens.

    def heard(self, now: float) -> None:
        """Octets of the peer arrived: any PDU counts as life.  Once per read, before `receive`."""
        self._heard_at = now

    def receive(self, command_id: int) -> Verdict:
        """What to do with a PDU of the peer.  Moves no state: the caller does, once it decided."""
        if command_id != _ENQUIRE_LINK and command_id != _ENQUIRE_LINK_RESP:
            self._active_at = self._heard_at
        verdict = self._verdicts.get(command_id)
        if verdict is not None:
            return verdict
        # A generic_nack to an unknown response would carry a number of ours and so hit an innocent
        # request of the peer.
        return Verdict.IGNORE if command_id & RESP else Verdict.UNKNOWN_COMMAND

    def may_send(self, command_id: int) -> bool:
        """Whether table 2-1 lets us send this request now."""
        states, senders = TABLE_2_1[CommandId(command_id)]
        return self.state in states and self.role in senders

    @property
    def is_bound(self) -> bool:
        """Whether messages may flow in at least one direction."""
        return self.state in BOUND_STATES

    # What was decided.

    def binding(self) -> None:
        """A bind was sent, or accepted for decision."""
        self._move(State.BINDING)

    def bound(self, command_id: int) -> None:
        """The bind `command_id` (or its response) succeeded."""
        self._move(BIND_STATES[CommandId(command_id & ~RESP)])
        self._active_at = self._heard_at

    def bind_refused(self) -> None:
        """The bind failed; another may be tried on the same connection."""
        self._move(State.OPEN)

    def unbinding(self, now: float) -> None:
        """An unbind was sent or received.  Idempotent."""
        if self.state is not State.UNBINDING:
            self._left_at = now
        self._move(State.UNBINDING)

    def closed(self) -> None:
        """The connection is gone.  Idempotent."""
        self._move(State.CLOSED)

    def _move(self, state: State) -> None:
        if state not in MOVES[self.state]:
            raise RuntimeError(f"an SMPP session cannot go from {self.state.name} to {state.name}")
        self.state = state
        self._verdicts = _VERDICTS[self.role, state]

    # What is due.

    def next_action(self, now: float) -> Action | None:
        """What is due at `now`.  A due enquire_link counts as sent by this call."""
        for due_at, action in self._deadlines():
            if due_at <= now:
                if action is Action.SEND_ENQUIRE_LINK:
                    self._enquired_at = now
                return action
        return None

    def _deadlines(self) -> list[tuple[float, Action]]:
        """Running timers, the gravest first."""
        timers = self.timers
        if self.state is State.OPEN or self.state is State.BINDING:
            running = [(self._opened_at, timers.session_init_s, Action.CLOSE_NOT_BOUND)]
        elif self.state is State.UNBINDING:
            running = [(self._left_at, timers.response_s, Action.CLOSE_UNBINDING)]
        elif self.state is State.CLOSED:
            running = []
        else:
            running = [(self._active_at, timers.inactivity_s, Action.CLOSE_INACTIVE)]
            if self._enquired_at > self._heard_at:
                running.append((self._enquired_at, timers.response_s, Action.CLOSE_NO_ANSWER))
            else:
                running.append((self._heard_at, timers.enquire_link_s, Action.SEND_ENQUIRE_LINK))
        return [(since + length, action) for since, length, action in running if length > 0]

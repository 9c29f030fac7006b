"""SMPP session and window: every (state, input) pair ends legally, timers never look back."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocols.smpp.constants import RESP, CommandId
from protocols.smpp.session import (
    BIND_STATES,
    BOUND_STATES,
    MOVES,
    Action,
    Role,
    Session,
    State,
    Timers,
    Verdict,
)
from protocols.smpp.window import Window

TIMERS = Timers(session_init_s=5, enquire_link_s=30, inactivity_s=100, response_s=10)
COMMANDS = st.one_of(
    st.sampled_from([int(command_id) for command_id in CommandId]), st.integers(0, 0xFFFFFFFF)
)


def session_in(role: Role, state: State) -> Session:
    session = Session(role, TIMERS, 0.0)
    if state is State.BINDING:
        session.binding()
    elif state in BOUND_STATES:
        session.bound(next(bind for bind, bound in BIND_STATES.items() if bound is state))
    elif state is State.UNBINDING:
        session.bound(CommandId.BIND_TRANSCEIVER)
        session.unbinding(0.0)
    elif state is State.CLOSED:
        session.closed()
    return session


@given(st.sampled_from(Role), st.sampled_from(State), COMMANDS)
def test_every_state_and_command_has_a_legal_verdict(
    role: Role, state: State, command_id: int
) -> None:
    session = session_in(role, state)
    assert session.state is state

    verdict = session.receive(command_id)

    assert session.state is state  # receiving decides nothing
    if command_id & RESP:
        assert verdict in (Verdict.RESPONSE, Verdict.IGNORE)
    else:
        assert verdict is not Verdict.RESPONSE
    known = command_id in {int(known) for known in CommandId}
    if not known and not command_id & RESP:
        assert verdict is Verdict.UNKNOWN_COMMAND
    else:
        assert verdict is not Verdict.UNKNOWN_COMMAND
    if verdict in (Verdict.WRONG_STATE, Verdict.ALREADY_BOUND):
        CommandId(command_id | RESP)  # the response that carries the refusal exists


def test_every_state_can_still_end() -> None:
    reachable = {state: set(MOVES[state]) for state in State}
    for _ in State:
        for targets in reachable.values():
            for target in list(targets):
                targets |= reachable[target]

    assert set(MOVES) == set(State)
    assert all(State.CLOSED in targets for targets in reachable.values())
    assert reachable[State.CLOSED] == {State.CLOSED}


class SessionLife(RuleBasedStateMachine):
    """A link that obeys its session, over a peer that does anything at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.session = Session(Role.SMSC, TIMERS, self.now)

    @rule(command_id=COMMANDS)
    def peer_sends(self, command_id: int) -> None:
        self.session.heard(self.now)
        verdict = self.session.receive(command_id)
        if verdict is Verdict.ACCEPT and command_id in BIND_STATES:
            self.session.binding()
        elif verdict is Verdict.ACCEPT and command_id == CommandId.UNBIND:
            self.session.unbinding(self.now)

    @rule(bind=st.sampled_from(sorted(BIND_STATES)), accepted=st.booleans())
    def bind_is_decided(self, bind: CommandId, accepted: bool) -> None:
        if self.session.state is State.BINDING:
            if accepted:
                self.session.bound(bind)
            else:
                self.session.bind_refused()

    @rule(seconds=st.sampled_from([0.0, 0.5, 5.0, 10.0, 29.0, 30.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def timers_are_swept(self) -> None:
        action = self.session.next_action(self.now)
        if action is Action.SEND_ENQUIRE_LINK:
            assert self.session.next_action(self.now) is not action  # asked once at a time
        elif action is not None:
            self.session.closed()

    @invariant()
    def bound_means_bound(self) -> None:
        assert self.session.is_bound == (self.session.state in BOUND_STATES)

    def teardown(self) -> None:
        """Left alone, a session ends: an unanswered question is the last thing that may come."""
        for _ in range(2):
            self.now += TIMERS.inactivity_s
            self.timers_are_swept()
        assert self.session.state is State.CLOSED


SessionLife.TestCase.settings = settings(max_examples=50, stateful_step_count=30)
TestSessionLife = SessionLife.TestCase


class WindowLife(RuleBasedStateMachine):
    """A window against a plain dict and list."""

    def __init__(self) -> None:
        super().__init__()
        self.window: Window[int] = Window(5)
        self.pending: dict[int, tuple[int, float]] = {}
        self.late: dict[int, int] = {}
        self.now = 0.0
        self.item = 0

    @rule(patience=st.just(10.0))
    def request(self, patience: float) -> None:
        number = self.window.next_sequence()
        assert number not in self.pending
        self.item += 1
        self.window.offer(number, self.item, self.now + patience)
        self.pending[number] = (self.item, self.now + patience)

    @rule(data=st.data())
    def response(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([*self.pending, *self.late, 999_999]))
        item = self.window.complete(number)
        assert item == self.pending.pop(number, (None, 0.0))[0]
        if item is None:
            assert self.window.late(number) == self.late.pop(number, None)

    @rule(seconds=st.sampled_from([1.0, 4.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        expected = {n: i for n, (i, deadline) in self.pending.items() if deadline <= self.now}
        assert self.window.expire(self.now) == list(expected.values())
        for number, item in expected.items():
            del self.pending[number]
            self.late[number] = item

    @rule()
    def connection_is_lost(self) -> None:
        assert self.window.drain() == [item for item, _ in self.pending.values()]
        self.pending.clear()

    @invariant()
    def counts_agree(self) -> None:
        assert len(self.window) == len(self.pending)
        assert self.window.room == max(0, 5 - len(self.pending))


WindowLife.TestCase.settings = settings(max_examples=50, stateful_step_count=30)
TestWindowLife = WindowLife.TestCase

"""The bind state machine: table 2-1, moves and timers."""

import pytest

from protocols.smpp.constants import RESP, CommandId
from protocols.smpp.session import (
    BIND_STATES,
    TABLE_2_1,
    Action,
    Role,
    Session,
    State,
    Timers,
    Verdict,
)

C = CommandId
TIMERS = Timers(session_init_s=5, enquire_link_s=30, inactivity_s=100, response_s=10)


def bound(role: Role = Role.SMSC, bind: CommandId = C.BIND_TRANSCEIVER) -> Session:
    session = Session(role, TIMERS, 0.0)
    session.binding()
    session.bound(bind)
    return session


# --- table 2-1 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bind", "accepted"),
    [
        (
            C.BIND_TRANSMITTER,
            {
                C.SUBMIT_SM, C.SUBMIT_MULTI, C.DATA_SM, C.QUERY_SM, C.CANCEL_SM, C.REPLACE_SM,
                C.ENQUIRE_LINK, C.UNBIND,
            },
        ),
        (C.BIND_RECEIVER, {C.DATA_SM, C.ENQUIRE_LINK, C.UNBIND}),
        (
            C.BIND_TRANSCEIVER,
            {
                C.SUBMIT_SM, C.SUBMIT_MULTI, C.DATA_SM, C.QUERY_SM, C.CANCEL_SM, C.REPLACE_SM,
                C.ENQUIRE_LINK, C.UNBIND,
            },
        ),
    ],
)  # fmt: skip
def test_what_an_smsc_accepts_on_each_kind_of_bind(
    bind: CommandId, accepted: set[CommandId]
) -> None:
    session = bound(Role.SMSC, bind)

    assert {c for c in TABLE_2_1 if session.receive(c) is Verdict.ACCEPT} == accepted


@pytest.mark.parametrize(
    ("bind", "accepted"),
    [
        (C.BIND_TRANSMITTER, {C.DATA_SM, C.ENQUIRE_LINK, C.UNBIND}),
        (
            C.BIND_RECEIVER,
            {C.DELIVER_SM, C.DATA_SM, C.ALERT_NOTIFICATION, C.ENQUIRE_LINK, C.UNBIND},
        ),
        (
            C.BIND_TRANSCEIVER,
            {C.DELIVER_SM, C.DATA_SM, C.ALERT_NOTIFICATION, C.ENQUIRE_LINK, C.UNBIND},
        ),
    ],
)
def test_what_an_esme_accepts_on_each_kind_of_bind(
    bind: CommandId, accepted: set[CommandId]
) -> None:
    session = bound(Role.ESME, bind)

    assert {c for c in TABLE_2_1 if session.receive(c) is Verdict.ACCEPT} == accepted


def test_an_open_smsc_takes_binds_and_nothing_else() -> None:
    session = Session(Role.SMSC, TIMERS, 0.0)

    assert {c for c in TABLE_2_1 if session.receive(c) is Verdict.ACCEPT} == set(BIND_STATES)
    assert session.receive(C.SUBMIT_SM) is Verdict.WRONG_STATE
    assert session.receive(C.UNBIND) is Verdict.WRONG_STATE


def test_a_bind_that_is_being_decided_cannot_be_overtaken() -> None:
    session = Session(Role.SMSC, TIMERS, 0.0)
    session.binding()

    assert session.receive(C.BIND_TRANSMITTER) is Verdict.ALREADY_BOUND
    assert session.receive(C.SUBMIT_SM) is Verdict.WRONG_STATE


def test_a_refused_bind_may_be_tried_again() -> None:
    session = Session(Role.SMSC, TIMERS, 0.0)
    session.binding()
    session.bind_refused()

    assert session.receive(C.BIND_TRANSMITTER) is Verdict.ACCEPT


def test_a_second_bind_is_told_it_is_already_bound() -> None:
    assert bound().receive(C.BIND_RECEIVER) is Verdict.ALREADY_BOUND


@pytest.mark.parametrize("command_id", [0, 0x0A, 0x99, 0x104, 0x00010200, 0x7FFFFFFF])
def test_an_unknown_request_is_unknown_in_every_state(command_id: int) -> None:
    for role in Role:
        assert Session(role, TIMERS, 0.0).receive(command_id) is Verdict.UNKNOWN_COMMAND
        assert bound(role).receive(command_id) is Verdict.UNKNOWN_COMMAND


@pytest.mark.parametrize("command_id", [0x80000099, 0xFFFFFFFF, C.OUTBIND | RESP])
def test_an_unknown_response_is_never_answered(command_id: int) -> None:
    assert bound().receive(command_id) is Verdict.IGNORE


def test_responses_belong_to_the_role_that_asked() -> None:
    smsc, esme = bound(Role.SMSC), bound(Role.ESME)

    assert smsc.receive(C.DELIVER_SM_RESP) is Verdict.RESPONSE
    assert smsc.receive(C.SUBMIT_SM_RESP) is Verdict.IGNORE
    assert esme.receive(C.SUBMIT_SM_RESP) is Verdict.RESPONSE
    assert esme.receive(C.DELIVER_SM_RESP) is Verdict.IGNORE
    assert smsc.receive(C.ENQUIRE_LINK_RESP) is esme.receive(C.ENQUIRE_LINK_RESP)


def test_generic_nack_is_a_response_even_to_a_bind() -> None:
    session = Session(Role.ESME, TIMERS, 0.0)
    session.binding()

    assert session.receive(C.GENERIC_NACK) is Verdict.RESPONSE
    assert session.receive(C.BIND_TRANSCEIVER_RESP) is Verdict.RESPONSE
    assert session.receive(C.SUBMIT_SM_RESP) is Verdict.IGNORE


def test_what_crosses_an_unbind_on_the_wire() -> None:
    smsc, esme = bound(Role.SMSC), bound(Role.ESME)
    smsc.unbinding(1.0)
    esme.unbinding(1.0)

    assert smsc.receive(C.SUBMIT_SM) is Verdict.WRONG_STATE
    assert smsc.receive(C.UNBIND) is Verdict.ACCEPT
    assert smsc.receive(C.DELIVER_SM_RESP) is Verdict.RESPONSE
    assert smsc.receive(C.UNBIND_RESP) is Verdict.RESPONSE
    assert esme.receive(C.DELIVER_SM) is Verdict.ACCEPT
    assert esme.receive(C.SUBMIT_SM_RESP) is Verdict.RESPONSE


def test_what_one_end_may_send_the_other_accepts() -> None:
    for bind in BIND_STATES:
        smsc, esme = bound(Role.SMSC, bind), bound(Role.ESME, bind)
        for command_id in TABLE_2_1:
            assert smsc.may_send(command_id) == (esme.receive(command_id) is Verdict.ACCEPT)
            assert esme.may_send(command_id) == (smsc.receive(command_id) is Verdict.ACCEPT)


def test_a_transmitter_gets_no_deliver_sm() -> None:
    assert not bound(Role.SMSC, C.BIND_TRANSMITTER).may_send(C.DELIVER_SM)
    assert bound(Role.SMSC, C.BIND_RECEIVER).may_send(C.DELIVER_SM)


# --- moves --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bind", "state"), BIND_STATES.items())
def test_each_bind_and_its_response_lead_to_their_state(bind: CommandId, state: State) -> None:
    for command_id in (bind, bind | RESP):
        session = Session(Role.ESME, TIMERS, 0.0)
        session.bound(command_id)
        assert session.state is state
        assert session.is_bound


def test_a_closed_session_stays_closed() -> None:
    session = bound()
    session.closed()
    session.closed()

    assert not session.is_bound
    assert session.receive(C.SUBMIT_SM) is Verdict.IGNORE
    assert session.receive(C.GENERIC_NACK) is Verdict.IGNORE
    assert session.next_action(1e9) is None
    with pytest.raises(RuntimeError, match="CLOSED to BOUND_TX"):
        session.bound(C.BIND_TRANSMITTER)


def test_unbinding_before_a_bind_is_a_defect() -> None:
    with pytest.raises(RuntimeError, match="OPEN to UNBINDING"):
        Session(Role.SMSC, TIMERS, 0.0).unbinding(0.0)


# --- timers -------------------------------------------------------------------------------------


def test_a_connection_that_never_binds_is_closed() -> None:
    session = Session(Role.SMSC, TIMERS, 100.0)
    session.heard(104.0)

    assert session.next_action(104.9) is None
    assert session.next_action(105.0) is Action.CLOSE_NOT_BOUND


def test_a_bind_that_takes_too_long_to_decide_is_closed() -> None:
    session = Session(Role.SMSC, TIMERS, 100.0)
    session.binding()

    assert session.next_action(105.0) is Action.CLOSE_NOT_BOUND


def test_silence_is_answered_by_enquire_link_and_then_by_the_end() -> None:
    session = bound()

    assert session.next_action(29.9) is None
    assert session.next_action(30.0) is Action.SEND_ENQUIRE_LINK
    assert session.next_action(30.0) is None
    assert session.next_action(39.9) is None
    assert session.next_action(40.0) is Action.CLOSE_NO_ANSWER


@pytest.mark.parametrize("command_id", [C.ENQUIRE_LINK_RESP, C.SUBMIT_SM, C.ENQUIRE_LINK, 0x99])
def test_any_pdu_counts_as_life(command_id: int) -> None:
    session = bound()
    assert session.next_action(30.0) is Action.SEND_ENQUIRE_LINK

    session.heard(39.0)
    session.receive(command_id)

    assert session.next_action(40.0) is None
    assert session.next_action(68.9) is None
    assert session.next_action(69.0) is Action.SEND_ENQUIRE_LINK


def test_traffic_postpones_enquire_link() -> None:
    session = bound()
    session.heard(29.0)

    assert session.next_action(30.0) is None


def test_a_peer_that_only_answers_enquire_link_is_inactive() -> None:
    session = bound()
    for now in (30.0, 60.0, 90.0):
        assert session.next_action(now) is Action.SEND_ENQUIRE_LINK
        session.heard(now)
        session.receive(C.ENQUIRE_LINK_RESP)

    assert session.next_action(99.9) is None
    assert session.next_action(100.0) is Action.CLOSE_INACTIVE


def test_messages_keep_a_session_active() -> None:
    session = bound()
    session.heard(95.0)
    session.receive(C.SUBMIT_SM)

    assert session.next_action(100.0) is None


def test_an_unbind_without_an_answer_ends_after_the_response_timer() -> None:
    session = bound()
    session.unbinding(50.0)
    session.unbinding(55.0)

    assert session.next_action(59.9) is None
    assert session.next_action(60.0) is Action.CLOSE_UNBINDING


def test_a_timer_of_zero_never_runs() -> None:
    session = Session(
        Role.SMSC, Timers(session_init_s=0, enquire_link_s=0, inactivity_s=0, response_s=0), 0.0
    )

    assert session.next_action(1e9) is None
    session.bound(C.BIND_RECEIVER)
    assert session.next_action(1e9) is None

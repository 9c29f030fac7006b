"""Closed sets and the tables over them: a new member must find its place on every wire."""

import json
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from gateway.domain.account import Account, Door
from gateway.domain.errors import TEMPORARY, Refusal, RefusalCode
from gateway.domain.fate import WORDS
from gateway.domain.lifecycle import (
    FINAL_STATES,
    MOVES,
    MessageState,
    MoneyState,
    NotifyWhen,
    is_final,
)
from gateway.domain.message import Message
from gateway.domain.sms_text import Alphabet
from protocols.easysendsms import mapping as easysendsms
from protocols.easysendsms.callback import render_report
from protocols.easysendsms.errors import Endpoint
from protocols.exosend import contract
from protocols.exosend import mapping as exosend
from protocols.exotel import mapping as exotel
from protocols.exotel.statuses import DETAILS
from protocols.http.webhook_event import NoticeSubject, render_event
from protocols.mesms import mapping as mesms
from protocols.smpp import mapping as smpp
from protocols.smpp.codec import decode_sm
from protocols.smpp.constants import CommandStatus, WireState

ROOT = Path(__file__).parents[2]
STATES = list(MessageState)
CODES = list(RefusalCode)
CS = CommandStatus

# What an ESME takes for "try again": everything else makes it give the message up.
SMPP_TEMPORARY = {CS.RTHROTTLED, CS.RMSGQFUL, CS.RSYSERR}
HTTP_TEMPORARY = {409, 429, 503}


def test_every_wire_with_refusals_is_looked_at_here() -> None:
    wires = {path.parent.name for path in (ROOT / "protocols").glob("*/mapping.py")}
    assert wires == {"easysendsms", "exosend", "exotel", "mesms", "smpp"}


# --- refusals -----------------------------------------------------------------------------------


def test_smpp_has_a_command_status_for_every_refusal() -> None:
    assert set(smpp.REFUSAL_STATUS) == set(CODES)
    assert CS.ROK not in smpp.REFUSAL_STATUS.values()


@pytest.mark.parametrize("code", CODES)
def test_smpp_says_try_again_exactly_when_it_helps(code: RefusalCode) -> None:
    assert (smpp.REFUSAL_STATUS[code] in SMPP_TEMPORARY) is (code in TEMPORARY)


def test_exosend_has_words_for_every_refusal() -> None:
    assert set(exosend.REFUSALS) == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_exosend_says_try_again_exactly_when_it_helps(code: RefusalCode) -> None:
    answer = exosend.refused_send(Refusal(code))
    assert 400 <= answer.status < 600
    assert (answer.status in HTTP_TEMPORARY) is (code in TEMPORARY)
    assert (answer.retry_after_s > 0) is (code in TEMPORARY)
    assert json.loads(answer.body)["message"]


def test_easysendsms_has_a_code_for_every_refusal() -> None:
    assert set(easysendsms.REFUSALS) == set(CODES)


@pytest.mark.parametrize("endpoint", list(Endpoint))
@pytest.mark.parametrize("code", CODES)
def test_easysendsms_says_try_again_exactly_when_it_helps(
    code: RefusalCode, endpoint: Endpoint
) -> None:
    answer = easysendsms.refused(Refusal(code, "balance of acme is 3 micros"), endpoint)
    assert 400 <= answer.status < 600
    assert (answer.status in HTTP_TEMPORARY) is (code in TEMPORARY)
    assert (answer.retry_after_s > 0) is (code in TEMPORARY)
    assert b"acme" not in answer.body


def test_mesms_has_words_for_every_refusal() -> None:
    assert set(mesms.REFUSALS) == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_mesms_says_try_again_exactly_when_it_helps(code: RefusalCode) -> None:
    answer = mesms.refused(Refusal(code, "balance of acme is 3 micros"))
    assert 400 <= answer.status < 600
    assert (answer.status in HTTP_TEMPORARY) is (code in TEMPORARY)
    assert (answer.retry_after_s > 0) is (code in TEMPORARY)
    assert json.loads(answer.body)["error"]
    assert b"acme" not in answer.body


def test_exotel_has_words_for_every_refusal() -> None:
    assert set(exotel.REFUSALS) == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_exotel_says_try_again_exactly_when_it_helps(code: RefusalCode) -> None:
    words = exotel.REFUSALS[code]
    fault = exotel.refused_fault(Refusal(code, "balance of acme is 3 micros"), "+4179")
    assert 400 <= fault.status < 600
    assert (fault.status in HTTP_TEMPORARY) is (code in TEMPORARY)
    assert (words.retry_after_s > 0) is (code in TEMPORARY)
    assert words.detail in DETAILS
    assert "acme" not in fault.message


def test_private_reasons_stay_private() -> None:
    for code in CODES:
        answer = exosend.refused_send(Refusal(code, "balance of acme is 3 micros"))
        assert b"acme" not in answer.body


# --- states -------------------------------------------------------------------------------------


def test_every_state_has_its_words_and_its_moves() -> None:
    assert set(WORDS) == set(MOVES) == set(STATES)
    assert {s for s in STATES if is_final(s)} == FINAL_STATES


def message(state: MessageState) -> Message:
    made = Message(
        1, Account(1, "acme"), None, Door.SMPP, "ACME", "41790000001", "hello", None,
        Alphabet.GSM7, 1, 0, MoneyState.NONE, NotifyWhen.ALWAYS, 1, 0, 0,
    )  # fmt: skip
    made.state = state
    return made


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
@pytest.mark.parametrize("with_tlvs", [False, True])
def test_a_smpp_receipt_of_every_final_state_can_be_read(
    state: MessageState, with_tlvs: bool
) -> None:
    pdu = smpp.encode_receipt(message(state), b"17", 5, with_tlvs=with_tlvs)
    receipt = smpp.receipt(decode_sm(pdu[16:]), "as_is")
    assert receipt is not None
    # ACCEPTD is the nearest that Appendix B has for "handed over": intermediate to its reader.
    expected = MessageState.SENT if state == MessageState.HANDED_OVER else state
    assert (receipt.provider_message_id, receipt.state) == ("17", expected)


@pytest.mark.parametrize("state", STATES)
def test_exosend_shows_every_state(state: MessageState) -> None:
    shown = json.loads(contract.render_status("id", state, "4179", 1, 1, 1000, 2000, "x"))["data"]
    assert shown["status"] in {"pending", "sent", "delivered", "failed"}
    assert (shown["error_message"] is not None) is (shown["status"] == "failed")
    assert (shown["delivered_at"] is not None) is (shown["status"] == "delivered")


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_a_webhook_tells_every_final_state(state: MessageState) -> None:
    subject = NoticeSubject("id", state, "4179", "ACME", 1, 1, "EUR", "", 1, 2, 3)
    assert json.loads(render_event(subject))["status"] == WORDS[state].word


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_an_easysendsms_report_tells_every_final_state(state: MessageState) -> None:
    subject = NoticeSubject("id", state, "4179", "ACME", 1, 1, "EUR", "", 1, 2, 3)
    words = dict(parse_qsl(render_report(subject).decode()))
    assert words["response"] == WORDS[state].easysendsms in {"DELIVRD", "EXPIRED", "UNDELIV"}


@pytest.mark.parametrize("value", list(WireState))
def test_every_message_state_of_a_smpp_provider_is_understood(value: WireState) -> None:
    """5.2.28, as a provider that sends no text says it."""
    pdu = smpp.encode_receipt(message(MessageState.UNKNOWN), b"17", 5, with_tlvs=True)
    sm = decode_sm(pdu[16:])
    sm.short_message = b""
    sm.tlvs = sm.tlvs[:-1] + bytes([value])
    receipt = smpp.receipt(sm, "as_is")
    assert receipt is not None
    fates = FINAL_STATES - {MessageState.HANDED_OVER}  # a provider's ACCEPTED is intermediate
    words = {WORDS[fate].smpp_message_state: fate for fate in fates}
    assert receipt.state == words.get(value, MessageState.SENT)

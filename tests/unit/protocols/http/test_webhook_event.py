import hashlib
import hmac

import pytest

from gateway.domain.fate import WORDS
from gateway.domain.lifecycle import MessageState
from protocols.http.notice import NoticeSubject
from protocols.http.webhook_event import RETRY_WAITS_S, render_event, sign

SUBJECT = NoticeSubject(
    public_id="00000000-0000-8000-8000-000000000001",
    state=MessageState.DELIVERED,
    recipient="37120000001",
    sender="Ä",
    parts=2,
    price_micros=70_000,
    currency="EUR",
    error="",
    accepted_at_ms=1_790_000_000_000,
    sent_at_ms=1_790_000_000_123,
    final_at_ms=1_790_000_005_001,
)


def test_the_body_is_octet_exact():
    assert render_event(SUBJECT).decode() == (
        '{"event":"message.status","id":"00000000-0000-8000-8000-000000000001",'
        '"status":"delivered","recipient":"+37120000001","sender":"Ä","parts":2,"price":"0.07",'
        '"currency":"EUR","error":null,"accepted_at":"2026-09-21T14:13:20.000Z",'
        '"sent_at":"2026-09-21T14:13:20.123Z","final_at":"2026-09-21T14:13:25.001Z"}'
    )


def test_what_is_not_known_is_null():
    body = render_event(SUBJECT._replace(sent_at_ms=0, error="no_route", price_micros=0))
    assert b'"sent_at":null' in body
    assert b'"error":"no_route"' in body
    assert b'"price":"0"' in body


@pytest.mark.parametrize("state", MessageState)
def test_every_state_has_its_word(state: MessageState):
    assert b'"status":"%b"' % WORDS[state].word.encode() in render_event(
        SUBJECT._replace(state=state)
    )


def test_the_signature_covers_time_and_body():
    expected = hmac.new(b"hunter2", b"1790000000.{}", hashlib.sha256).hexdigest()
    assert sign("hunter2", 1_790_000_000, b"{}") == "v1=" + expected
    others = {
        sign("hunter3", 1_790_000_000, b"{}"),
        sign("hunter2", 1_790_000_001, b"{}"),
        sign("hunter2", 1_790_000_000, b"{ }"),
    }
    assert len(others | {"v1=" + expected}) == 4


def test_the_waits_are_those_promised():
    assert RETRY_WAITS_S[:6] == (10, 30, 120, 600, 1800, 3600)
    assert 23 * 3600 < sum(RETRY_WAITS_S) <= 24 * 3600

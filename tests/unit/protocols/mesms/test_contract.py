import json
from typing import Any

import pytest

from gateway.domain.bulk import BulkQuote, BulkRecipient, BulkState, BulkView, RecipientState
from gateway.domain.identity import Origin, SenderState, SenderVerification, StoredSender
from gateway.domain.sms_text import Alphabet
from protocols.mesms import contract
from protocols.mesms.contract import InvalidParameters

NOW_MS = 1_777_600_800_000  # 2026-05-01T09:00:00+07:00
FORM: dict[str, Any] = {"sender": "MYBRAND", "content": "Hi", "msisdns": []}
S = RecipientState


def send_refusal(**changes: object) -> str:
    with pytest.raises(InvalidParameters) as caught:
        contract.parse_send(FORM | changes, NOW_MS)
    return str(caught.value)


def view_of(state: BulkState = BulkState.RUNNING, due_at_ms: int = 0, **counts: int) -> BulkView:
    of_states = {RecipientState[name.upper()]: count for name, count in counts.items()}
    return BulkView(
        1, 1, state, "MYBRAND", 'Say "hi"', sum(counts.values()), 2, 4_500_000, due_at_ms, NOW_MS,
        of_states,
    )  # fmt: skip


# --- send and preview ---------------------------------------------------------------------------


def test_a_whole_send() -> None:
    asked = contract.parse_send(
        {
            "sender": "MYBRAND",
            "templateId": 5,
            "variables": {"name": "Toon", "sum": 12, "rate": 0.5},
            "contactGroupId": 3,
            "scheduledTime": "2026-06-01T10:00:00+07:00",
            "dryRun": True,
        },
        NOW_MS,
    )
    assert asked.sender == "MYBRAND"
    assert asked.content == (None, 5, {"name": "Toon", "sum": "12", "rate": "0.5"})
    assert asked.contact_group_id == 3
    assert (asked.scheduled, asked.due_at_ms) == ("2026-06-01T10:00:00+07:00", 1_780_282_800_000)
    assert asked.is_dry_run


def test_a_short_send() -> None:
    asked = contract.parse_send(FORM, NOW_MS)
    assert asked == ("MYBRAND", ("Hi", None, {}), None, None, 0, False)


def test_null_counts_as_left_out() -> None:
    nothing = dict.fromkeys(
        ("templateId", "variables", "contactGroupId", "scheduledTime", "dryRun")
    )
    assert contract.parse_send(FORM | nothing, NOW_MS) == contract.parse_send(FORM, NOW_MS)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sender": None}, "sender is required."),
        ({"sender": ""}, "sender is required."),
        ({"sender": 7}, "sender must be a string."),
        ({"sender": "x" * 12}, "sender can have at most 11 characters."),
        ({"sender": "\x00"}, "sender cannot be stored as text."),
        ({"content": None}, "content or templateId is required."),
        ({"content": ""}, "content or templateId is required."),
        ({"content": ["Hi"]}, "content must be a string."),
        ({"content": "x" * 1001}, "content can have at most 1000 characters."),
        ({"content": "\ud800"}, "content cannot be stored as text."),
        ({"templateId": 5}, "content and templateId exclude each other."),
        ({"content": None, "templateId": "5"}, "templateId must be an integer."),
        ({"content": None, "templateId": 5.5}, "templateId must be an integer."),
        ({"content": None, "templateId": True}, "templateId must be an integer."),
        ({"content": None, "templateId": -1}, "templateId is out of range."),
        ({"content": None, "templateId": 2**63}, "templateId is out of range."),
        ({"variables": ["Toon"]}, "variables must be an object."),
        ({"variables": {"a": None}}, "The values of variables must be strings or numbers."),
        ({"variables": {"a": True}}, "The values of variables must be strings or numbers."),
        ({"variables": {"a": "\x00"}}, "A value of variables cannot be stored as text."),
        ({"msisdns": None}, "msisdns or contactGroupId is required."),
        ({"msisdns": "66812345678"}, "msisdns must be an array of strings."),
        ({"msisdns": {}}, "msisdns must be an array of strings."),
        ({"contactGroupId": "3"}, "contactGroupId must be an integer."),
        ({"scheduledTime": 1780282800}, "scheduledTime must be a string."),
        ({"scheduledTime": "2026-05-01T09:00:00+07:00"}, "scheduledTime must be in the future."),
        ({"scheduledTime": "2026-05-01T08:59"}, "scheduledTime must be in the future."),
        ({"dryRun": "yes"}, "dryRun must be true or false."),
        ({"dryRun": 1}, "dryRun must be true or false."),
    ],
    ids=str,
)
def test_rules_of_a_send(changes: dict[str, object], text: str) -> None:
    """3.1."""
    assert send_refusal(**changes) == text


def test_a_time_without_an_offset_is_thai() -> None:
    asked = contract.parse_send(FORM | {"scheduledTime": "2026-05-01T09:00:01"}, NOW_MS)
    assert asked.due_at_ms == NOW_MS + 1000


def test_a_time_that_is_none_is_explained() -> None:
    assert send_refusal(scheduledTime="tomorrow").startswith("scheduledTime must be an ISO 8601")


def test_a_preview_needs_no_sender() -> None:
    """3.2."""
    asked = contract.parse_preview({"sender": 17, "content": "Hi", "contactGroupId": 3})
    assert asked == (("Hi", None, {}), 3)


@pytest.mark.parametrize("missing", ["content", "msisdns"])
def test_a_preview_needs_the_rest(missing: str) -> None:
    with pytest.raises(InvalidParameters, match=f"{missing} or .* is required"):
        contract.parse_preview(FORM | {missing: None})


# --- placeholders -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Hello {{name}}!", "Hello Toon!"),
        ("{{name}}{{ name }}", "ToonToon"),
        ("{{code}}", "{{name}}"),  # what is filled in is not filled again
        ("{name} {{}} }}{{", "{name} {{}} }}{{"),
        ("{{{name}}}", "{Toon}"),
    ],
)
def test_placeholders_are_filled(text: str, filled: str) -> None:
    assert contract.fill(text, {"name": "Toon", "code": "{{name}}"}) == filled


def test_a_placeholder_without_a_value() -> None:
    with pytest.raises(InvalidParameters) as caught:
        contract.fill("{{name}} {{other}}", {"name": "Toon"})
    assert str(caught.value) == "variables has no value for {{other}}."


def test_the_length_counts_after_filling() -> None:
    assert len(contract.fill("{{a}}", {"a": "x" * 1000})) == 1000
    with pytest.raises(InvalidParameters, match="at most 1000 characters"):
        contract.fill("{{a}}!", {"a": "x" * 1000})


# --- queries ------------------------------------------------------------------------------------


def test_defaults_of_queries() -> None:
    assert contract.parse_page({}) == 1
    assert contract.parse_message_limit({}) == 20
    assert contract.parse_recipient_limit({}) == 100
    assert contract.parse_recipient_status({}) is None


@pytest.mark.parametrize("text", ["", "0", "-1", "+1", "1.0", "x", " 1", "\u0661", "9" * 20])
def test_numbers_of_queries(text: str) -> None:
    for parse, name in [
        (contract.parse_page, "page"),
        (contract.parse_message_limit, "limit"),
        (contract.parse_recipient_limit, "limit"),
    ]:
        with pytest.raises(InvalidParameters, match=f"{name} must be an integer from 1 to "):
            parse({name: text})


def test_limits_of_pages() -> None:
    assert contract.parse_message_limit({"limit": "100"}) == 100
    assert contract.parse_recipient_limit({"limit": "1000"}) == 1000
    for parse, most in [
        (contract.parse_message_limit, 100),
        (contract.parse_recipient_limit, 1000),
    ]:
        with pytest.raises(InvalidParameters, match=f"from 1 to {most}"):
            parse({"limit": str(most + 1)})


def test_cursors() -> None:
    assert contract.parse_after({"after": "0"}) == 0
    assert contract.parse_after({"after": "2000000"}) == 2_000_000
    for text in ("", "x", "-1", "null"):
        with pytest.raises(InvalidParameters, match="after must be an integer"):
            contract.parse_after({"after": text})


def test_recipient_filters() -> None:
    assert contract.parse_recipient_status({"status": "timeout"}) == "timeout"
    for text in ("", "sent", "SUCCESS"):
        with pytest.raises(InvalidParameters, match="one of pending, success, failed, invalid"):
            contract.parse_recipient_status({"status": text})


# --- answers ------------------------------------------------------------------------------------


def test_the_answer_to_a_send_repeats_the_time_as_written() -> None:
    view = view_of(BulkState.SCHEDULED, 1_780_282_800_000, pending=3)
    assert json.loads(contract.render_sent("u", view, "2026-06-01T10:00")) == {
        "uuid": "u", "status": "scheduled", "sender": "MYBRAND", "recipients": 3, "parts": 2,
        "credits": 4.5, "scheduledTime": "2026-06-01T10:00",
    }  # fmt: skip
    assert json.loads(contract.render_sent("u", view_of(pending=1), None))["status"] == "pending"


def test_quotes() -> None:
    quote = BulkQuote(3, 2, Alphabet.UCS2, 1, 2_000_000)
    expected = {"recipients": 3, "parts": 1, "credits": 2, "encoding": "UCS2", "length": 6}
    assert json.loads(contract.render_quote(quote, "สวัสดี")) == expected
    dry_run = json.loads(contract.render_quote(quote, "สวัสดี", is_dry_run=True))
    assert dry_run == expected | {"dryRun": True}


@pytest.mark.parametrize(
    ("view", "summary"),
    [
        (view_of(pending=1, delivered=1), None),
        (view_of(BulkState.SCHEDULED, NOW_MS + 1, pending=2), None),
        (
            view_of(delivered=5, failed=1, rejected=1, invalid=2, blocked=3, expired=4, unknown=6,
                    handed_over=1),
            {"pending": 0, "success": 5, "failed": 2, "invalid": 2, "blocked": 3, "expired": 4,
             "timeout": 7},
        ),
        (
            view_of(BulkState.CANCELLED, NOW_MS + 1, pending=2, invalid=1),
            {"pending": 0, "success": 0, "failed": 2, "invalid": 1, "blocked": 0, "expired": 0,
             "timeout": 0},
        ),
    ],
    ids=["underway", "scheduled", "over", "cancelled"],
)  # fmt: skip
def test_a_message_has_its_summary_once_nothing_more_comes(
    view: BulkView, summary: dict[str, int] | None
) -> None:
    shown = json.loads(contract.render_message("u", view))
    assert shown["drSummary"] == summary
    if summary is not None:
        assert {s: contract.status_count(view, s) for s in summary} == summary


def test_recipients_in_both_modes() -> None:
    view = view_of(pending=1, delivered=1)
    rows = [
        BulkRecipient(1, "66812345678", S.DELIVERED, NOW_MS + 7000),
        BulkRecipient(2, 'x"y', S.PENDING, 0),
    ]
    shown = {
        "data": [
            {
                "id": 1, "msisdn": "66812345678", "status": "success",
                "updatedAt": "2026-05-01T09:00:07+07:00",
            },
            {"id": 2, "msisdn": 'x"y', "status": "pending", "updatedAt": None},
        ],
        "summary": [{"status": "pending", "count": 1}, {"status": "success", "count": 1}],
    }  # fmt: skip
    after = json.loads(contract.render_recipients_after(view, rows, 2))
    assert after == shown | {"nextCursor": 2, "hasMore": True}
    last = json.loads(contract.render_recipients_after(view, rows, None))
    assert last == shown | {"nextCursor": None, "hasMore": False}
    page = json.loads(contract.render_recipients_page(view, rows, 2, 1, 100))
    assert page == shown | {"total": 2, "page": 1, "limit": 100}


def test_credit_is_a_number() -> None:
    assert contract.render_credit(1_234_500_000) == b'{"credit":1234.5}'
    assert contract.render_credit(-5_000_000) == b'{"credit":-5}'


def test_senders() -> None:
    row = StoredSender(
        7, 1, "MYBRAND", SenderState.APPROVED, SenderVerification.VERIFIED, "", Origin.FILE, False,
        0, 0, 0, 0, 0,
    )  # fmt: skip
    assert json.loads(contract.render_senders([row])) == {
        "data": [{"id": 7, "name": "MYBRAND", "status": "approved", "shared": False}]
    }

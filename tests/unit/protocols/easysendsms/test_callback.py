from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl

import pytest

from gateway.domain.lifecycle import FINAL_STATES, MessageState
from protocols.easysendsms.callback import ReportForm, render_report
from protocols.http.notice import NoticeRefused, NoticeSubject

URL = "https://customer.example.com/dlr?secret=s"
SENT_AT_MS = int(datetime(2024, 5, 24, 23, 23, 34, tzinfo=UTC).timestamp() * 1000) + 999


class Delivery(NamedTuple):
    id: int = 1
    message_key: int = 2
    account_id: int = 3
    kind: int = 2
    url: str = URL
    door_text: str = ""
    attempts: int = 0


def subject(
    state: MessageState = MessageState.DELIVERED, sent_at_ms: int = SENT_AT_MS
) -> NoticeSubject:
    return NoticeSubject(
        "fd940f38-151d-47f1-81b8-22d1220f7a55", state, "12345678900", "test", 1, 35_000, "EUR", "",
        SENT_AT_MS - 5000, sent_at_ms, SENT_AT_MS + 60_000,
    )  # fmt: skip


def test_the_example_of_the_vendor() -> None:
    """Percent escapes in upper case; parsers see no difference."""
    assert (
        render_report(subject()).decode().lower()
        == (
            "source=test&msisdn=12345678900&response=DELIVRD&sent_date=5%2f24%2f2024+11%3a23%3a34+PM"
            "&sms_id=fd940f38-151d-47f1-81b8-22d1220f7a55"
        ).lower()
    )


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_every_end_is_one_of_three(state: MessageState) -> None:
    response = dict(parse_qsl(render_report(subject(state)).decode()))["response"]
    expected = {
        MessageState.DELIVERED: "DELIVRD",
        MessageState.HANDED_OVER: "DELIVRD",
        MessageState.EXPIRED: "EXPIRED",
    }
    assert response == expected.get(state, "UNDELIV")


@pytest.mark.parametrize(
    ("hour", "text"),
    [(0, "12:00:00 AM"), (9, "9:00:00 AM"), (12, "12:00:00 PM"), (13, "1:00:00 PM")],
)
def test_hours(hour: int, text: str) -> None:
    at_ms = int(datetime(2026, 11, 3, hour, tzinfo=UTC).timestamp() * 1000)
    fields = dict(parse_qsl(render_report(subject(sent_at_ms=at_ms)).decode()))
    assert fields["sent_date"] == f"11/3/2026 {text}"


def test_what_was_never_sent_has_the_time_of_its_end() -> None:
    fields = dict(parse_qsl(render_report(subject(MessageState.EXPIRED, 0)).decode()))
    assert fields["sent_date"] == "5/24/2024 11:24:34 PM"


def test_the_request() -> None:
    form = ReportForm({3: URL}.get)  # type: ignore[arg-type]
    notice = form.notice(Delivery(), subject(), 0)
    assert notice.url == form.url(Delivery()) == URL
    assert notice.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert notice.body == render_report(subject())


@pytest.mark.parametrize("url", ["", "https://customer.example.com/other"])
def test_a_url_that_is_no_longer_configured(url: str) -> None:
    with pytest.raises(NoticeRefused, match="no longer configured"):
        ReportForm(lambda _: url).notice(Delivery(), subject(), 0)


def test_three_retries() -> None:
    assert [wait_s // 60 for wait_s in ReportForm.waits_s] == [1, 5, 30]

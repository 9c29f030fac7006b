import json
from typing import NamedTuple
from urllib.parse import parse_qs

import pytest

from gateway.domain.lifecycle import FINAL_STATES, MessageState
from protocols.exotel.callback import StatusCallbackForm
from protocols.exotel.contract import StatusCallback
from protocols.http.notice import NoticeRefused, NoticeSubject

URL = "https://example.com/dlr?k=1"
FORM = StatusCallbackForm()
SUBJECT = NoticeSubject(
    "0f477d60-517e-6e6a-0f6d-9a7e9af8630e", MessageState.DELIVERED, "919876543210", "ACME", 2,
    180_000, "EUR", "", 1_777_701_031_000, 1_777_701_033_000, 1_777_701_040_000,
)  # fmt: skip
FIELDS = {
    "SmsSid": "0f477d60517e6e6a0f6d9a7e9af8630e",
    "To": "09876543210",
    "Status": "sent",
    "SmsUnits": "2",
    "DetailedStatus": "DELIVERED_TO_HANDSET",
    "DetailedStatusCode": "20005",
    "DateSent": "2026-05-02 11:20:33",
}


class Delivery(NamedTuple):
    door_text: str
    id: int = 1
    message_key: int = 1
    account_id: int = 1
    kind: int = 1
    url: str = ""
    attempts: int = 0


def delivery(*, is_json: bool = False, custom_field: str | None = None) -> Delivery:
    return Delivery(StatusCallback(URL, is_json, custom_field).door_text())


def test_a_form_with_the_seven_fields() -> None:
    notice = FORM.notice(delivery(), SUBJECT, 0)
    assert (notice.url, notice.headers) == (
        URL,
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert {k: v[0] for k, v in parse_qs(notice.body.decode()).items()} == FIELDS


@pytest.mark.parametrize("is_json", [False, True])
@pytest.mark.parametrize("custom", ["order 7 & ü\n", ""])
def test_the_custom_field_comes_back_as_it_was(is_json: bool, custom: str) -> None:
    notice = FORM.notice(delivery(is_json=is_json, custom_field=custom), SUBJECT, 0)
    if is_json:
        fields = json.loads(notice.body)
    else:
        fields = {
            k: v[0] for k, v in parse_qs(notice.body.decode(), keep_blank_values=True).items()
        }
    assert fields == {**FIELDS, "CustomField": custom}


def test_json_when_it_was_asked_for() -> None:
    notice = FORM.notice(delivery(is_json=True), SUBJECT, 0)
    assert notice.headers == {"Content-Type": "application/json"}
    assert json.loads(notice.body) == FIELDS


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_every_end_is_told_as_one_of_the_final_words(state: MessageState) -> None:
    body = FORM.notice(delivery(is_json=True), SUBJECT._replace(state=state), 0).body
    assert json.loads(body)["Status"] in ("sent", "failed")


def test_a_message_that_never_left_has_the_epoch() -> None:
    body = FORM.notice(delivery(is_json=True), SUBJECT._replace(sent_at_ms=0), 0).body
    assert json.loads(body)["DateSent"] == "1970-01-01 05:30:00"


def test_the_url_is_the_one_of_the_message() -> None:
    assert FORM.url(delivery()) == URL


@pytest.mark.parametrize("text", ["", "x", "{}", "7", '["a"]'])
def test_without_its_door_text_there_is_nobody_to_tell(text: str) -> None:
    assert FORM.url(Delivery(text)) == ""
    with pytest.raises(NoticeRefused):
        FORM.notice(Delivery(text), SUBJECT, 0)


def test_the_retries() -> None:
    assert FORM.waits_s == (30, 120, 600, 1800)

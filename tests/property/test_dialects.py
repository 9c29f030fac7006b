"""Whatever a vendor answers, its dialect makes something of it: an error would stop the gateway.

One outcome for each message; receipts that can be stored; requests that can be sent.
"""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.outcome import Deferred, Refused, Sent, Unknown
from gateway.domain.receipt import Receipt
from gateway.domain.sms_text import is_storable
from protocols.easysendsms.dialect import EasySendDialect
from protocols.exosend.dialect import ExoSendAccess, ExoSendDialect
from protocols.exotel.dialect import ExotelDialect, ExotelUpstream
from protocols.http.dialect import Awaited, Dialect
from protocols.mesms.dialect import MeSmsAccess, MeSmsDialect
from tests.support.upstream import make_message

BASE = "https://vendor.example/base"
SECRET = "the-secret"
UUID = "2b1c8c5e-6a0e-4a0c-9a55-0d2f0f6f7a11"
NUMBERS = ["66812345678", "66898765432", "66800000001"]
DIALECTS: dict[str, Dialect] = {
    "exosend": ExoSendDialect(ExoSendAccess(base_url=BASE, token=SECRET)),
    "exotel": ExotelDialect(
        ExotelUpstream(base_url=BASE, account_sid="acme1", api_key="k", api_token=SECRET)
    ),
    "exotel polled": ExotelDialect(
        ExotelUpstream(
            base_url=BASE, account_sid="acme1", api_key="k", api_token=SECRET, callbacks=False
        )
    ),
    "mesms": MeSmsDialect(MeSmsAccess(base_url=BASE, api_key=SECRET)),
    "easysendsms": EasySendDialect(BASE, SECRET),
}

# Words of the four APIs, so that what is made up is nearly right.
WORDS = [
    "success", "data", "message_id", "messages", "recipient", "status", "errors", "error", "code",
    "message", "invalid_recipients", "message_ids", "delivered", "failed", "delivered_at", "balance",
    "SMSMessage", "SMSMessages", "RestException", "Sid", "SmsSid", "To", "Status", "Message",
    "DetailedStatus", "DetailedStatusCode", "DateUpdated", "sent", "uuid", "msisdn", "updatedAt",
    "nextCursor", "hasMore", "summary", "count", "pending", "credit", "messageIds", "OK: x",
    "ERR: 4012", "scheduled", "description", "id", "sms_id", "report", "sent_date", UUID, *NUMBERS,
    *(f"+{number}" for number in NUMBERS),
]  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(WORDS)
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=15,
)
json_bodies = values.map(lambda value: json.dumps(value).encode())
forms = st.lists(
    st.tuples(st.sampled_from(WORDS), st.text(string.printable, max_size=12)), max_size=6
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode())
bodies = st.binary(max_size=60) | json_bodies | forms
statuses = st.sampled_from([200, 201, 202, 207, 302, 400, 401, 402, 403, 404, 422, 429, 500, 503])
headers = st.sampled_from(
    [{}, {"Retry-After": "5"}, {"Retry-After": "soon"}, {"Content-Type": "application/json"},
     {"Content-Type": "application/x-www-form-urlencoded"}]
)  # fmt: skip

each_dialect = pytest.mark.parametrize("name", DIALECTS)


def check_receipts(receipts: Any) -> None:
    for receipt in receipts:
        assert type(receipt) is Receipt
        assert is_storable(receipt.provider_message_id)
        assert len(receipt.provider_message_id) <= 255
        assert is_storable(receipt.error)
        assert len(receipt.error) <= 32
        assert 0 <= receipt.done_at_ms < 2**53


@each_dialect
@given(count=st.integers(1, 3), status=statuses, header=headers, body=bodies)
def test_each_message_has_one_outcome(
    name: str, count: int, status: int, header: dict[str, str], body: bytes
) -> None:
    messages = [make_message(recipient=number) for number in NUMBERS[:count]]
    outcomes = DIALECTS[name].read_sent(messages, status, header, body)
    assert len(outcomes) == count
    for outcome in outcomes:
        if isinstance(outcome, Sent):
            assert is_storable(outcome.provider_message_id)
            assert len(outcome.provider_message_id) <= 255
        else:
            assert isinstance(outcome, Deferred | Refused | Unknown)
            assert outcome.error
            assert is_storable(outcome.error)
            assert len(outcome.error) <= 64


@each_dialect
@given(query=forms.map(lambda form: form.decode()), header=headers, body=bodies)
def test_a_callback_may_say_anything(
    name: str, query: str, header: dict[str, str], body: bytes
) -> None:
    read = DIALECTS[name].read_callback(query, header, body)
    check_receipts(read.receipts)
    assert read.unreadable >= 0


@each_dialect
@given(status=statuses, body=bodies)
def test_the_answer_to_a_poll_may_be_anything(name: str, status: int, body: bytes) -> None:
    dialect = DIALECTS[name]
    awaited = [Awaited(f"{UUID}/{number}", number, 0) for number in NUMBERS]
    calls = dialect.poll(awaited)
    assert len(calls) <= len(awaited)
    assert dialect.polls or not calls
    for call in calls:
        read = dialect.read_poll(call, awaited, status, body)
        check_receipts(read.receipts)
        assert {r.provider_message_id for r in read.receipts} <= {
            item.provider_message_id for item in awaited
        }
        assert read.retry_after_s >= 0
        for further in read.further:
            assert further.url.startswith("https://vendor.example/")


@each_dialect
@given(status=statuses, body=bodies)
def test_the_balance_may_be_anything(name: str, status: int, body: bytes) -> None:
    balance = DIALECTS[name].read_balance(status, body)
    assert balance is None or abs(balance) < 2**63


@each_dialect
@given(
    text=st.text(min_size=1, max_size=200).filter(is_storable),
    sender=st.text(string.ascii_letters + string.digits + " .-", min_size=1, max_size=11),
)
def test_what_is_fit_can_be_sent(name: str, text: str, sender: str) -> None:
    dialect = DIALECTS[name]
    messages = [make_message(text, sender=sender, recipient=number) for number in NUMBERS]
    if dialect.unfit(messages[0]) is not None:
        return
    assert len({dialect.together(message) for message in messages}) == 1
    some = messages[: dialect.most_together]
    call = dialect.send(some, "https://gw.example/callbacks/v/t")
    assert call.method in ("GET", "POST")
    assert call.url.startswith("https://vendor.example/base")
    assert call.url.isascii()
    assert SECRET not in call.url
    for header, value in call.headers.items():
        assert header.isascii()
        assert value.isprintable()
    assert call.body is None or isinstance(call.body, bytes)


@each_dialect
def test_the_origin_is_for_people_to_read(name: str) -> None:
    assert DIALECTS[name].origin == "https://vendor.example"

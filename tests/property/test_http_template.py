"""Whatever a provider says, a template gives an outcome or receipts, and never an exception."""

import json
from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.lifecycle import MessageState
from gateway.domain.outcome import Deferred, Refused, Sent, Unknown
from gateway.domain.sms_text import is_storable
from tests.support.clock import START_MS
from tests.support.http_templates import make_template
from tests.support.upstream import make_message

_RECEIPT = {
    "id": "m.id", "state": "m.state", "error": "m.error", "at": "m.at", "token": "t",
    "states": {"delivered": ("ok", 1), "failed": ("no",)},
}  # fmt: skip
TEMPLATES = [
    make_template(
        success={"path": "status", "equals": ("ok", 0)},
        id=id,
        errors=({"class": "refused", "path": "m.error"}, {"class": "throttled", "text": "busy"}),
        receipt={**_RECEIPT, **receipt},
    )
    for id, receipt in (
        ({"path": "m.id"}, {}),
        ({"header": "X-Id"}, {"format": "form"}),
        ({"regex": "id=(.*)"}, {"format": "query"}),
        ({"path": "m.0"}, {"many": "m", "id": "id", "state": "state"}),
    )
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["m", "id", "state", "status", "error", "at"]), inner)
    ),
    max_leaves=12,
)
bodies = st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode())
header_sets = st.dictionaries(st.sampled_from(["X-Id", "x-id", "Other"]), st.text(max_size=20))


@given(st.sampled_from(TEMPLATES), st.integers(100, 599), header_sets, bodies)
def test_any_answer_is_an_outcome_that_can_be_stored(template, status, headers, body):
    outcome = template.read_answer(status, headers, body)
    if isinstance(outcome, Sent):
        assert is_storable(outcome.provider_message_id)
        assert len(outcome.provider_message_id) <= 255
    else:
        assert isinstance(outcome, (Deferred, Refused, Unknown))
        assert is_storable(outcome.error)
        assert 0 < len(outcome.error) <= 64


@given(st.sampled_from(TEMPLATES), st.text(max_size=100), bodies)
def test_any_callback_gives_receipts_that_can_be_stored(template, query, body):
    read = template.read_receipts(query, body)
    for receipt in read.receipts:
        assert receipt.provider_message_id
        assert is_storable(receipt.provider_message_id + receipt.error)
        assert len(receipt.provider_message_id) <= 255
        assert len(receipt.error) <= 32
        assert receipt.state in MessageState
        assert 0 <= receipt.done_at_ms < 2**63


storable_text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60)


@given(storable_text, storable_text)
def test_text_and_sender_arrive_as_they_left(text, sender):
    message = make_message(text, sender=sender)
    fields = {"text": "{text}", "from": "<{from}>"}

    request = make_template(fields=fields).build_request(message, 0, START_MS, "")
    assert json.loads(request.body) == {"text": text, "from": f"<{sender}>"}

    request = make_template(body="form", fields=fields).build_request(message, 0, START_MS, "")
    form = parse_qs(request.body.decode("ascii"), keep_blank_values=True)
    assert form == {"text": [text], "from": [f"<{sender}>"]}

    template = make_template(url="https://carrier.example/{from}/x", query=fields, body="none")
    url = template.build_request(message, 0, START_MS, "").url
    parts = urlsplit(url)
    assert url.isascii()
    assert parts.netloc == "carrier.example"
    assert parts.path.count("/") == 2
    assert parse_qs(parts.query, keep_blank_values=True) == form

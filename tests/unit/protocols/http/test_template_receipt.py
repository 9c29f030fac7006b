from typing import Any

import pytest

from gateway.domain.lifecycle import MessageState
from protocols.http.template_problems import TemplateError, TemplateProblems
from protocols.http.template_receipt import (
    MAX_FIELDS,
    STATES,
    ReceiptAnswer,
    ReceiptReader,
    ReceiptSpec,
)

WORDS: dict[str, Any] = {"delivered": ("DELIVRD", 1), "failed": ("undeliv",), "sent": ("enroute",)}


def reader(**spec: Any) -> ReceiptReader:
    problems = TemplateProblems()
    made = ReceiptReader(
        ReceiptSpec(**{"id": "id", "state": "state", "states": WORDS, "token": "t", **spec}),
        problems,
    )
    problems.raise_any()
    return made


def test_json_by_path():
    made = reader(id="m.id", state="m.state", error="m.err", at="m.at")
    read = made.read(
        "", b'{"m":{"id":5,"state":"DELIVRD","err":0,"at":"2026-09-22T11:30:05+02:00"}}'
    )
    (receipt,) = read.receipts
    assert (receipt.provider_message_id, receipt.state) == ("5", MessageState.DELIVERED)
    assert (receipt.error, receipt.done_at_ms) == ("0", 1790069405000)


def test_form_and_query_by_field_name():
    form = reader(format="form", id="data[id]")
    assert (
        form.read("id=no", b"data%5Bid%5D=a+b&state=undeliv").receipts[0].provider_message_id
        == "a b"
    )
    query = reader(format="query")
    assert query.read("id=7&state=undeliv", b"id=no").receipts[0].state == MessageState.FAILED


def test_many_receipts_in_one_callback():
    made = reader(many="results")
    read = made.read(
        "", b'{"results":[{"id":"a","state":"DELIVRD"},{"id":"b"},{"id":"c","state":1}]}'
    )
    assert [receipt.provider_message_id for receipt in read.receipts] == ["a", "c"]
    assert read.unreadable == 1


def test_many_receipts_as_the_body_itself():
    made = reader(many="$")
    assert len(made.read("", b'[{"id":"a","state":1},{"id":"b","state":1}]').receipts) == 2
    assert made.read("", b"[]") == ([], 0)
    assert made.read("", b"{}") == ([], 1)


def test_words_compare_without_regard_to_case():
    assert (
        reader().read("", b'{"id":"a","state":"DelivRD"}').receipts[0].state
        == MessageState.DELIVERED
    )


def test_a_word_nobody_mapped_ends_nothing_and_is_shown():
    (receipt,) = reader().read("", b'{"id":"a","state":"ODD"}').receipts
    assert (receipt.state, receipt.error) == (MessageState.SENT, "ODD")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b'{"id":"a"}', b'{"id":"","state":"x"}', b'{"state":"DELIVRD"}',
     b'{"id":{},"state":"DELIVRD"}', b'{"id":"a","state":null}', b'{"id":"\\ud800","state":"x"}'],
)  # fmt: skip
def test_without_id_or_state_there_is_no_receipt(body: bytes):
    assert reader().read("", body) == ([], 1)


def test_too_many_fields_are_unreadable():
    body = b"id=a&state=DELIVRD" + b"&x=1" * MAX_FIELDS
    assert reader(format="form").read("", body) == ([], 1)


def test_the_error_is_bounded():
    (receipt,) = (
        reader(error="e").read("", b'{"id":"a","state":1,"e":"' + b"x" * 99 + b'"}').receipts
    )
    assert receipt.error == "x" * 32


@pytest.mark.parametrize(
    ("at", "done_at_ms"),
    [
        ('"2026-09-22T11:30:05Z"', 1790076605000),
        ('"2026-09-22 11:30:05"', 1790076605000),
        ('"2026-09-22"', 1790035200000),
        ("1790076605", 1790076605000),
        ('"1790076605"', 1790076605000),
        ("1790076605123", 1790076605123),
        ("1790076605.5", 1790076605500),
        ("-1", 0),
        ("NaN", 0),
        ("1e300", 0),
        ('"0001-01-01T00:00:00+14:00"', 0),
        ('"yesterday"', 0),
        ("null", 0),
        ("[]", 0),
    ],
)
def test_the_providers_time(at: str, done_at_ms: int):
    body = f'{{"id":"a","state":1,"at":{at}}}'.encode()
    assert reader(at="at").read("", body).receipts[0].done_at_ms == done_at_ms


def test_every_state_can_be_said():
    made = reader(states={name: (name,) for name in STATES})
    for name, state in STATES.items():
        assert made.read("", b'{"id":"a","state":"%b"}' % name.encode()).receipts[0].state == state


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        ({"format": "xml"}, "receipt.format"),
        ({"format": "form", "many": "x"}, "receipt.many"),
        ({"token": ""}, "receipt.token"),
        ({"answer": ReceiptAnswer(status=404)}, "receipt.answer.status"),
        ({"id": ""}, "receipt.id"),
        ({"id": "", "format": "query"}, "receipt.id"),
        ({"error": "a..b"}, "receipt.error"),
        ({"states": {"delivered": ("x",), "gone": ("y",)}}, "receipt.states.gone"),
        ({"states": {"delivered": ("x",), "failed": ("X",)}}, "receipt.states.failed"),
        ({"states": {"failed": ("x",)}}, "receipt.states.delivered"),
    ],
)
def test_a_mistake_is_named_with_its_key(spec: dict[str, Any], key: str):
    with pytest.raises(TemplateError) as raised:
        reader(**spec)
    assert key in [problem.key for problem in raised.value.problems]


def test_the_token_is_not_shown():
    assert "hunter2" not in repr(ReceiptSpec(id="a", state="b", states={}, token="hunter2"))

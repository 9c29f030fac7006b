import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from protocols.http.template import HttpTemplate
from protocols.http.template_problems import TemplateError
from tests.support.clock import START_MS
from tests.support.http_templates import make_template, template_spec
from tests.support.upstream import make_message

VECTORS = Path(__file__).parents[3] / "vectors" / "http_provider"
DIALECTS = sorted(path.stem for path in VECTORS.glob("*.toml"))
CALLBACK_URL = "https://gw.example/callbacks/x/t"


def load(dialect: str) -> tuple[HttpTemplate, dict[str, Any]]:
    vector = tomllib.loads((VECTORS / f"{dialect}.toml").read_text())
    return HttpTemplate(template_spec(vector["provider"])), vector


def build(template: HttpTemplate, text: str = "hello", part: int = 0, **message: Any) -> Any:
    return template.build_request(make_message(text, **message), part, START_MS, CALLBACK_URL)


def body(template: HttpTemplate, text: str = "hello", part: int = 0, **message: Any) -> Any:
    return json.loads(build(template, text, part, **message).body)


# --- golden dialects ----------------------------------------------------------------------------


def test_the_dialects_are_found():
    assert DIALECTS == ["clickatell", "twilio", "vonage"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_request_is_octet_exact(dialect: str):
    template, vector = load(dialect)
    request = template.build_request(make_message(**vector["message"]), 0, START_MS, CALLBACK_URL)
    expected = vector["request"]
    assert request.method == expected["method"]
    assert request.url == expected["url"]
    assert request.headers == expected["headers"]
    assert (request.body or b"").decode() == expected.get("body", "")


@pytest.mark.parametrize(
    ("dialect", "number"),
    [(name, n) for name in DIALECTS for n in range(len(load(name)[1]["answer"]))],
)
def test_the_answer_means(dialect: str, number: int):
    template, vector = load(dialect)
    answer = vector["answer"][number]
    outcome = template.read_answer(answer["status"], {}, answer["body"].encode())
    assert repr(outcome) == answer["outcome"]


@pytest.mark.parametrize(
    ("dialect", "number"),
    [(name, n) for name in DIALECTS for n in range(len(load(name)[1]["callback"]))],
)
def test_the_callback_means(dialect: str, number: int):
    template, vector = load(dialect)
    callback = vector["callback"][number]
    read = template.read_receipts(callback.get("query", ""), callback.get("body", "").encode())
    assert [repr(receipt) for receipt in read.receipts] == callback["receipts"]
    assert read.unreadable == callback["unreadable"]
    if "done_at_ms" in callback:
        assert [receipt.done_at_ms for receipt in read.receipts] == callback["done_at_ms"]


# --- requests -----------------------------------------------------------------------------------


def test_every_placeholder_has_its_value():
    template = make_template(
        fields={
            "a": ["{to}", "{to_plus}", "{from}", "{text}", "{message_id}"],
            "b": {"c": ["{alphabet}", "{callback_url}", "{secret.KEY}"]},
            "numbers": ["{parts}", "{part}", "{validity_s}"],
            "mixed": "{part}/{parts}",
            "constants": [1, 2.5, True, "{{x}}"],
        },
        secrets={"KEY": "k{to}"},
        receipt={"id": "id", "state": "s", "states": {"delivered": ("ok",)}, "token": "t"},
    )
    assert body(template, "hi", key=255) == {
        "a": ["37120000001", "+37120000001", "ACME", "hi", "00000000000000ff"],
        "b": {"c": ["gsm", CALLBACK_URL, "k{to}"]},
        "numbers": [1, 1, 3600],
        "mixed": "1/1",
        "constants": [1, 2.5, True, "{x}"],
    }


def test_the_whole_text_travels_in_one_request_when_the_provider_splits():
    template = make_template(fields={"text": "{text}", "parts": "{parts}"})
    assert template.whole_text
    assert body(template, "x" * 200) == {"text": "x" * 200, "parts": 2}


def test_each_part_has_its_own_text_when_the_gateway_splits():
    template = make_template(split="gateway", fields={"text": "{text}", "part": "{part}"})
    assert not template.whole_text
    assert body(template, "x" * 200, 0) == {"text": "x" * 153, "part": 1}
    assert body(template, "x" * 200, 1) == {"text": "x" * 47, "part": 2}


def test_the_alphabet_of_a_text_outside_gsm_is_ucs2():
    assert body(make_template(fields={"a": "{alphabet}"}), "ā") == {"a": "ucs2"}


def test_the_validity_is_never_below_a_second():
    template = make_template(fields={"v": "{validity_s}"})
    assert body(template, expires_at_ms=START_MS - 5000) == {"v": 1}


def test_a_text_body_is_rendered_as_written():
    template = make_template(body="text", text="<to>{to}</to>")
    request = build(template)
    assert request.body == b"<to>37120000001</to>"
    assert request.headers == {"Content-Type": "text/plain; charset=utf-8"}


def test_an_own_content_type_is_kept():
    template = make_template(body="text", text="<x/>", headers={"content-type": "application/xml"})
    assert build(template).headers == {"content-type": "application/xml"}


def test_form_numbers_and_booleans_are_text():
    template = make_template(body="form", fields={"n": 3, "yes": True, "part": "{part}"})
    assert build(template).body == b"n=3&yes=true&part=1"


def test_values_in_the_path_cannot_leave_their_segment():
    template = make_template(url="https://carrier.example/send/{from}?x={text}")
    request = build(template, "a&b=c#d", sender="../admin?")
    assert request.url == "https://carrier.example/send/..%2Fadmin%3F?x=a%26b%3Dc%23d"


def test_the_query_continues_one_in_the_url():
    template = make_template(url="https://carrier.example/?a=1", query={"b c": "{to}"})
    assert build(template).url == "https://carrier.example/?a=1&b%20c=37120000001"


def test_a_value_cannot_start_another_header():
    template = make_template(headers={"X-Text": "{text}"})
    assert build(template, "a\r\nX-Evil: 1").headers["X-Text"] == "a  X-Evil: 1"


def test_a_message_without_text_has_no_request():
    template = make_template()
    with pytest.raises(ValueError, match="text only"):
        template.build_request(make_message(None), 0, START_MS, "")


def test_the_origin_shows_no_secret():
    template, _ = load("twilio")
    assert template.origin == "https://api.twilio.com"
    assert "p:w" not in repr(template_spec({"url": "https://x/", "secrets": {"T": "p:w"}}))


def test_whether_a_callback_url_is_needed():
    receipt = {"id": "id", "state": "s", "states": {"delivered": ("ok",)}, "token": "t"}
    assert not make_template(receipt=receipt).needs_callback_url
    for block in (
        {"fields": {"a": [{"b": "{callback_url}"}]}},
        {"headers": {"X-Callback": "{callback_url}"}},
        {"query": {"cb": "{callback_url}"}},
        {"url": "https://carrier.example/{callback_url}"},
        {"body": "text", "text": "{callback_url}"},
    ):
        assert make_template(receipt=receipt, **block).needs_callback_url, block


def test_without_receipts_a_callback_is_unreadable():
    assert make_template().read_receipts("id=1", b"{}") == ([], 1)


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "key", "reason"),
    [
        ({"fields": {"a": {"b": ["{txt}"]}}}, "fields.a.b[0]", "unknown placeholder {txt}"),
        ({"headers": {"X-Key": "{secret.NO}"}}, "headers.X-Key", "unknown secret"),
        ({"query": {"q": "{to"}}, "query.q", 'single "{"'),
        ({"fields": {"a": "to}"}}, "fields.a", 'single "}"'),
        ({"url": "ftp://carrier.example/"}, "url", "must begin with"),
        ({"url": "https://{to}.example/"}, "url", "only {secret.NAME}"),
        ({"url": "https://carrier.example/a b"}, "url", "percent-encoded"),
        ({"url": "https://carrier.example/#x"}, "url", "fragment"),
        ({"url": "https:///send"}, "url", "names no host"),
        ({"method": "DELETE"}, "method", "not one of"),
        ({"body": "xml"}, "body", "not one of"),
        ({"method": "GET"}, "body", "a GET request has none"),
        ({"split": "never"}, "split", "not"),
        ({"body": "none", "fields": {"a": "b"}}, "fields", "would not be sent"),
        ({"text": "hello"}, "text", "would not be sent"),
        ({"body": "form", "fields": {"a": {"b": "c"}}}, "fields.a", "flat"),
        ({"fields": {"a": float("nan")}}, "fields.a", "no JSON form"),
        ({"fields": {"a": None}}, "fields.a", "no JSON form"),
        ({"headers": {"X Y": "z"}}, "headers.X Y", "not a header"),
        ({"headers": {"Content-Length": "3"}}, "headers.Content-Length", "not a header"),
        ({"headers": {"X": "a\nb"}}, "headers.X", "control character"),
        ({"fields": {"cb": "{callback_url}"}}, "receipt", "missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_key(block: dict[str, Any], key: str, reason: str):
    with pytest.raises(TemplateError) as raised:
        make_template(**block)
    assert [problem.key for problem in raised.value.problems] == [key]
    assert reason in raised.value.problems[0].reason


def test_all_mistakes_are_named_at_once():
    with pytest.raises(TemplateError) as raised:
        make_template(
            fields={"a": "{x}"}, query={"b": "{y}"}, success={"status": (99,)}, id={},
            errors=({"class": "gone", "status": (500,)},),
        )  # fmt: skip
    assert {problem.key for problem in raised.value.problems} == {
        "fields.a", "query.b", "success.status", "id", "errors[0].class",
    }  # fmt: skip


def test_a_secret_never_stands_in_a_mistake():
    with pytest.raises(TemplateError) as raised:
        make_template(
            url="https://{secret.KEY}@/{oops}", secrets={"KEY": "hunter2"}, headers={"A": "{nope}"}
        )
    assert "hunter2" not in str(raised.value)

from typing import Any

import pytest

from protocols.http.template_answer import AnswerReader, ErrorSpec, IdSpec, SuccessSpec
from protocols.http.template_problems import TemplateError, TemplateProblems


def reader(
    *errors: ErrorSpec, success: SuccessSpec | None = None, id: IdSpec | None = None
) -> AnswerReader:
    problems = TemplateProblems()
    made = AnswerReader(success or SuccessSpec(), id, errors, problems)
    problems.raise_any()
    return made


def outcome(made: AnswerReader, status: int, body: str = "", headers: Any = None) -> str:
    return repr(made.read(status, headers or {}, body.encode()))


SAYS_OK = SuccessSpec(path="status", equals=("ok", 0))


# --- success and id -----------------------------------------------------------------------------


@pytest.mark.parametrize("body", ['{"status":"ok"}', '{"status":0}', '{"status":"0"}'])
def test_a_listed_value_means_yes(body: str):
    assert outcome(reader(success=SAYS_OK), 200, body) == "Sent('')"


@pytest.mark.parametrize("body", ['{"status":"OK"}', '{"status":false}', '{"status":null}'])
def test_another_value_means_no(body: str):
    assert outcome(reader(success=SAYS_OK), 200, body).startswith("Refused('http_200")


def test_a_value_that_is_not_there_tells_nothing():
    assert outcome(reader(success=SAYS_OK), 200, '{"result":1}') == "Unknown('answer_unreadable')"


def test_a_status_class_can_mean_yes():
    made = reader(success=SuccessSpec(status=("2xx",)))
    assert outcome(made, 207) == "Sent('')"
    assert outcome(made, 300) == "Deferred('http_300', throttled=False)"


def test_the_id_by_path_header_or_regex():
    assert outcome(reader(id=IdSpec(path="m.id")), 200, '{"m":{"id":17}}') == "Sent('17')"
    made = reader(id=IdSpec(header="X-Message-Id"))
    assert outcome(made, 202, "", {"x-message-ID": "abc"}) == "Sent('abc')"
    assert outcome(reader(id=IdSpec(regex="id=(\\d+)")), 200, "ok id=12") == "Sent('12')"
    assert outcome(reader(id=IdSpec(regex="[0-9a-f]{8}")), 200, "ok 12345678") == "Sent('12345678')"


@pytest.mark.parametrize(
    "body", ["{}", '{"id":null}', '{"id":""}', '{"id":{}}', '{"id":"\\u0000"}']
)
def test_a_readable_success_without_an_id_is_not_sent_twice(body: str):
    assert outcome(reader(id=IdSpec(path="id")), 200, body) == "Sent('')"


def test_a_header_that_is_missing_is_not_sent_twice():
    assert outcome(reader(id=IdSpec(header="X-Id")), 200, "") == "Sent('')"


@pytest.mark.parametrize("id", [IdSpec(path="id"), IdSpec(regex="ID: (.+)")])
def test_garbage_instead_of_an_id_tells_nothing(id: IdSpec):
    assert outcome(reader(id=id), 200, "<html>") == "Unknown('answer_unreadable')"


def test_without_an_id_rule_the_body_does_not_matter():
    assert outcome(reader(), 200, "<html>") == "Sent('')"


# --- error rules --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("throttled", "Deferred('http_400', throttled=True)"),
        ("deferred", "Deferred('http_400', throttled=False)"),
        ("refused", "Refused('http_400', everywhere=False)"),
        ("refused_everywhere", "Refused('http_400', everywhere=True)"),
        ("unknown", "Unknown('http_400')"),
    ],
)
def test_each_class(name: str, result: str):
    assert outcome(reader(ErrorSpec(error_class=name, status=(400,))), 400) == result


def test_the_first_rule_that_matches_decides():
    made = reader(
        ErrorSpec(error_class="deferred", status=(400,), path="code", equals=(7,)),
        ErrorSpec(error_class="refused_everywhere", status=("4xx",), text="(?i)invalid number"),
        ErrorSpec(error_class="unknown", status=("4xx", 500)),
    )
    assert outcome(made, 400, '{"code":7}') == "Deferred('http_400 7', throttled=False)"
    assert outcome(made, 404, "Invalid Number") == "Refused('http_404', everywhere=True)"
    assert outcome(made, 429) == "Unknown('http_429')"
    assert outcome(made, 500) == "Unknown('http_500')"
    assert outcome(made, 501) == "Deferred('http_501', throttled=False)"


def test_a_path_alone_asks_that_something_stands_there():
    made = reader(ErrorSpec(error_class="refused", path="error"), success=SAYS_OK)
    assert outcome(made, 200, '{"error":"x"}') == "Refused('http_200 x', everywhere=False)"
    assert outcome(made, 200, '{"error":null}') == "Unknown('answer_unreadable')"


def test_a_success_is_no_error_whatever_its_text():
    made = reader(ErrorSpec(error_class="refused", text="balance"), id=IdSpec(path="id"))
    assert outcome(made, 200, '{"id":"a","balance":1}') == "Sent('a')"


def test_a_success_without_its_id_may_be_an_error():
    made = reader(ErrorSpec(error_class="refused", text="^ERR"), id=IdSpec(regex="^ID (.*)"))
    assert outcome(made, 200, "ERR 1") == "Refused('http_200', everywhere=False)"


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (204, "Unknown('answer_unreadable')"),
        (302, "Deferred('http_302', throttled=False)"),
        (400, "Refused('http_400', everywhere=False)"),
        (401, "Refused('http_401', everywhere=False)"),
        (408, "Deferred('http_408', throttled=False)"),
        (429, "Deferred('http_429', throttled=True)"),
        (500, "Deferred('http_500', throttled=False)"),
        (599, "Deferred('http_599', throttled=False)"),
    ],
)
def test_without_a_rule_the_status_decides(status: int, result: str):
    assert outcome(reader(), status) == result


def test_the_error_is_short_and_one_line():
    made = reader(ErrorSpec(error_class="refused", path="e"))
    result = made.read(400, {}, b'{"e":"' + b"a\\n" * 100 + b'"}')
    assert len(result.error) == 64
    assert "\n" not in result.error


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        ({"success": SuccessSpec(status=())}, "success.status"),
        ({"success": SuccessSpec(status=("20x",))}, "success.status"),
        ({"success": SuccessSpec(status=(600,))}, "success.status"),
        ({"success": SuccessSpec(path="status")}, "success.equals"),
        ({"success": SuccessSpec(equals=("ok",))}, "success.equals"),
        ({"success": SuccessSpec(path="a..b", equals=("ok",))}, "success.path"),
        ({"id": IdSpec()}, "id"),
        ({"id": IdSpec(path="a", header="b")}, "id"),
        ({"id": IdSpec(path="a.")}, "id.path"),
        ({"id": IdSpec(regex="(")}, "id.regex"),
    ],
)
def test_a_mistake_in_success_or_id(spec: dict[str, Any], key: str):
    with pytest.raises(TemplateError) as raised:
        reader(**spec)
    assert [problem.key for problem in raised.value.problems] == [key]


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        (ErrorSpec(error_class="lost", status=(500,)), "errors[0].class"),
        (ErrorSpec(error_class="refused"), "errors[0]"),
        (ErrorSpec(error_class="refused", status=("xx",)), "errors[0].status"),
        (ErrorSpec(error_class="refused", text="["), "errors[0].text"),
        (ErrorSpec(error_class="refused", status=(400,), equals=(1,)), "errors[0].equals"),
    ],
)
def test_a_mistake_in_a_rule(rule: ErrorSpec, key: str):
    with pytest.raises(TemplateError) as raised:
        reader(rule)
    assert [problem.key for problem in raised.value.problems] == [key]

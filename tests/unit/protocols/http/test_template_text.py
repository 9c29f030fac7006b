import pytest

from protocols.http.template_problems import TemplateProblems
from protocols.http.template_text import (
    PLACEHOLDERS,
    TemplateText,
    TemplateTree,
    as_written,
    one_line,
    percent_encoded,
)

VALUES = dict.fromkeys(PLACEHOLDERS, "v") | {"to": "371", "text": "a/b", "part": 2}


def render(source: str, escape=as_written, **secrets: str) -> str:
    return TemplateText(source, secrets, escape).render(VALUES)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{to}", "371"),
        ("<{to}{part}>", "<3712>"),
        ("{{to}}", "{to}"),
        ("{{{to}}}", "{371}"),
        ("{{}}", "{}"),
        ("{secret.A}", "s"),
    ],
)
def test_render(source: str, text: str):
    assert render(source, A="s") == text


@pytest.mark.parametrize(
    "source", ["{", "}", "{to", "to}", "{}", "{ to }", "{secret.B}", "{secret.}"]
)
def test_a_wrong_brace_or_name_is_refused(source: str):
    with pytest.raises(ValueError, match=r"twice for a brace|unknown"):
        render(source, A="s")


def test_values_and_secrets_are_escaped_and_literals_are_not():
    assert render("/{text}/{secret.A}", percent_encoded, A="x/y") == "/a%2Fb/x%2Fy"


def test_a_secret_with_braces_is_no_template():
    assert render("{secret.A}", A="{to}") == "{to}"


def test_one_line_replaces_every_control_character():
    assert one_line("a\r\n\x00\x7fb") == "a    b"


def test_a_lone_number_keeps_its_type_in_a_tree():
    problems = TemplateProblems()
    tree = TemplateTree({"n": "{part}", "t": "{to}", "s": " {part}", "l": ["{part}"]}, {}, problems)
    problems.raise_any()
    assert tree.render(VALUES) == {"n": 2, "t": "371", "s": " 2", "l": [2]}


def test_a_tree_knows_what_it_uses():
    tree = TemplateTree({"a": [{"b": "{to}"}]}, {}, TemplateProblems())
    assert tree.uses("to")
    assert not tree.uses("text")

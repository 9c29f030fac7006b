import pytest

from protocols.http.template_problems import TemplateError, TemplateProblem, TemplateProblems


def test_attempt_gives_the_value_or_notes_the_reason():
    problems = TemplateProblems()
    assert problems.attempt("a", 0, int, "12") == 12
    problems.raise_any()
    assert problems.attempt("b", 7, int, "x") == 7
    with pytest.raises(TemplateError, match="b: invalid literal"):
        problems.raise_any()


def test_the_same_mistake_counts_once():
    problems = TemplateProblems()
    problems.add("url", "bad")
    problems.add("url", "bad")
    problems.add("url", "worse")
    with pytest.raises(TemplateError) as raised:
        problems.raise_any()
    assert raised.value.problems == (TemplateProblem("url", "bad"), TemplateProblem("url", "worse"))
    assert str(raised.value) == "url: bad; url: worse"

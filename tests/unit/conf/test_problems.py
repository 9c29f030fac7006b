import pytest
from pydantic import ValidationError

from conf.http_provider import HttpProviderSettings
from conf.problems import Problem, SettingsError, key_path, problems_of
from conf.section import Source


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        ((), ""),
        (("listen", "http"), "listen.http"),
        (("account", 0, "smpp", 1, "window"), "account[0].smpp[1].window"),
        (("tiers", 0, 1), "tiers[0][1]"),
    ],
)
def test_key_path(steps: tuple[str | int, ...], path: str) -> None:
    assert key_path(*steps) == path


def test_a_problem_reads_as_file_key_reason() -> None:
    assert str(Problem("p.toml", "log.level", "is wrong")) == "p.toml: log.level: is wrong"
    assert str(Problem("p.toml", "", "is not valid TOML")) == "p.toml: is not valid TOML"


def test_an_error_shows_all_its_problems() -> None:
    error = SettingsError(iter([Problem("f", "a", "x"), Problem("f", "b", "y")]))
    assert str(error) == "f: a: x\nf: b: y"
    assert len(error.problems) == 2


def test_reasons_are_about_the_value_and_never_show_it(tmp_path) -> None:
    table = {
        "name": "p",
        "wire": "http",
        "url": 3,
        "method": "FETCH",
        "window": 0,
        "timeout_s": "soon",
        "headers": "none",
        "errors": 3,
        "success": {"stat": 1},
        "receipt": {"id": "i", "states": {"deliverd": ["x"]}, "tken": "t"},
    }
    with pytest.raises(ValidationError) as caught:
        HttpProviderSettings.model_validate(table, context=Source(tmp_path, {}))
    problems = problems_of(caught.value, HttpProviderSettings, "f", ("provider", 2))
    assert {problem.key.removeprefix("provider[2]."): problem.reason for problem in problems} == {
        "url": "must be a valid string",
        "method": "must be 'GET', 'POST', 'PUT' or 'PATCH'",
        "window": "must be greater than or equal to 1",
        "timeout_s": "must be a valid integer",
        "headers": "must be a table",
        "errors": "must be an array",
        "success.stat": "is not a known key; did you mean status?",
        "receipt.state": "is missing",
        "receipt.token": "is missing",
        "receipt.tken": "is not a known key; did you mean token?",
        "receipt.states.deliverd": "is not a known key; did you mean delivered?",
    }

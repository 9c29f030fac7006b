"""What is wrong with a configuration file: all of it at once, each with file, key and reason."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from pydantic import ValidationError

from conf.section import Section, keys_at

# pydantic's words for the value, whatever its type: "Input should be a valid integer".
_SUBJECT = re.compile(r"^(?:Input|String|Tuple|List|Dictionary|Value) should ")


class Problem(NamedTuple):
    """One thing to repair.  `key` is a path such as `account[0].smpp[1].window`; "" = the file."""

    file: str
    key: str
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in self if part)


class SettingsError(Exception):
    """The configuration cannot be used.  Holds all problems; no text of it shows a secret."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(map(str, self.problems)))


def key_path(*steps: str | int) -> str:
    """The steps to a value as an operator reads them: `account[0].smpp[1].window`."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path else step
    return path


def problems_of(
    error: ValidationError, model: type[Section], file: str, steps: Sequence[str | int]
) -> list[Problem]:
    """Every error of one table, validated as `model`, that stands at `steps` in `file`."""
    problems = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        place = detail["loc"]
        if detail["type"] == "extra_forbidden":
            reason = _unknown_key(str(place[-1]), keys_at(model, place[:-1]))
        else:
            reason = _reason(detail["type"], detail["msg"])
        problems.append(Problem(file, key_path(*steps, *place), reason))
    return problems


def _unknown_key(key: str, known: Sequence[str]) -> str:
    near = get_close_matches(key, known, n=1)
    return f"is not a known key; did you mean {near[0]}?" if near else "is not a known key"


def _reason(kind: str, message: str) -> str:
    match kind:
        case "missing":
            return "is missing"
        case "model_type" | "dict_type":
            return "must be a table"
        case "tuple_type":
            return "must be an array"
        case "value_error":
            return message.removeprefix("Value error, ")
    return _SUBJECT.sub("must ", message)

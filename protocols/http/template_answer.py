"""What an HTTP provider's answer to one request means.  Pure.

An answer is a success when its status is listed and, if a path is given, the value there is one of
those listed.  Any other answer, and a success in which the id is not found, is looked up in the
error rules, in their order; what no rule matches is judged by `_without_id` and `_by_status`.
Nothing here trusts the provider: any octets give an outcome.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from protocols.http.json_path import (
    MISSING,
    JsonPath,
    Scalar,
    parse_json,
    scalar_text,
    short_text,
    storable_id,
)
from protocols.http.template_problems import TemplateProblems

ERROR_LIMIT = 64  # characters of an outcome's error
StatusPattern = int | str  # 404 or "4xx"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessSpec:
    """When the provider has taken the message.  `equals` needs `path` and the other way round."""

    status: tuple[StatusPattern, ...] = (200, 201, 202)
    path: str = ""
    equals: tuple[Scalar, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IdSpec:
    """Where the provider's message id stands: exactly one of the three.

    `regex` is searched in the body; its first group, or the whole match, is the id.
    """

    path: str = ""
    header: str = ""
    regex: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSpec:
    """One error rule: every condition that is given must hold.

    `path` without `equals` asks only that something stands there.  `text` is a regular expression
    searched in the body.  `error_class` is one of ERROR_CLASSES.
    """

    error_class: str
    status: tuple[StatusPattern, ...] = ()
    path: str = ""
    equals: tuple[Scalar, ...] = ()
    text: str = ""


ERROR_CLASSES: dict[str, Callable[[str], Outcome]] = {
    "throttled": lambda error: Deferred(error, throttled=True),
    "deferred": Deferred,
    "refused": Refused,
    "refused_everywhere": lambda error: Refused(error, everywhere=True),
    "unknown": Unknown,
}

_STATUS_CLASS = re.compile(r"[1-5]xx")
_ROOT = JsonPath("$")
_NOTHING = re.compile("(?!)")


class AnswerReader:
    """The compiled rules of one provider."""

    __slots__ = ("_errors", "_has_id", "_id_header", "_id_path", "_id_regex", "_success")

    def __init__(
        self,
        success: SuccessSpec,
        id: IdSpec | None,
        errors: tuple[ErrorSpec, ...],
        problems: TemplateProblems,
    ) -> None:
        if not success.status:
            problems.add("success.status", "no status means success; name at least one")
        self._success = _Condition(
            "success", success.status, success.path, success.equals, "", problems
        )
        if success.path and not success.equals:
            problems.add("success.equals", "missing: success.path needs the values that mean yes")
        self._id_path: JsonPath | None = None
        self._id_header = ""
        self._id_regex: re.Pattern[str] | None = None
        self._has_id = id is not None
        if id is not None:
            self._compile_id(id, problems)
        self._errors = [
            _compile_error(f"errors[{index}]", rule, problems) for index, rule in enumerate(errors)
        ]

    def read(self, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
        """The outcome of a request that was answered.  Never raises."""
        value = parse_json(body)
        text = body.decode("utf-8", "replace")
        succeeded = self._success.holds(status, value, text)
        if succeeded:
            message_id = self._message_id(headers, value, text)
            if message_id or not self._has_id:
                return Sent(message_id)
        for condition, outcome in self._errors:
            if condition.holds(status, value, text):
                return outcome(_error_text(status, condition.path, value))
        return self._without_id(value) if succeeded else self._by_status(status, value)

    def _without_id(self, value: object) -> Outcome:
        """A success that holds no id: `Sent("")` when it is in the form we expect.

        Sending again would reach the recipient twice, which is worse than a receipt that cannot be
        matched.  A body in another form may come from anybody on the way: nothing is known.
        """
        if self._id_regex is not None or (self._id_path is not None and value is MISSING):
            return Unknown("answer_unreadable")
        return Sent("")

    def _by_status(self, status: int, value: object) -> Outcome:
        path = self._success.path
        error = _error_text(status, path, value)
        if status == 429:
            return Deferred(error, throttled=True)
        if status == 408 or status >= 500:
            return Deferred(error)
        if status >= 400:
            return Refused(error)
        if status >= 300:
            return Deferred(error)  # redirects are not followed: nobody has taken the message
        if path is not None and path.find(value) is not MISSING:
            return Refused(error)  # it spoke, and what it said does not mean yes
        return Unknown("answer_unreadable")

    def _message_id(self, headers: Mapping[str, str], value: object, text: str) -> str:
        if self._id_path is not None:
            return storable_id(scalar_text(self._id_path.find(value)))
        if self._id_regex is not None:
            match = self._id_regex.search(text)
            return storable_id(match[match.re.groups and 1] if match else None)
        if self._id_header:
            for name, content in headers.items():
                if name.lower() == self._id_header:
                    return storable_id(content)
        return ""

    def _compile_id(self, id: IdSpec, problems: TemplateProblems) -> None:
        if (id.path != "") + (id.header != "") + (id.regex != "") != 1:
            problems.add("id", "give exactly one of path, header and regex")
        if id.path:
            self._id_path = problems.attempt("id.path", _ROOT, JsonPath, id.path)
        if id.regex:
            self._id_regex = problems.attempt("id.regex", _NOTHING, _regex, id.regex)
        self._id_header = id.header.lower()


class _Condition:
    """Status, path and text of a success or error rule."""

    __slots__ = ("_classes", "_equals", "_statuses", "_text", "path")

    def __init__(
        self,
        key: str,
        statuses: tuple[StatusPattern, ...],
        path: str,
        equals: tuple[Scalar, ...],
        text: str,
        problems: TemplateProblems,
    ) -> None:
        self._statuses = frozenset(status for status in statuses if isinstance(status, int))
        self._classes = frozenset(
            int(status[0])
            for status in statuses
            if isinstance(status, str) and _STATUS_CLASS.fullmatch(status)
        )
        for status in statuses:
            if status not in range(100, 600) and _STATUS_CLASS.fullmatch(str(status)) is None:
                problems.add(f"{key}.status", f'{status!r} is no status; write 404 or "4xx"')
        self.path = problems.attempt(f"{key}.path", _ROOT, JsonPath, path) if path else None
        self._equals = frozenset(scalar_text(item) for item in equals)
        if equals and not path:
            problems.add(f"{key}.equals", f"{key}.path is missing: equal to the value where?")
        self._text = problems.attempt(f"{key}.text", _NOTHING, _regex, text) if text else None

    def holds(self, status: int, value: object, text: str) -> bool:
        """Whether every given condition is met."""
        if (
            (self._statuses or self._classes)
            and status not in self._statuses
            and status // 100 not in self._classes
        ):
            return False
        if self.path is not None and not self._value_fits(self.path.find(value)):
            return False
        return self._text is None or self._text.search(text) is not None

    def _value_fits(self, found: object) -> bool:
        if self._equals:
            text = scalar_text(found)
            return text is not None and text in self._equals
        return found is not MISSING and found is not None


def _compile_error(
    key: str, rule: ErrorSpec, problems: TemplateProblems
) -> tuple[_Condition, Callable[[str], Outcome]]:
    if not (rule.status or rule.path or rule.text):
        problems.add(key, "matches every answer; give status, path or text")
    outcome = ERROR_CLASSES.get(rule.error_class)
    if outcome is None:
        known = ", ".join(ERROR_CLASSES)
        problems.add(f"{key}.class", f"unknown class {rule.error_class!r}; known are {known}")
        outcome = Unknown
    condition = _Condition(key, rule.status, rule.path, rule.equals, rule.text, problems)
    return condition, outcome


def _regex(source: str) -> re.Pattern[str]:
    try:
        return re.compile(source)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error


def _error_text(status: int, path: JsonPath | None, value: object) -> str:
    """Such as ``http_402 no_credit``: the status, and the provider's word where a rule looked."""
    word = scalar_text(path.find(value)) if path is not None else None
    return short_text(f"http_{status} {word or ''}", ERROR_LIMIT)

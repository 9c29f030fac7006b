"""Template texts of the HTTP provider: placeholders, escaping, rendering.  Pure.

A template is text with placeholders: ``{to}`` is replaced by its value, ``{{`` and ``}}`` stand for
one brace.  How a value is escaped depends on where the text goes and is fixed when it is compiled;
literal text is the operator's and goes out as written.  Secrets are filled in at compile time.
"""

import re
from collections.abc import Callable, Mapping
from math import isfinite
from urllib.parse import quote

from protocols.http.template_problems import TemplateProblems

# What {name} may be, with its meaning; the same table stands in docs/configuration.md.
PLACEHOLDERS = {
    "to": "recipient, E.164 digits",
    "to_plus": 'recipient with a leading "+"',
    "from": "sender",
    "text": "text, or this part's text when split by the gateway",
    "message_id": "our key, 16 lower-case hex digits",
    "parts": "number of parts",
    "part": "number of this part, from 1",
    "alphabet": '"gsm" or "ucs2"',
    "validity_s": "seconds until the message expires, at least 1",
    "callback_url": "where this provider may send its receipts",
}
NUMBERS = frozenset({"parts", "part", "validity_s"})
SECRET_PREFIX = "secret."  # noqa: S105 - the prefix of a placeholder, not a secret

Values = Mapping[str, str | int]
Escape = Callable[[str], str]

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def as_written(value: str) -> str:
    """No escaping: text bodies, JSON leaves and form fields (their encoder escapes)."""
    return value


def percent_encoded(value: str) -> str:
    """For URLs: everything but unreserved characters (RFC 3986 2.3) as UTF-8 percent codes."""
    return quote(value, safe="")


def one_line(value: str) -> str:
    """For header fields: control characters become spaces, so that no value starts a new header."""
    return _CONTROL.sub(" ", value)


class TemplateText:
    """One compiled template text.

    Raises:
        ValueError: an unknown placeholder, an unknown secret, or a brace that is not doubled.
    """

    # Pieces hold secrets: there is no repr of them on purpose.
    __slots__ = ("_escape", "_names", "_pieces")

    def __init__(self, source: str, secrets: Mapping[str, str], escape: Escape) -> None:
        # _pieces[i] stands before the value of _names[i]; one more piece than names.
        pieces, names = [""], []
        position = 0
        for token in _TOKEN.finditer(source):
            pieces[-1] += source[position : token.start()]
            position = token.end()
            literal = _literal(token, secrets, escape)
            if literal is not None:
                pieces[-1] += literal
            else:
                names.append(token[1])
                pieces.append("")
        pieces[-1] += source[position:]
        self._pieces = tuple(pieces)
        self._names = tuple(names)
        self._escape = escape

    def render(self, values: Values) -> str:
        """The text with `values` filled in."""
        pieces = self._pieces
        text = [pieces[0]]
        for index, name in enumerate(self._names, 1):
            text.append(self._escape(str(values[name])))
            text.append(pieces[index])
        return "".join(text)

    def uses(self, name: str) -> bool:
        """Whether the placeholder `name` stands in it."""
        return name in self._names

    @property
    def lone_number(self) -> str | None:
        """The placeholder's name when the whole text is one number placeholder, else None."""
        if len(self._names) == 1 and self._pieces == ("", "") and self._names[0] in NUMBERS:
            return self._names[0]
        return None


def _literal(token: re.Match[str], secrets: Mapping[str, str], escape: Escape) -> str | None:
    """What the token stands for when that is known now; None for a placeholder of the message."""
    name = token[1]
    if name is None:
        if len(token[0]) == 2:
            return token[0][0]
        raise ValueError(f'single "{token[0]}": write it twice for a brace')
    if name.startswith(SECRET_PREFIX):
        secret = secrets.get(name.removeprefix(SECRET_PREFIX))
        if secret is None:
            raise ValueError(f"unknown secret in {{{name}}}: declare it under secrets")
        return escape(secret)
    if name not in PLACEHOLDERS:
        known = ", ".join(f"{{{placeholder}}}" for placeholder in PLACEHOLDERS)
        raise ValueError(f"unknown placeholder {{{name}}}; known are {known}, {{secret.NAME}}")
    return None


EMPTY_TEXT = TemplateText("", {}, as_written)


class TemplateTree:
    """A compiled tree of JSON values whose string leaves are template texts.

    A leaf that is one number placeholder, such as ``"{parts}"``, is rendered as a JSON number.
    """

    __slots__ = ("_members",)

    def __init__(
        self, fields: Mapping[str, object], secrets: Mapping[str, str], problems: TemplateProblems
    ) -> None:
        self._members = {
            name: _compile_node(f"fields.{name}", node, secrets, problems)
            for name, node in fields.items()
        }

    def render(self, values: Values) -> dict[str, object]:
        """The tree with `values` filled in, ready for `json.dumps`."""
        return {name: _render_node(node, values) for name, node in self._members.items()}

    def uses(self, name: str) -> bool:
        """Whether the placeholder `name` stands in any leaf."""
        return _node_uses(self._members, name)


def _compile_node(
    key: str, node: object, secrets: Mapping[str, str], problems: TemplateProblems
) -> object:
    if isinstance(node, str):
        return problems.attempt(key, EMPTY_TEXT, TemplateText, node, secrets, as_written)
    if isinstance(node, Mapping):
        return {
            name: _compile_node(f"{key}.{name}", child, secrets, problems)
            for name, child in node.items()
        }
    if isinstance(node, (list, tuple)):
        return [
            _compile_node(f"{key}[{index}]", child, secrets, problems)
            for index, child in enumerate(node)
        ]
    if not isinstance(node, (bool, int, float)) or not isfinite(node):
        problems.add(key, f"{node!r} has no JSON form; write it as text")
    return node


def _render_node(node: object, values: Values) -> object:
    if isinstance(node, TemplateText):
        number = node.lone_number
        return node.render(values) if number is None else values[number]
    if isinstance(node, dict):
        return {name: _render_node(child, values) for name, child in node.items()}
    if isinstance(node, list):
        return [_render_node(child, values) for child in node]
    return node


def _node_uses(node: object, name: str) -> bool:
    if isinstance(node, TemplateText):
        return node.uses(name)
    if isinstance(node, dict):
        return any(_node_uses(child, name) for child in node.values())
    if isinstance(node, list):
        return any(_node_uses(child, name) for child in node)
    return False

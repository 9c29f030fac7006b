"""Dotted paths into parsed JSON, and the one way its scalars are read as text."""

import json
import re

from gateway.domain.sms_text import is_storable

Scalar = str | int | float | bool

_UNSHOWABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]+")


class Missing:
    """The type of MISSING: nothing stands at a path (JSON null is a value and not missing)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()


class JsonPath:
    """A path such as ``data.0.status``: members and array indexes; ``$`` is the whole value."""

    __slots__ = ("_steps", "source")

    def __init__(self, source: str) -> None:
        steps = [] if source == "$" else source.split(".")
        if not all(steps):
            raise ValueError(f'not a path: {source!r}; write it like "data.0.status", or "$"')
        self.source = source
        self._steps = tuple(steps)

    def find(self, value: object) -> object:
        """What stands at this path of a parsed JSON value, or MISSING."""
        for step in self._steps:
            if isinstance(value, dict):
                value = value.get(step, MISSING)
            elif isinstance(value, list) and step.isascii() and step.isdecimal():
                index = int(step) if len(step) < 10 else len(value)
                value = value[index] if index < len(value) else MISSING
            else:
                return MISSING
        return value


def parse_json(octets: bytes) -> object:
    """The JSON value of untrusted `octets`, or MISSING when they are none."""
    try:
        value: object = json.loads(octets)
    except (ValueError, RecursionError):
        return MISSING
    return value


def scalar_text(value: object) -> str | None:
    """Text of a JSON scalar as a configuration would spell it; None for null and containers.

    ``0`` and ``"0"`` are the same text, ``false`` and ``0`` are not.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # CPython refuses to print an int of more than 4300 digits.
        return str(value) if value.bit_length() <= 256 else None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return None


def storable_id(text: str | None, limit: int = 255) -> str:
    """`text` when it can be kept as an identifier, raw; else the empty string.

    A provider's id of more than `limit` characters, with U+0000 or with a lone surrogate is none:
    no store could keep it, so no receipt could ever be matched by it.
    """
    return text if text and len(text) <= limit and is_storable(text) else ""


def short_text(text: str, limit: int) -> str:
    """`text` cut to `limit` characters; runs of control characters become one space."""
    return _UNSHOWABLE.sub(" ", text[: limit * 4]).strip()[:limit]

"""Schemas as rows of a table: which fields a body has, of what type, and what is said of them.

Pure: the words of `openapi` in, plain text out; how it looks is `docs_page`'s affair.
"""

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

from protocols.http.openapi import Schema

_REF_PREFIX = "#/components/schemas/"
_MAX_PATTERN = 60  # characters: a longer pattern says less than the description beside it


class Field(NamedTuple):
    """One field of a body.  `path` is as in ``data.items[].id``; the body itself is ``(body)``."""

    path: str
    kind: str
    is_required: bool
    text: str


def resolve(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """The schema itself, or the one of `schemas` it refers to."""
    target = schema.get("$ref")
    if isinstance(target, str):
        return resolve(schemas[target.removeprefix(_REF_PREFIX)], schemas)
    return schema


def alternatives(schema: Schema, schemas: Mapping[str, Schema]) -> list[Schema]:
    """The shapes a body may have; one, unless it is any of several."""
    resolved = resolve(schema, schemas)
    if "type" in resolved or "anyOf" not in resolved:
        return [resolved]
    return [
        shape for option in _list_of(resolved, "anyOf") for shape in alternatives(option, schemas)
    ]


def fields_of(schema: Schema, schemas: Mapping[str, Schema]) -> list[Field]:
    """Every field of one shape, outermost first, in the order of the schema."""
    found = list(_below("", resolve(schema, schemas), schemas))
    return found or [_field("(body)", resolve(schema, schemas), True, schemas)]


def type_words(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    """The type as a reader says it, such as ``string or null`` or ``list of integer``."""
    schema = resolve(schema, schemas)
    if "const" in schema:
        return f"always {_literal(schema['const'])}"
    if "enum" in schema:
        return "one of " + ", ".join(
            _literal(value) for value in cast("list[object]", schema["enum"])
        )
    if "anyOf" in schema and "type" not in schema:
        options = [type_words(option, schemas) for option in _list_of(schema, "anyOf")]
        return " or ".join(dict.fromkeys(options))
    kind = schema.get("type", "any")
    words = list(cast("list[str]", kind)) if isinstance(kind, list) else [str(kind)]
    items = schema.get("items")
    if isinstance(items, dict):
        words = [f"list of {type_words(items, schemas)}" if w == "array" else w for w in words]
    return " or ".join(words)


def limits(schema: Schema) -> str:
    """Lengths, bounds and pattern in words; empty without any."""
    said = [
        _span(schema, "minLength", "maxLength", "characters"),
        _span(schema, "minItems", "maxItems", "elements"),
        _span(schema, "minimum", "maximum", ""),
    ]
    default = schema.get("default")
    if default is not None:
        said.append(f"default {_literal(default)}")
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and len(pattern) <= _MAX_PATTERN:
        said.append(f"pattern {_literal(pattern, quoted=False)}")
    return "; ".join(part for part in said if part)


def _below(prefix: str, schema: Schema, schemas: Mapping[str, Schema]) -> Iterator[Field]:
    """The fields inside `schema`, which itself stands at `prefix`."""
    for shape in alternatives(schema, schemas):
        yield from _properties(prefix, shape, schemas)
        items = shape.get("items")
        if isinstance(items, dict):
            yield from _below(f"{prefix}[]", resolve(items, schemas), schemas)
        values = shape.get("additionalProperties")
        if isinstance(values, dict):
            path = _join(prefix, "<name>")
            yield _field(path, values, False, schemas)
            yield from _below(path, resolve(values, schemas), schemas)


def _properties(prefix: str, shape: Schema, schemas: Mapping[str, Schema]) -> Iterator[Field]:
    required = shape.get("required", ())
    named = cast("dict[str, Schema]", shape.get("properties", {}))
    for name, schema in named.items():
        path = _join(prefix, name)
        yield _field(path, schema, name in cast("list[str]", required), schemas)
        yield from _below(path, resolve(schema, schemas), schemas)
    patterns = cast("dict[str, Schema]", shape.get("patternProperties", {}))
    for pattern, schema in patterns.items():
        yield _field(_join(prefix, _readable(pattern)), schema, False, schemas)


def _readable(pattern: str) -> str:
    r"""A pattern of names as one name: ``^To\[[0-9]+\]$`` is ``To[n]``."""
    return pattern.strip("^$").replace("[0-9]+", "n").replace("\\", "")


def _field(path: str, schema: Schema, is_required: bool, schemas: Mapping[str, Schema]) -> Field:
    schema = resolve(schema, schemas)
    description = str(schema.get("description", ""))
    said = limits(schema)
    text = f"{description} ({said})" if description and said else description or said
    return Field(path, type_words(schema, schemas), is_required, text)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _list_of(schema: Schema, keyword: str) -> "list[Schema]":
    return cast("list[Schema]", schema[keyword])


def _span(schema: Schema, low: str, high: str, unit: str) -> str:
    least, most = schema.get(low), schema.get(high)
    if least is None and most is None:
        return ""
    if most is None:
        words = f"at least {least:,}"
    elif least is None:
        words = f"at most {most:,}"
    else:
        words = f"{least:,} to {most:,}"
    return f"{words} {unit}".rstrip()


def _literal(value: object, *, quoted: bool = True) -> str:
    """A value between back-quotes, which the page shows as code."""
    text = json.dumps(value, ensure_ascii=False) if quoted else str(value)
    return f"`{text}`"

"""The API's own document, and what it says of a door's answer."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from xml.etree import ElementTree

import jsonschema_rs

from postern.api_document import API_DOORS
from protocols.http.openapi import build_document

DOCUMENT: dict[str, Any] = build_document(API_DOORS, "test")


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    described: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


def operations(tag: str | None = None) -> Iterator[Operation]:
    """All of them, or those of one vendor."""
    for path, item in DOCUMENT["paths"].items():
        for method, described in item.items():
            if tag in (None, described["tags"][0]):
                yield Operation(method, path, described)


def operation_at(method: str, path: str) -> Operation | None:
    """The operation a request goes to; paths written out come before those with parameters."""
    path = path.partition("?")[0].removesuffix(".xml")  # equals no suffix
    found = [
        operation
        for operation in operations()
        if operation.method == method.lower() and _pattern(operation.path).fullmatch(path)
    ]
    # Fewest parameters first; of equal ones the longest, which has the suffix `.json`.
    found.sort(key=lambda each: (each.path.count("{"), -len(each.path)))
    return found[0] if found else None


def _pattern(path: str) -> re.Pattern[str]:
    """Paths in any letter case: Exotel's `Sms` is compared so."""
    parts = re.split(r"\{[^}]+\}", path)
    return re.compile("[^/]+".join(map(re.escape, parts)), re.IGNORECASE)


def validator(schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """A validator of one schema of the document."""
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": DOCUMENT["components"]}, validate_formats=True
    )


def problems(
    operation: Operation, status: int, headers: Mapping[str, str], body: bytes
) -> list[str]:
    """What an answer has that the document does not know, or lacks that it promises."""
    described = operation.described["responses"].get(str(status))
    if described is None:
        return [f"{operation}: {status} is not documented"]
    found = [
        f"{operation} {status}: no header {name}"
        for name, header in described.get("headers", {}).items()
        if header["required"] and name not in headers
    ]
    content = described.get("content", {})
    if not content:
        return found + ([f"{operation} {status}: an undocumented body"] if body else [])
    media_type = headers.get("Content-Type", "").partition(";")[0]
    if media_type not in content:
        return [*found, f"{operation} {status}: {media_type!r} is not documented"]
    schema = content[media_type]["schema"]
    return found + [
        f"{operation} {status}: {error.message}"
        for error in validator(schema).iter_errors(read_body(body, media_type, schema))
    ]


def read_body(body: bytes, media_type: str, schema: Mapping[str, Any]) -> Any:
    """The body as a value: JSON, or XML read as its schema says."""
    if media_type != "application/xml":
        return json.loads(body)
    root = ElementTree.fromstring(body)  # noqa: S314 - our own answers and files
    shapes = [
        shape
        for option in _resolve(schema).get("anyOf", [schema])
        if (shape := _resolve(option))["xml"]["name"] == root.tag
    ]
    values = [_xml_value(root, shape) for shape in shapes]
    # Which of several shapes it is, the schema says; the value is read for each of them.
    fitting = [v for v, shape in zip(values, shapes, strict=True) if validator(shape).is_valid(v)]
    return (fitting or values)[0]


def _xml_value(element: ElementTree.Element, schema: Mapping[str, Any]) -> Any:
    schema = _resolve(schema)
    if schema.get("type") == "object":
        names = list(dict.fromkeys(child.tag for child in element))
        return {
            name: _xml_children(element.findall(name), schema["properties"].get(name, {}))
            for name in names
        }
    text = element.text or ""
    kinds = [option.get("type") for option in schema.get("anyOf", [schema])]
    return int(text) if "integer" in kinds and text.lstrip("-").isdecimal() else text


def _xml_children(children: list[ElementTree.Element], schema: Mapping[str, Any]) -> Any:
    schema = _resolve(schema)
    is_list = schema.get("type") == "array"
    values = [_xml_value(child, schema["items"] if is_list else schema) for child in children]
    return values if is_list or len(values) > 1 else values[0]


def _resolve(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref")
    if name is None:
        return schema
    return _resolve(DOCUMENT["components"]["schemas"][name.rpartition("/")[2]])

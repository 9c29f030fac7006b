"""OpenAPI 3.1: the words in which a vendor describes its door, and the document made of all doors.

A vendor's `openapi.py` is data: `DoorDescription`, built with the functions below.  Schemas are
JSON Schema 2020-12 as plain dicts.  What we answer is closed (`closed_object`): every field is
named and typed.  What we are sent is open (`open_object`): the contracts let unknown fields pass.
Nothing here knows a vendor or the network.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gateway.domain.errors import Refusal, RefusalCode
from protocols.http import submissions
from protocols.http.idempotency import HEADER as IDEMPOTENCY_HEADER
from protocols.http.idempotency import MAX_KEY_LENGTH

OPENAPI_VERSION = "3.1.0"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

UUID_PATTERN = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
STORABLE_PATTERN = r"^[^\u0000]*$"  # text that every store can carry

Schema = dict[str, object]
Document = dict[str, object]


# --- schemas ------------------------------------------------------------------------------------


def string(
    description: str = "",
    *,
    pattern: str | None = None,
    format: str | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    choices: Sequence[str] = (),
    example: str | None = None,
) -> Schema:
    """A text; lengths are in characters, `pattern` is ECMA 262 and need not match the whole."""
    return _schema(
        "string",
        description,
        pattern=pattern,
        format=format,
        minLength=min_length,
        maxLength=max_length,
        enum=list(choices) or None,
        examples=None if example is None else [example],
    )


def integer(
    description: str = "",
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: Sequence[int] = (),
    default: int | None = None,
) -> Schema:
    """A whole number."""
    return _schema(
        "integer",
        description,
        minimum=minimum,
        maximum=maximum,
        enum=list(choices) or None,
        default=default,
    )


def number(description: str = "", *, minimum: float | None = None) -> Schema:
    """Any JSON number."""
    return _schema("number", description, minimum=minimum)


def boolean(description: str = "", *, default: bool | None = None) -> Schema:
    """True or false."""
    return _schema("boolean", description, default=default)


def constant(value: str | bool, description: str = "") -> Schema:
    """A value that is always the same."""
    return _schema("boolean" if isinstance(value, bool) else "string", description, const=value)


def null(description: str = "") -> Schema:
    """Always null."""
    return _schema("null", description)


def array(
    items: Schema,
    description: str = "",
    *,
    min_items: int | None = None,
    max_items: int | None = None,
) -> Schema:
    """A list of `items`."""
    return _schema("array", description, items=items, minItems=min_items, maxItems=max_items)


def closed_object(
    fields: Mapping[str, Schema], description: str = "", *, optional: Iterable[str] = ()
) -> Schema:
    """An object of exactly these fields; those in `optional` may be left out."""
    left_out = frozenset(optional)
    return _schema(
        "object",
        description,
        properties=dict(fields),
        required=[name for name in fields if name not in left_out],
        additionalProperties=False,
    )


def open_object(
    fields: Mapping[str, Schema], description: str = "", *, required: Iterable[str] = ()
) -> Schema:
    """An object whose unknown fields are ignored."""
    return _schema("object", description, properties=dict(fields), required=list(required) or None)


def keyed_object(
    key: Schema, values: Schema, description: str = "", *, min_properties: int | None = None
) -> Schema:
    """An object whose names are themselves data, such as telephone numbers."""
    return _schema(
        "object",
        description,
        propertyNames=key,
        additionalProperties=values,
        minProperties=min_properties,
    )


def nullable(schema: Schema) -> Schema:
    """`schema` or null."""
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def any_of(*schemas: Schema) -> Schema:
    """At least one of `schemas`."""
    return {"anyOf": list(schemas)}


def ref(name: str) -> Schema:
    """The schema that `DoorDescription.schemas` has under `name`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _schema(kind: str, description: str, **keywords: object) -> Schema:
    schema: Schema = {"type": kind}
    if description:
        schema["description"] = description
    schema.update((name, value) for name, value in keywords.items() if value is not None)
    return schema


# --- endpoints ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Media:
    """A body in one media type.  `examples`: name -> value, or the text of what is not JSON."""

    schema: Schema
    examples: Mapping[str, object] = field(default_factory=dict)


Content = Mapping[str, Media]  # media type -> body


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of path, query or header."""

    name: str
    location: Literal["path", "query", "header"]
    schema: Schema
    description: str
    required: bool = False


IDEMPOTENCY_KEY = Parameter(
    IDEMPOTENCY_HEADER,
    "header",
    _schema(
        "string",
        "1 to 255 printable ASCII characters.",
        pattern=f"^[!-~]([ -~]{{0,{MAX_KEY_LENGTH - 2}}}[!-~])?$",
        maxLength=MAX_KEY_LENGTH,
    ),
    "The same key and body within 24 hours get the first answer again; nothing is sent twice.",
)


@dataclass(frozen=True, slots=True)
class Header:
    """A header of an answer."""

    schema: Schema
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """How values of an answer become parameters of another operation (runtime expressions)."""

    operation_id: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What comes back under one HTTP status."""

    description: str
    content: Content = field(default_factory=dict)
    headers: Mapping[str, Header] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path.  `answers` has every status it can give."""

    method: Literal["get", "post", "put", "patch", "delete"]
    path: str
    operation_id: str
    summary: str
    description: str = ""
    parameters: Sequence[Parameter] = ()
    body: Content = field(default_factory=dict)
    body_required: bool = True
    answers: Mapping[int, Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A request of ours to an address of the customer; any 2xx takes it."""

    name: str
    summary: str
    description: str
    body: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorDescription:
    """One vendor's API.  `tag` names its section; `security` is its security scheme object."""

    tag: str
    title: str
    description: str
    security: Mapping[str, object]
    schemas: Mapping[str, Schema]
    endpoints: Sequence[Endpoint]
    webhooks: Sequence[Webhook] = ()


def refusal_examples(
    refused: Callable[[Refusal], submissions.Answer],
) -> dict[int, dict[str, object]]:
    """What a door answers to every refusal of admission: status -> code -> body."""
    examples: dict[int, dict[str, object]] = {}
    for code in RefusalCode:
        answer = refused(Refusal(code))
        examples.setdefault(answer.status, {})[code] = body_example(answer.body)
    return examples


def body_example(body: bytes) -> object:
    """A body as an example: JSON as its value, anything else as text."""
    return json.loads(body) if body[:1] in (b"{", b"[") else body.decode()


# --- the document -------------------------------------------------------------------------------


def build_document(doors: Sequence[DoorDescription], version: str) -> Document:
    """The OpenAPI document of all `doors`.

    Raises:
        ValueError: two doors use the same schema name, or two endpoints the same method and path.
    """
    schemas: dict[str, object] = {}
    paths: dict[str, dict[str, object]] = {}
    webhooks: dict[str, object] = {}
    for door in doors:
        for name, schema in door.schemas.items():
            _put(schemas, name, schema)
        for endpoint in door.endpoints:
            item = paths.setdefault(endpoint.path, {})
            _put(item, endpoint.method, _operation(door.tag, endpoint))
        for webhook in door.webhooks:
            _put(webhooks, webhook.name, {"post": _webhook(door.tag, webhook)})
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "Postern",
            "version": version,
            "description": "The REST doors of a messaging gateway: one API per vendor, each at its"
            " own path prefix. Times are the server's; money is the account's currency.",
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": door.tag, "description": f"**{door.title}**\n\n{door.description}"}
            for door in doors
        ],
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": schemas,
            "securitySchemes": {door.tag: dict(door.security) for door in doors},
        },
    }


def render_document(document: Document) -> bytes:
    """The document as JSON."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _put(target: dict[str, object], name: str, value: object) -> None:
    if name in target:
        raise ValueError(f"{name!r} is described twice")
    target[name] = value


def _operation(tag: str, endpoint: Endpoint) -> dict[str, object]:
    operation: dict[str, object] = {
        "tags": [tag],
        "operationId": endpoint.operation_id,
        "summary": endpoint.summary,
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if endpoint.parameters:
        operation["parameters"] = [_parameter(parameter) for parameter in endpoint.parameters]
    if endpoint.body:
        operation["requestBody"] = {
            "required": endpoint.body_required,
            "content": _content(endpoint.body),
        }
    operation["responses"] = {
        str(status): _answer(answer) for status, answer in sorted(endpoint.answers.items())
    }
    operation["security"] = [{tag: []}]
    return operation


def _webhook(tag: str, webhook: Webhook) -> dict[str, object]:
    return {
        "tags": [tag],
        "operationId": webhook.name,
        "summary": webhook.summary,
        "description": webhook.description,
        "requestBody": {"required": True, "content": _content(webhook.body)},
        "responses": {"2XX": {"description": "Taken: it does not come again."}},
    }


def _parameter(parameter: Parameter) -> dict[str, object]:
    return {
        "name": parameter.name,
        "in": parameter.location,
        "required": parameter.required or parameter.location == "path",
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _answer(answer: Answer) -> dict[str, object]:
    response: dict[str, object] = {"description": answer.description}
    if answer.headers:
        response["headers"] = {
            name: {
                "description": header.description,
                "required": header.required,
                "schema": header.schema,
            }
            for name, header in answer.headers.items()
        }
    if answer.content:
        response["content"] = _content(answer.content)
    if answer.links:
        response["links"] = {
            name: {"operationId": link.operation_id, "parameters": dict(link.parameters)}
            for name, link in answer.links.items()
        }
    return response


def _content(content: Content) -> dict[str, object]:
    return {media_type: _media(media) for media_type, media in content.items()}


def _media(media: Media) -> dict[str, object]:
    described: dict[str, object] = {"schema": media.schema}
    if media.examples:
        described["examples"] = {name: {"value": value} for name, value in media.examples.items()}
    return described

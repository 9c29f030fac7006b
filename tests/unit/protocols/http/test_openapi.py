import json
import re

import pytest

from gateway.domain.errors import Refusal, RefusalCode
from protocols.http.idempotency import idempotency_key
from protocols.http.openapi import (
    FORM,
    IDEMPOTENCY_KEY,
    JSON,
    Answer,
    DoorDescription,
    Endpoint,
    Header,
    Link,
    Media,
    Parameter,
    Schema,
    Webhook,
    any_of,
    array,
    body_example,
    boolean,
    build_document,
    closed_object,
    constant,
    integer,
    keyed_object,
    null,
    nullable,
    number,
    open_object,
    ref,
    refusal_examples,
    render_document,
    string,
)
from protocols.http.submissions import Answer as HttpAnswer

PING = Endpoint(
    method="post",
    path="/x/{id}",
    operation_id="ping",
    summary="Ping",
    description="Twice.",
    parameters=[
        Parameter("id", "path", string(), "Whose."),
        Parameter("q", "query", integer(minimum=1), "How many."),
    ],
    body={JSON: Media(ref("Ping"), {"one": {"n": 1}}), FORM: Media(ref("Ping"))},
    answers={
        404: Answer(description="None."),
        200: Answer(
            description="Pong.",
            content={JSON: Media(ref("Ping"), {"one": {"n": 1}})},
            headers={"X-Left": Header(integer(), "Left.", required=True)},
            links={"again": Link("ping", {"id": "$response.body#/n"})},
        ),
    },
)
DOOR = DoorDescription(
    tag="x",
    title="X API",
    description="All of it.",
    security={"type": "http", "scheme": "bearer"},
    schemas={"Ping": closed_object({"n": integer()})},
    endpoints=[PING],
    webhooks=[
        Webhook(
            name="report", summary="Report", description="Once.", body={FORM: Media(ref("Ping"))}
        )
    ],
)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (string(), {"type": "string"}),
        (
            string("Name.", pattern="^a", min_length=1, max_length=0, example="a"),
            {
                "type": "string",
                "description": "Name.",
                "pattern": "^a",
                "minLength": 1,
                "maxLength": 0,
                "examples": ["a"],
            },
        ),
        (string(choices=("a", "b")), {"type": "string", "enum": ["a", "b"]}),
        (integer(minimum=0, maximum=9), {"type": "integer", "minimum": 0, "maximum": 9}),
        (integer(choices=(1, 2), default=1), {"type": "integer", "enum": [1, 2], "default": 1}),
        (number(minimum=0), {"type": "number", "minimum": 0}),
        (boolean(default=False), {"type": "boolean", "default": False}),
        (constant(True), {"type": "boolean", "const": True}),
        (constant("OK"), {"type": "string", "const": "OK"}),
        (null(), {"type": "null"}),
        (
            array(string(), min_items=1, max_items=2),
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
        ),
        (nullable(string("S.")), {"type": ["string", "null"], "description": "S."}),
        (
            nullable(string(choices=("a",))),
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        ),
        (nullable(ref("A")), {"anyOf": [ref("A"), {"type": "null"}]}),
        (any_of(ref("A"), null()), {"anyOf": [ref("A"), {"type": "null"}]}),
        (ref("A"), {"$ref": "#/components/schemas/A"}),
        (
            keyed_object(string(), integer(), min_properties=1),
            {
                "type": "object",
                "propertyNames": {"type": "string"},
                "additionalProperties": {"type": "integer"},
                "minProperties": 1,
            },
        ),
    ],
)
def test_words_become_schemas(schema: Schema, expected: Schema) -> None:
    assert schema == expected


def test_a_closed_object_has_exactly_its_fields() -> None:
    assert closed_object({"a": string(), "b": null()}, optional=("b",)) == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "null"}},
        "required": ["a"],
        "additionalProperties": False,
    }


def test_an_open_object_lets_unknown_fields_pass() -> None:
    assert open_object({"a": string()}, required=("a",)) == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
    }
    assert "required" not in open_object({"a": string()})


def test_the_document_has_everything_of_a_door() -> None:
    document = build_document([DOOR], "1.2")
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == "1.2"  # type: ignore[index]
    assert document["tags"] == [{"name": "x", "description": "**X API**\n\nAll of it."}]
    assert document["components"] == {
        "schemas": DOOR.schemas,
        "securitySchemes": {"x": {"type": "http", "scheme": "bearer"}},
    }
    ping = document["paths"]["/x/{id}"]["post"]  # type: ignore[index]
    assert list(ping["responses"]) == ["200", "404"]
    assert ping == {
        "tags": ["x"],
        "operationId": "ping",
        "summary": "Ping",
        "description": "Twice.",
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "Whose.",
                "schema": {"type": "string"},
            },
            {
                "name": "q",
                "in": "query",
                "required": False,
                "description": "How many.",
                "schema": {"type": "integer", "minimum": 1},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": ref("Ping"), "examples": {"one": {"value": {"n": 1}}}},
                FORM: {"schema": ref("Ping")},
            },
        },
        "responses": {
            "200": {
                "description": "Pong.",
                "headers": {
                    "X-Left": {
                        "description": "Left.",
                        "required": True,
                        "schema": {"type": "integer"},
                    }
                },
                "content": {
                    JSON: {"schema": ref("Ping"), "examples": {"one": {"value": {"n": 1}}}}
                },
                "links": {
                    "again": {"operationId": "ping", "parameters": {"id": "$response.body#/n"}}
                },
            },
            "404": {"description": "None."},
        },
        "security": [{"x": []}],
    }
    report = document["webhooks"]["report"]["post"]  # type: ignore[index]
    assert report["requestBody"]["content"] == {FORM: {"schema": ref("Ping")}}
    assert list(report["responses"]) == ["2XX"]


def test_what_is_said_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'post' is described twice"):
        build_document([DOOR, DoorDescription(**{**_fields(DOOR), "schemas": {}})], "1")
    with pytest.raises(ValueError, match="'Ping' is described twice"):
        build_document([DOOR, DoorDescription(**{**_fields(DOOR), "endpoints": ()})], "1")


def _fields(door: DoorDescription) -> dict[str, object]:
    return {name: getattr(door, name) for name in door.__slots__}


def test_the_document_is_rendered_as_json() -> None:
    document = build_document([DOOR], "1")
    assert json.loads(render_document(document)) == document


def test_refusals_become_examples_by_status() -> None:
    def refused(refusal: Refusal) -> HttpAnswer:
        status = 402 if refusal.code is RefusalCode.NO_CREDIT else 400
        return HttpAnswer(status, json.dumps({"code": refusal.code}).encode())

    examples = refusal_examples(refused)
    assert examples[402] == {"no_credit": {"code": "no_credit"}}
    assert set(examples[400]) == set(RefusalCode) - {RefusalCode.NO_CREDIT}


@pytest.mark.parametrize(
    ("body", "value"), [(b'{"a":1}', {"a": 1}), (b"[1]", [1]), (b"<a/>", "<a/>")]
)
def test_a_body_becomes_an_example(body: bytes, value: object) -> None:
    assert body_example(body) == value


@pytest.mark.parametrize("key", ["a", "a b", "~" * 255])
def test_the_pattern_of_idempotency_keys_is_the_door_s(key: str) -> None:
    pattern = str(IDEMPOTENCY_KEY.schema["pattern"])
    assert re.search(pattern, key)
    idempotency_key("x", key, b"")
    for wrong in ("", "ä", key + "\n", "~" * 256):
        assert not re.search(pattern.replace("$", r"\Z"), wrong)
        with pytest.raises(ValueError, match="Idempotency-Key"):
            idempotency_key("x", wrong, b"")

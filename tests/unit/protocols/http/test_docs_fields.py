import pytest

from protocols.http.docs_fields import Field, alternatives, fields_of, limits, resolve, type_words
from protocols.http.openapi import (
    Schema,
    any_of,
    array,
    boolean,
    closed_object,
    constant,
    integer,
    keyed_object,
    null,
    nullable,
    number,
    open_object,
    ref,
    string,
)

SCHEMAS: dict[str, Schema] = {
    "Item": closed_object({"id": integer("Whose.", minimum=1)}),
    "Alias": ref("Item"),
    "Either": any_of(ref("Item"), array(ref("Item"))),
}


def rows(schema: Schema) -> list[tuple[str, str, bool]]:
    return [(field.path, field.kind, field.is_required) for field in fields_of(schema, SCHEMAS)]


def test_references_are_followed_to_their_end() -> None:
    assert resolve(ref("Alias"), SCHEMAS) == SCHEMAS["Item"]


def test_one_shape_is_its_only_alternative() -> None:
    assert alternatives(ref("Item"), SCHEMAS) == [SCHEMAS["Item"]]


def test_alternatives_of_alternatives_are_all_named() -> None:
    schema = any_of(ref("Either"), closed_object({"a": string()}))
    assert alternatives(schema, SCHEMAS) == [
        SCHEMAS["Item"],
        array(ref("Item")),
        closed_object({"a": string()}),
    ]


def test_conditions_on_an_object_are_no_alternatives() -> None:
    schema = open_object({"a": string()})
    schema["anyOf"] = [{"required": ["a"]}]
    assert alternatives(schema, SCHEMAS) == [schema]


def test_fields_are_named_by_their_paths() -> None:
    schema = closed_object(
        {
            "data": closed_object({"items": array(ref("Alias"))}),
            "next": nullable(string()),
            "maybe": nullable(ref("Item")),
        },
        optional=("next",),
    )
    assert rows(schema) == [
        ("data", "object", True),
        ("data.items", "list of object", True),
        ("data.items[].id", "integer", True),
        ("next", "string or null", False),
        ("maybe", "object or null", True),
        ("maybe.id", "integer", True),
    ]


def test_a_list_has_the_fields_of_its_elements() -> None:
    assert rows(array(ref("Item"))) == [("[].id", "integer", True)]


def test_names_that_are_data_and_names_by_pattern() -> None:
    assert rows(keyed_object(string(), ref("Item"))) == [
        ("<name>", "object", False),
        ("<name>.id", "integer", True),
    ]
    form = open_object({"From": string()})
    form["patternProperties"] = {r"^To\[[0-9]+\]$": string()}
    assert rows(form) == [("From", "string", False), ("To[n]", "string", False)]


def test_a_body_without_fields_is_one_row() -> None:
    assert fields_of(string("The text."), {}) == [Field("(body)", "string", True, "The text.")]


def test_meaning_and_limits_stand_together() -> None:
    [field] = fields_of(closed_object({"a": string("Text.", max_length=3)}), {})
    assert field.text == "Text. (at most 3 characters)"
    [field] = fields_of(closed_object({"a": string(max_length=3)}), {})
    assert field.text == "at most 3 characters"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (constant("OK"), 'always `"OK"`'),
        (constant(False), "always `false`"),
        (string(choices=("a", "b")), 'one of `"a"`, `"b"`'),
        (nullable(string(choices=("a",))), 'one of `"a"` or null'),
        (any_of(string(), array(string())), "string or list of string"),
        (array(array(integer())), "list of list of integer"),
        (nullable(array(number())), "list of number or null"),
        (any_of(null(), null()), "null"),
        (boolean(), "boolean"),
        (ref("Item"), "object"),
        ({}, "any"),
    ],
)
def test_types_are_said_in_words(schema: Schema, words: str) -> None:
    assert type_words(schema, SCHEMAS) == words


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (string(), ""),
        (string(min_length=1, max_length=1600), "1 to 1,600 characters"),
        (string(min_length=1), "at least 1 characters"),
        (array(string(), max_items=2_000_000), "at most 2,000,000 elements"),
        (integer(minimum=0, maximum=9), "0 to 9"),
        (integer(default=20), "default `20`"),
        (string(pattern="^[0-9]+$", max_length=5), "at most 5 characters; pattern `^[0-9]+$`"),
        (string(pattern="x" * 61), ""),
    ],
)
def test_limits_are_said_in_words(schema: Schema, words: str) -> None:
    assert limits(schema) == words

from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, cast

import pytest
from pydantic import Field, ValidationError, ValidationInfo

from conf.section import Listed, Section, Source, keys_at, source_of


class Leaf(Section):
    size: int = 1
    kind: str = Field(default="", alias="class")


class Tree(Section):
    leaves: Listed[Annotated[Leaf, Field()]] = ()
    best: Leaf | None = None
    names: Listed[str] = ()


def test_arrays_become_tuples_of_values_of_the_right_type() -> None:
    tree = Tree.model_validate({"leaves": [{"size": 2}], "names": ["a"]})
    assert tree.names == ("a",)
    assert tree.leaves[0].size == 2


@pytest.mark.parametrize(
    "table",
    [{"other": 1}, {"names": "a"}, {"names": [1]}, {"leaves": [{"size": "1"}]}, {"best": 1}],
)
def test_unknown_keys_and_wrong_types_are_errors(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Tree.model_validate(table)


def test_values_never_change() -> None:
    with pytest.raises(ValidationError):
        Leaf().size = 3


@pytest.mark.parametrize(
    ("steps", "keys"),
    [
        ((), ["leaves", "best", "names"]),
        (("leaves", 0), ["size", "class"]),
        (("best",), ["size", "class"]),
        (("names", 0), ["leaves", "best", "names"]),
    ],
)
def test_keys_at(steps: tuple[str | int, ...], keys: list[str]) -> None:
    assert keys_at(Tree, steps) == keys


def test_a_context_is_needed_where_paths_are() -> None:
    source = Source(Path("/etc"), {})
    assert source_of(cast(ValidationInfo, SimpleNamespace(context=source))) is source
    with pytest.raises(TypeError):
        source_of(cast(ValidationInfo, SimpleNamespace(context=None)))

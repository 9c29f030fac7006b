"""A table of the configuration file, and where its relative paths and secrets come from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Strict, ValidationInfo

T = TypeVar("T")
Listed = Annotated[tuple[T, ...], Strict(False)]  # TOML's arrays become tuples


@dataclass(frozen=True, slots=True)
class Source:
    """The context of a validation: the file's directory and the environment of `{ env = ... }`."""

    directory: Path
    environ: Mapping[str, str]


class Section(BaseModel):
    """A table whose unknown keys and wrong types are errors and whose values never change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
        hide_input_in_errors=True,
    )


def source_of(info: ValidationInfo) -> Source:
    """The context a field is validated in."""
    source = info.context
    if not isinstance(source, Source):
        raise TypeError("settings are validated with a Source as context")
    return source


def keys_at(model: type[Section], steps: Iterable[str | int]) -> list[str]:
    """The keys a table may have that stands `steps` below a table of `model`."""
    for step in steps:
        field = model.model_fields.get(step) if isinstance(step, str) else None
        if field is not None:
            model = next(_sections_in(field.annotation), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _sections_in(annotation: object) -> Iterator[type[Section]]:
    """The section types anywhere inside a type, such as the one of `tuple[TokenSettings, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)

"""Secrets: written in the file, in an environment variable or in a file of their own."""

from pathlib import Path
from typing import Annotated

from pydantic import PlainValidator, ValidationInfo

from conf.section import source_of


class Secret:
    """A text that is never shown.  `reveal` is the only way to it."""

    __slots__ = ("_text", "warning")

    def __init__(self, text: str, warning: str = "") -> None:
        self._text = text
        self.warning = warning  # what is unsafe about the place it comes from

    def reveal(self) -> str:
        """The text in clear."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(...)"


def read_secret(value: object, info: ValidationInfo) -> Secret:
    """The secret that a text, `{ env = "NAME" }` or `{ file = "path" }` stands for.

    Raises:
        ValueError: it is none of these, cannot be had, is empty or more than a line.
    """
    match value:
        case str():
            secret = Secret(value)
        case {"env": str(name), **rest} if not rest:
            text = source_of(info).environ.get(name)
            if text is None:
                raise ValueError(f"the environment variable {name} is not set")
            secret = Secret(text)
        case {"file": str(name), **rest} if not rest:
            secret = read_secret_file(source_of(info).directory / name)
        case _:
            raise ValueError('must be a text, { env = "NAME" } or { file = "path" }')
    if not secret.reveal():
        raise ValueError("is empty")
    if not secret.reveal().isprintable():
        raise ValueError("holds a control character; a secret is one line of printable characters")
    return secret


def read_secret_file(path: Path) -> Secret:
    """The content of `path` without the line end; `warning` is set when everyone may read it.

    Raises:
        ValueError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
        mode = path.stat().st_mode
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"cannot read {path}: it is not UTF-8 text") from None
    if mode & 0o004:
        return Secret(text, f"every user of this machine can read {path}: chmod 600 it")
    return Secret(text)


SecretText = Annotated[Secret, PlainValidator(read_secret)]

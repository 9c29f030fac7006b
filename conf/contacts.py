"""`[[account.template]]` and `[[account.contact_group]]`: what a send may name by its number."""

import re
from typing import Annotated

from pydantic import Field, PlainValidator, ValidationInfo, model_validator

from conf.fields import readable_file
from conf.section import Listed, Section
from gateway.domain.declared import ContactGroupSpec, TemplateSpec

MAX_CONTENT_LENGTH = 1_000  # characters, placeholders as they are written
MAX_NUMBERS = 2_000_000  # in a contact group

_NUMBER = r"\+?[0-9]{3,20}"
_LINES = re.compile(rf"(?:{_NUMBER}\n)*+")

_Number = Annotated[str, Field(pattern=f"^{_NUMBER}$")]
_Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


def _numbers_in(value: object, info: ValidationInfo) -> str:
    """The numbers in the file at the path `value`, one on each line; empty lines are left out."""
    path = readable_file(value, info)
    try:
        text = path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a list of numbers") from None
    lines = text.removesuffix("\n")
    if _LINES.fullmatch(lines + "\n") is not None:
        return lines  # the usual case: no list of two million texts is made
    lines = "\n".join(text.split())
    sound = _LINES.match(lines + "\n")
    end = sound.end() if sound else 0
    if lines and end <= len(lines):
        wrong = lines[end:].partition("\n")[0]
        raise ValueError(f"{path} holds {wrong[:40]!r}, which is no number such as 66812345678")
    return lines


class TemplateSettings(Section):
    """`[[account.template]]`: a text with placeholders such as {{name}}."""

    id: _Id
    content: Annotated[str, Field(min_length=1, max_length=MAX_CONTENT_LENGTH)]

    def spec(self) -> TemplateSpec:
        """What the heart asks for."""
        return TemplateSpec(id=self.id, content=self.content)


class ContactGroupSettings(Section):
    """`[[account.contact_group]]`: the numbers of `msisdns`, then those of the file.

    `file` is what the file holds, a number on each line.
    """

    id: _Id
    msisdns: Listed[_Number] = ()
    file: Annotated[str, PlainValidator(_numbers_in)] | None = None

    @model_validator(mode="after")
    def _has_numbers(self) -> "ContactGroupSettings":
        count = len(self.msisdns)
        if self.file:
            count += self.file.count("\n") + 1
        if not count:
            raise ValueError("has no numbers: give msisdns or a file")
        if count > MAX_NUMBERS:
            raise ValueError(f"has {count} numbers, more than {MAX_NUMBERS}")
        return self

    def spec(self) -> ContactGroupSpec:
        """What the heart asks for."""
        lines = [*self.msisdns, self.file] if self.file else self.msisdns
        return ContactGroupSpec(id=self.id, lines="\n".join(lines))

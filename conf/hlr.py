"""`[hlr]`: who answers HLR queries, over HTTP."""

import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from conf.fields import Seconds, SecondsOrNever, WebUrl
from conf.secrets import SecretText
from conf.section import Listed, Section

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SECRET = "secret."  # noqa: S105 - the prefix of a placeholder, not a secret
_NUMBERS = frozenset({"to", "to_plus"})

JsonPlace = Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+)*$")]


class HlrFields(Section):
    """`[hlr.fields]`: paths in the JSON answer, such as `data.0.status`."""

    state: JsonPlace = "state"
    country: JsonPlace = "country"
    operator: JsonPlace = "operator"
    type: JsonPlace = "type"
    mccmnc: JsonPlace = "mccmnc"
    roaming: JsonPlace = "roaming"
    ported: JsonPlace = "ported"


class HlrStates(Section):
    """`[hlr.states]`: the peer's words for each of our states."""

    live: Listed[str] = ("live",)
    dead: Listed[str] = ("dead",)
    inconclusive: Listed[str] = ("inconclusive",)
    no_teleservice: Listed[str] = ("no_teleservice",)
    absent: Listed[str] = ("absent",)
    unsupported: Listed[str] = ("unsupported",)


class HlrSettings(Section):
    """`[hlr]`: without `url` HLR queries are not offered.

    Templates may hold a key in clear, so none is shown by repr.
    """

    url: WebUrl | None = Field(default=None, repr=False)
    headers: Mapping[str, str] = Field(default_factory=dict, repr=False)
    secrets: Mapping[str, SecretText] = Field(default_factory=dict)
    timeout_s: Seconds = 10
    window: Annotated[int, Field(ge=1, le=1000)] = 20
    cache_s: SecondsOrNever = 3600
    fields: HlrFields = HlrFields()
    states: HlrStates = HlrStates()

    @model_validator(mode="after")
    def _templates(self) -> Self:
        for text in (self.url or "", *self.headers.values()):
            for name in _PLACEHOLDER.findall(text):
                if name.startswith(_SECRET):
                    if name.removeprefix(_SECRET) not in self.secrets:
                        raise ValueError(f"unknown secret in {{{name}}}: declare it under secrets")
                elif name not in _NUMBERS:
                    raise ValueError(
                        f"unknown placeholder {{{name}}}; known are {{to}}, {{to_plus}}, "
                        "{secret.NAME}"
                    )
            if re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
                raise ValueError("holds a brace that is no placeholder's")
        if self.url and not _NUMBERS & set(_PLACEHOLDER.findall(self.url)):
            raise ValueError("url must hold {to} or {to_plus}, the number that is asked about")
        return self

"""`[[provider]] wire = "http"`: an upstream described by templates.

Only the form is read here: which keys there are and of what type.  What the templates mean, and
whether they fit together, is decided where they are compiled; see `conf.settings.load`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from conf.fields import Seconds
from conf.providers import ProviderSettings, Window
from conf.secrets import SecretText
from conf.section import Listed, Section


def _scalar(value: object) -> str | bool | int | float:
    if isinstance(value, str | bool | int | float):
        return value
    raise ValueError("must be a text, a number, true or false")


def _status(value: object) -> int | str:
    if isinstance(value, int | str) and not isinstance(value, bool):
        return value
    raise ValueError('must be an HTTP status such as 202, or a class such as "5xx"')


def _as_array(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


Scalar = Annotated[str | bool | int | float, PlainValidator(_scalar)]
# One status or class, or an array of them.
Statuses = Annotated[
    Listed[Annotated[int | str, PlainValidator(_status)]], BeforeValidator(_as_array)
]


class SuccessRule(Section):
    """`[provider.success]`: the answers that mean the provider took the message."""

    status: Statuses = (200, 201, 202)
    path: str = ""
    equals: Listed[Scalar] = ()


class IdRule(Section):
    """`[provider.id]`: which one place of the answer holds the provider's message id."""

    path: str = ""
    header: str = ""
    regex: str = ""


class ErrorRule(Section):
    """`[[provider.errors]]`: the conditions under which an answer is of `error_class`."""

    status: Statuses = ()
    path: str = ""
    equals: Listed[Scalar] = ()
    text: str = ""
    error_class: Literal["throttled", "deferred", "refused", "refused_everywhere", "unknown"] = (
        Field(alias="class")
    )


class ReceiptStates(Section):
    """`[provider.receipt.states]`: the provider's words for each of our states."""

    delivered: Listed[Scalar] = ()
    failed: Listed[Scalar] = ()
    rejected: Listed[Scalar] = ()
    expired: Listed[Scalar] = ()
    unknown: Listed[Scalar] = ()
    sent: Listed[Scalar] = ()


class ReceiptAnswer(Section):
    """`[provider.receipt.answer]`: what the provider gets once a receipt is stored."""

    status: int = 200
    body: str = "OK"


class ReceiptRule(Section):
    """`[provider.receipt]`: how its callback reads.  `token` stands in the callback's URL."""

    id: str
    state: str
    states: ReceiptStates
    token: SecretText
    error: str = ""
    at: str = ""
    format: Literal["json", "form", "query"] = "json"
    many: str = ""
    answer: ReceiptAnswer = ReceiptAnswer()


class HttpProviderSettings(ProviderSettings):
    """`wire = "http"`: `window` requests at a time, each given up after `timeout_s`.

    Templates may hold a key in clear, so none is shown by repr.
    """

    wire: Literal["http"]
    window: Window = 20
    timeout_s: Seconds = 30
    url: str = Field(repr=False)
    method: Literal["GET", "POST", "PUT", "PATCH"] = "POST"
    headers: Mapping[str, str] = Field(default_factory=dict, repr=False)
    query: Mapping[str, str] = Field(default_factory=dict, repr=False)
    body: Literal["json", "form", "text", "none"] = "json"
    fields: Mapping[str, object] = Field(default_factory=dict, repr=False)
    text: str = Field(default="", repr=False)
    secrets: Mapping[str, SecretText] = Field(default_factory=dict)
    split: Literal["provider", "gateway"] = "provider"
    success: SuccessRule = SuccessRule()
    id: IdRule | None = None
    errors: Listed[ErrorRule] = ()
    receipt: ReceiptRule | None = None

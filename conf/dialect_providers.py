"""`[[provider]]` with a vendor's name as its wire: an upstream reached by that vendor's own API."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from conf.fields import Amount, Seconds, SecondsOrNever, WebUrl
from conf.providers import ProviderSettings, Window
from conf.secrets import SecretText
from conf.section import Listed, Section

_DLT_ID = r"^[0-9]{0,30}$"
RequestsPerMinute = Annotated[int, Field(ge=1, le=100_000)]


def _ascending(ages: tuple[int, ...]) -> tuple[int, ...]:
    if any(later <= earlier for earlier, later in pairwise(ages)):
        raise ValueError("must ascend, such as [5, 15, 60]")
    return ages


Ages = Annotated[Listed[Seconds], AfterValidator(_ascending)]


class DialectProviderSettings(ProviderSettings):
    """What all vendors have in common: `window` requests at a time, given up after `timeout_s`.

    `url` is the API's base URL; paths are added to it.
    """

    url: WebUrl
    window: Window = 10
    timeout_s: Seconds = 30


class Polled(Section):
    """A vendor that tells what became of a message when it is asked.

    `poll`: ages of a message at which it is, the last repeating; empty = never.
    """

    poll: Ages = (5, 15, 60, 300, 1800)
    poll_per_min: RequestsPerMinute = 20


class CalledBack(Section):
    """A vendor that brings receipts.  The token stands in the callback's URL; None = it may not."""

    callback_token: SecretText | None = None


class Prepaid(Section):
    """A vendor that tells its balance, in units of `balance_warn`; None = no warning."""

    balance_every_s: SecondsOrNever = 300
    balance_warn: Amount | None = None


class ExoSendProviderSettings(DialectProviderSettings, Polled, Prepaid):
    """`wire = "exosend"`."""

    wire: Literal["exosend"]
    token: SecretText


class ExotelProviderSettings(DialectProviderSettings, Polled, CalledBack):
    """`wire = "exotel"`.  Polled only without a callback token.

    The DLT ids and `sms_type` are for messages that bring none of their own.
    """

    wire: Literal["exotel"]
    account_sid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    api_key: Annotated[str, Field(pattern=r"^[!-9;-~]{1,128}$")]
    api_token: SecretText
    sms_type: Literal["", "transactional", "transactional_opt_in", "promotional"] = ""
    dlt_entity_id: Annotated[str, Field(pattern=_DLT_ID)] = ""
    dlt_template_id: Annotated[str, Field(pattern=_DLT_ID)] = ""


class MeSmsProviderSettings(DialectProviderSettings, Polled, Prepaid):
    """`wire = "mesms"`."""

    wire: Literal["mesms"]
    api_key: SecretText


class EasySendSmsProviderSettings(DialectProviderSettings, CalledBack, Prepaid):
    """`wire = "easysendsms"`."""

    wire: Literal["easysendsms"]
    api_key: SecretText

"""`[[provider]]`: what every upstream has, and the settings of one reached over SMPP."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from conf.fields import Name, RatePerSecond, Seconds, SecondsOrNever
from conf.secrets import SecretText
from conf.section import Listed, Section
from gateway.domain.declared import ProviderSpec

Window = Annotated[int, Field(ge=1, le=100_000)]
Octet = Annotated[int, Field(ge=0, le=255)]


class ProviderSettings(Section):
    """The heart's half of a provider; `retry` None = `[queue] retry`."""

    name: Name
    wire: str
    rate: RatePerSecond = 0
    unknown: Literal["resend", "hold"] = "resend"
    receipt_window: Seconds = 259_200
    receipts: Literal["asked", "always", "never"] = "asked"
    retry: Listed[Seconds] | None = None
    breaker: Annotated[int, Field(ge=0, le=100_000)] = 10

    def spec(self, default_retry: tuple[int, ...]) -> ProviderSpec:
        """What the heart asks for."""
        return ProviderSpec(
            name=self.name,
            wire=self.wire,
            rate_per_s=self.rate,
            unknown=self.unknown,
            receipt_window_s=self.receipt_window,
            retry_s=default_retry if self.retry is None else self.retry,
            receipts=self.receipts,
            breaker=self.breaker,
        )


class SmppProviderSettings(ProviderSettings):
    """`wire = "smpp"`: a pool of `binds` with `window` unanswered submit_sm each.

    `charset` is what data_coding 0 means to the provider; `id_mode` turns the id of its
    submit_sm_resp into that of its receipts.  `source_ton` and `source_npi` None = derived from
    each sender.
    """

    wire: Literal["smpp"]
    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 2775
    system_id: Annotated[str, Field(max_length=15)]
    password: SecretText
    system_type: Annotated[str, Field(max_length=12)] = ""
    bind_mode: Literal["transceiver", "transmitter+receiver"] = "transceiver"
    binds: Annotated[int, Field(ge=1, le=1000)] = 1
    window: Window = 10
    charset: Literal["gsm", "latin1", "ascii", "utf8"] = "gsm"
    concatenation: Literal["udh", "sar", "payload"] = "udh"
    id_mode: Literal["as_is", "hex_to_dec", "dec_to_hex"] = "as_is"
    enquire_link_s: SecondsOrNever = 30
    response_timeout_s: Seconds = 30
    source_ton: Octet | None = None
    source_npi: Octet | None = None
    dest_ton: Octet = 1
    dest_npi: Octet = 1

    def spec(self, default_retry: tuple[int, ...]) -> ProviderSpec:
        """What the heart asks for."""
        return replace(super().spec(default_retry), id_mode=self.id_mode)

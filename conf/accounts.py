"""`[[account]]`: a tenant, its money, its senders and its ways in."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from conf.contacts import ContactGroupSettings, TemplateSettings
from conf.fields import (
    Amount,
    Currency,
    Network,
    Price,
    RatePerSecond,
    SecondsOrNever,
    SystemId,
    Title,
    WebUrl,
)
from conf.secrets import SecretText
from conf.section import Listed, Section
from gateway.domain.account import ChargeAt, Door, NumberCheck, RefundPolicy
from gateway.domain.declared import (
    AccountSpec,
    KeyPairSpec,
    SmppCredentialSpec,
    TokenSpec,
    WebhookSpec,
)
from gateway.policy.numbering import is_region

REST_DOORS = tuple(door.name.lower() for door in Door if door is not Door.SMPP)
MAX_SENDER_OCTETS = 20  # SMPP v3.4 5.2.8 source_addr: 21 with the NUL


def _region(text: str) -> str:
    if text and not is_region(text):
        raise ValueError('must be an ISO 3166 code such as "LV", or ""')
    return text


def _door(text: str) -> str:
    if text not in REST_DOORS:
        raise ValueError(f"must be one of {', '.join(REST_DOORS)}")
    return text


def _sender(text: str) -> str:
    if not text.isascii() or not text.isprintable() or text != text.strip():
        raise ValueError("must be printable ASCII, no space first or last")
    return text


class TokenSettings(Section):
    """`[[account.token]]`: an API token.  No `doors`, `scopes` or `allow` = all of them."""

    secret: SecretText
    name: Annotated[str, Field(max_length=64)] = ""
    doors: Listed[Annotated[str, AfterValidator(_door)]] = ()
    scopes: Listed[Literal["send", "read"]] = ()
    allow: Listed[Network] = ()

    def spec(self) -> TokenSpec:
        """What the heart asks for."""
        return TokenSpec(
            secret=self.secret.reveal(),
            name=self.name,
            doors=frozenset(self.doors),
            scopes=frozenset(self.scopes),
            ip_allow=self.allow,
        )


class ExotelSettings(Section):
    """`[[account.exotel]]`: an API key with its token, and the account SID of its paths."""

    account_sid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    api_key: Annotated[str, Field(pattern=r"^[!-9;-~]{1,128}$")]
    api_token: SecretText
    error_codes: bool = False
    allow: Listed[Network] = ()

    def spec(self) -> KeyPairSpec:
        """What the heart asks for."""
        return KeyPairSpec(
            account_sid=self.account_sid,
            api_key=self.api_key,
            api_token=self.api_token.reveal(),
            error_codes=self.error_codes,
            ip_allow=self.allow,
        )


class EasySendSettings(Section):
    """`[[account.easysendsms]]`: where delivery reports of messages sent over its API go."""

    report_url: WebUrl


def _at_most_one(tables: tuple[EasySendSettings, ...]) -> tuple[EasySendSettings, ...]:
    if len(tables) > 1:
        raise ValueError("must be one table: the vendor has one URL for each account")
    return tables


class SmppCredentialSettings(Section):
    """`[[account.smpp]]`: a system_id that may bind."""

    system_id: SystemId
    password: SecretText
    max_binds: Annotated[int, Field(ge=1, le=10_000)] = 10
    window: Annotated[int, Field(ge=1, le=100_000)] = 1000
    rate: RatePerSecond = 0
    message_id: Literal["hex", "decimal", "uuid"] = "hex"
    receipt_keep_s: SecondsOrNever = 259_200
    allow: Listed[Network] = ()

    def spec(self) -> SmppCredentialSpec:
        """What the heart asks for."""
        return SmppCredentialSpec(
            system_id=self.system_id,
            password=self.password.reveal(),
            max_binds=self.max_binds,
            window=self.window,
            rate_per_s=self.rate,
            message_id_format=self.message_id,
            receipt_keep_s=self.receipt_keep_s,
            ip_allow=self.allow,
        )


class WebhookSettings(Section):
    """`[[account.webhook]]`: where signed status notifications go."""

    url: WebUrl
    secret: SecretText

    def spec(self) -> WebhookSpec:
        """What the heart asks for."""
        return WebhookSpec(url=self.url, secret=self.secret.reveal())


class AccountSettings(Section):
    """`[[account]]`.  `credit` and `limit` are micro-units of `currency`."""

    name: Title
    currency: Currency = "EUR"
    credit: Price = 0
    limit: Amount = 0
    region: Annotated[str, AfterValidator(_region)] = ""
    rate: RatePerSecond = 0
    requests_per_min: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    number_check: Literal["possible", "valid"] = "possible"
    charge: Literal["accept", "submit", "delivery"] = "accept"
    refund: Literal["unsent", "undelivered", "never"] = "unsent"
    senders: Listed[
        Annotated[str, Field(min_length=1, max_length=MAX_SENDER_OCTETS), AfterValidator(_sender)]
    ] = ()
    token: Listed[TokenSettings] = ()
    exotel: Listed[ExotelSettings] = ()
    easysendsms: Annotated[Listed[EasySendSettings], AfterValidator(_at_most_one)] = ()
    smpp: Listed[SmppCredentialSettings] = ()
    webhook: Listed[WebhookSettings] = ()
    template: Listed[TemplateSettings] = ()
    contact_group: Listed[ContactGroupSettings] = ()

    def spec(self) -> AccountSpec:
        """What the heart asks for."""
        return AccountSpec(
            name=self.name,
            currency=self.currency,
            credit_micros=self.credit,
            limit_micros=self.limit,
            region=self.region,
            rate_per_s=self.rate,
            requests_per_min=self.requests_per_min,
            number_check=NumberCheck[self.number_check.upper()],
            charge_at=ChargeAt[self.charge.upper()],
            refund=RefundPolicy[self.refund.upper()],
            senders=self.senders,
            tokens=tuple(token.spec() for token in self.token),
            key_pairs=tuple(pair.spec() for pair in self.exotel),
            smpp=tuple(credential.spec() for credential in self.smpp),
            webhooks=tuple(webhook.spec() for webhook in self.webhook),
            report_url=next((table.report_url for table in self.easysendsms), ""),
            templates=tuple(template.spec() for template in self.template),
            contact_groups=tuple(group.spec() for group in self.contact_group),
        )

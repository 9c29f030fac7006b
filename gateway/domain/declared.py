"""Objects an operator declares: what the configuration file (and later the admin API) asks for.

Plain frozen values; `conf` makes them, `gateway.flow.directory` applies them.  Secrets stand in
clear here and only here, in memory.
"""

from dataclasses import dataclass

from gateway.domain.account import ChargeAt, NumberCheck, RefundPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSpec:
    """An API token.  `doors`, `scopes` and `ip_allow` empty = all."""

    secret: str
    name: str = ""
    doors: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    ip_allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPairSpec:
    """An API key and its token, sent as user name and password; `account_sid` stands in paths.

    `error_codes`: errors carry the vendor's number beside their text.
    """

    account_sid: str
    api_key: str
    api_token: str
    error_codes: bool = False
    ip_allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SmppCredentialSpec:
    """A system_id (at most 15 octets) that may bind."""

    system_id: str
    password: str
    max_binds: int = 10
    window: int = 1000
    rate_per_s: int = 0
    message_id_format: str = "hex"
    receipt_keep_s: int = 3 * 86_400
    ip_allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSpec:
    """Where the account's status notifications go."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSpec:
    """A stored text with placeholders such as {{name}}; `id` is unique in the account."""

    id: int
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactGroupSpec:
    """Stored numbers; `id` is unique in the account.

    `lines`: a number on each, as one text, because there may be millions.
    """

    id: int
    lines: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """A tenant and its ways in.  `credit_micros` is the opening balance, applied once."""

    name: str
    currency: str = "EUR"
    credit_micros: int = 0
    limit_micros: int = 0
    region: str = ""
    rate_per_s: int = 0
    requests_per_min: int | None = None
    number_check: NumberCheck = NumberCheck.POSSIBLE
    charge_at: ChargeAt = ChargeAt.ACCEPT
    refund: RefundPolicy = RefundPolicy.UNSENT
    senders: tuple[str, ...] = ()
    tokens: tuple[TokenSpec, ...] = ()
    key_pairs: tuple[KeyPairSpec, ...] = ()
    smpp: tuple[SmppCredentialSpec, ...] = ()
    webhooks: tuple[WebhookSpec, ...] = ()
    report_url: str = ""  # of EasySendSMS delivery reports
    templates: tuple[TemplateSpec, ...] = ()
    contact_groups: tuple[ContactGroupSpec, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """The heart's half of a provider; the wire's half goes to its own room.

    `unknown`: "resend" or "hold".  `receipt_window_s`: how long a receipt may take.  `retry_s`:
    waits between attempts; when they are used up the message fails.  `receipts`: "asked" (only when
    the customer wants one), "always" or "never".  `breaker`: failures in a row that take the
    provider out for a while; 0 = never.  `id_mode`: how the wire reads the ids of receipts (see
    `gateway.domain.provider_id`); empty = it has no such setting.
    """

    name: str
    wire: str
    rate_per_s: int = 0
    unknown: str = "resend"
    receipt_window_s: int = 3 * 86_400
    retry_s: tuple[int, ...] = (5, 30, 120, 600, 1800, 3600)
    receipts: str = "asked"
    breaker: int = 10
    id_mode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSpec:
    """Which providers may carry which messages.

    `tiers`: ordered; each a tuple of (provider, weight).
    """

    name: str
    channel: str
    prefix: str
    tiers: tuple[tuple[tuple[str, int], ...], ...]
    account: str | None = None
    sender: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSpec:
    """Price of a part or of a number query, for numbers with `prefix`, from `valid_from_ms` on."""

    channel: str
    prefix: str
    price_micros: int
    currency: str = "EUR"
    valid_from_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """Everything declared, as one value."""

    accounts: tuple[AccountSpec, ...] = ()
    providers: tuple[ProviderSpec, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    rates: tuple[RateSpec, ...] = ()

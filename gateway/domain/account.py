"""Accounts and credentials as the running daemon holds them.

These are live objects of the hot path: plain slots classes, mutated in place by admission, the
journal and a reload, always on the event loop.  `balance_micros` and `held_micros` include what
admission has reserved in memory and the journal has not committed yet.
"""

from enum import IntEnum


class ChargeAt(IntEnum):
    """When a message is charged; before that its price is held."""

    ACCEPT = 0
    SUBMIT = 1
    DELIVERY = 2


class RefundPolicy(IntEnum):
    """Which charges are given back when a message ends badly.

    A hold is no charge: what was only held is released under every policy, and an `unknown` end
    keeps what was charged.
    """

    UNSENT = 0  # of messages that never left
    UNDELIVERED = 1  # of those, and of messages that left and are known not to have arrived
    NEVER = 2


class NumberCheck(IntEnum):
    """How strictly recipients are checked."""

    POSSIBLE = 0  # known country code and possible length
    VALID = 1  # the numbering plan knows the range


class Door(IntEnum):
    """Where a message came in.  Values are stored."""

    SMPP = 1
    EXOSEND = 2
    EXOTEL = 3
    MESMS = 4
    EASYSENDSMS = 5


# In metrics, by value.
DOOR_NAMES = ("", *(door.name.lower() for door in Door))

ANY_SENDER = "*"


class Account:
    """A tenant.  Amounts are micro-units of `currency`."""

    __slots__ = (
        "any_sender", "balance_micros", "charge_at", "currency", "default_sender", "enabled",
        "held_micros", "id", "limit_micros", "name", "number_check", "rate_per_s", "refund",
        "region", "requests_per_min", "senders", "throttle",
    )  # fmt: skip

    def __init__(self, id: int, name: str, currency: str = "EUR") -> None:
        self.id = id
        self.name = name
        self.currency = currency
        self.region = ""  # ISO 3166 alpha-2, for numbers in national form
        self.limit_micros = 0  # `available` never goes below it
        self.balance_micros = 0
        self.held_micros = 0
        self.rate_per_s = 0  # parts per second over all doors, 0 = no limit
        self.requests_per_min: int | None = None  # REST, all doors; None = the vendor's own
        self.throttle: list[float] = [0.0, 0.0]  # tokens, time: gateway.policy.throttle
        self.number_check = NumberCheck.POSSIBLE
        self.charge_at = ChargeAt.ACCEPT
        self.refund = RefundPolicy.UNSENT
        self.senders: set[str] = set()  # approved ones; they compare exactly
        self.any_sender = False
        self.default_sender = ""
        self.enabled = True

    @property
    def available_micros(self) -> int:
        """What may still be spent, before the limit."""
        return self.balance_micros - self.held_micros


class Credential:
    """A way in: an API token, a pair of API key and token, or an SMPP system_id.

    `id` is stored with every message it sends.
    """

    __slots__ = (
        "account", "account_sid", "digest", "door_names", "enabled", "error_codes", "id",
        "ip_allow", "max_binds", "message_id_format", "name", "password_hash", "rate_per_s",
        "receipt_keep_s", "scopes", "throttle", "window",
    )  # fmt: skip

    def __init__(self, id: int, account: Account, name: str) -> None:
        self.id = id
        self.account = account
        self.name = name  # system_id, API key of a pair, or the token's public name
        self.account_sid = ""  # of a pair: what its paths name
        self.error_codes = False  # of a pair: errors carry the vendor's number beside their text
        self.digest = b""  # keyed digest of a secret given in clear or of an API token
        self.password_hash = ""  # argon2, for stored SMPP passwords
        self.enabled = True
        self.door_names: frozenset[str] = frozenset()  # empty = every REST door
        self.scopes: frozenset[str] = frozenset()  # empty = all
        self.max_binds = 10
        self.window = 1000  # unanswered submit_sm per bind before we stop reading
        self.rate_per_s = 0  # parts per second, 0 = no limit
        self.throttle: list[float] = [0.0, 0.0]
        self.message_id_format = "hex"  # hex | decimal | uuid
        self.receipt_keep_s = 3 * 86_400
        self.ip_allow: tuple[str, ...] = ()

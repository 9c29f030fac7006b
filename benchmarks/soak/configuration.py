"""The gateway's configuration for a soak, and the customers it declares."""

from dataclasses import dataclass

from benchmarks.soak.numbers import Area

PASSWORD = "secret"
SENDER = "POSTERN"
REST_TOKEN = "token-of-the-soak"
WEBHOOK_SECRET = "secret-of-the-webhook"
CALLBACK_TOKEN = "token-of-the-callbacks"
REST_ACCOUNT = "rest"
POOR = "poor"  # lives from top-up to top-up
POOR_CREDIT = "2.00"
SMSC, HTTP = "smsc", "http"  # the providers' names

# A reload switches between them: price per part, parts per second of the SMSC and of an account.
VARIANTS = (("0.010", 0, 0), ("0.012", 4000, 5000), ("0.009", 3000, 0))

SYSTEM_IDS = ("steady", "pair", "long", "absent", POOR)  # accounts of the same names


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where everything listens, on 127.0.0.1, and what the store is."""

    http: int
    smpp: int
    admin: int
    smsc: int
    http_carrier: int
    webhook: int
    store_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What would be days in production and must be seconds in a soak."""

    retention_s: float
    receipt_window_s: int
    schedules_s: tuple[int, ...]

    @property
    def drain_s(self) -> float:
        """How long after the last submit everything has to be settled, at the latest.

        Scheduled ones leave, receipts that a carrier took to its grave are given up, and a webhook
        that was refused is tried for the third time.
        """
        return max(self.schedules_s) + 1.5 * self.receipt_window_s + 120.0


TERMS = Terms(retention_s=240, receipt_window_s=40, schedules_s=(15, 30, 75))
SHORT_TERMS = Terms(retention_s=40, receipt_window_s=4, schedules_s=(2, 4))
SHORT_RUN_S = 240.0


def terms_of(duration_s: float) -> Terms:
    """Terms that come to their end several times in a run of this length."""
    return TERMS if duration_s >= SHORT_RUN_S else SHORT_TERMS


_DAEMON = """\
[listen]
http = "127.0.0.1:{places.http}"
smpp = "127.0.0.1:{places.smpp}"
admin = "127.0.0.1:{places.admin}"

[store]
url = "{places.store_url}"
retention_days = {retention_days!r}

[queue]
retry = [1, 2, 2, 5, 5, 5, 10, 10, 10, 20, 20, 20]

[smpp]
delivery_timeout_s = 10

[log]
level = "warning"

[callbacks]
allow_private = true
"""

_ACCOUNT = """
[[account]]
name = "{name}"
credit = "{credit}"
rate = {rate}
requests_per_min = 0
senders = ["{sender}"]
"""

_SMPP = """
  [[account.smpp]]
  system_id = "{system_id}"
  password = "{password}"
"""

_REST = """
  [[account.token]]
  secret = "{token}"

  [[account.webhook]]
  url = "http://127.0.0.1:{places.webhook}/status"
  secret = "{webhook_secret}"
"""

_PROVIDERS = """
[[provider]]
name = "{smsc}"
wire = "smpp"
host = "127.0.0.1"
port = {places.smsc}
system_id = "gateway"
password = "secret"
binds = 2
window = 50
rate = {carrier_rate}
receipt_window = {terms.receipt_window_s}
response_timeout_s = 3

[[provider]]
name = "{http}"
wire = "http"
window = 50
receipt_window = {terms.receipt_window_s}
timeout_s = 3
url = "http://127.0.0.1:{places.http_carrier}/send"

  [provider.fields]
  to = "{{to_plus}}"
  from = "{{from}}"
  text = "{{text}}"
  callback = "{{callback_url}}"

  [provider.id]
  path = "id"

  [provider.receipt]
  token = "{callback_token}"
  id = "id"
  state = "status"
  error = "error"

    [provider.receipt.states]
    delivered = ["delivered"]
    failed = ["failed"]
    expired = ["expired"]

[[route]]
prefix = "{smsc_prefix}"
providers = ["{smsc}"]

[[route]]
prefix = "{http_prefix}"
providers = ["{http}"]

[[route]]
prefix = "{either_prefix}"
tiers = [["{smsc}"], ["{http}"]]

[[rate]]
price = "{price}"
"""


def render(places: Places, terms: Terms, variant: int) -> str:
    """A file for `postern serve -c`; `variant` numbers the reloads."""
    price, carrier_rate, account_rate = VARIANTS[variant % len(VARIANTS)]
    accounts = [
        _account(name, account_rate) + _SMPP.format(system_id=name, password=PASSWORD)
        for name in SYSTEM_IDS
    ]
    accounts.append(
        _account(REST_ACCOUNT, account_rate)
        + _REST.format(token=REST_TOKEN, places=places, webhook_secret=WEBHOOK_SECRET)
    )
    return (
        _DAEMON.format(places=places, retention_days=terms.retention_s / 86_400)
        + "".join(accounts)
        + _PROVIDERS.format(
            places=places,
            terms=terms,
            smsc=SMSC,
            http=HTTP,
            carrier_rate=carrier_rate,
            callback_token=CALLBACK_TOKEN,
            smsc_prefix=Area.SMSC.prefix,
            http_prefix=Area.HTTP.prefix,
            either_prefix=Area.EITHER.prefix,
            price=price,
        )
    )


def _account(name: str, rate: int) -> str:
    credit = POOR_CREDIT if name == POOR else "1000000.00"
    return _ACCOUNT.format(name=name, credit=credit, rate=rate, sender=SENDER)

"""The gateway's configuration for a measurement: unlimited accounts, one carrier, one route."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.esme import SENDER

SYSTEM_ID = "bench"
PASSWORD = "bench"
TOKEN = "token-of-the-benchmark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """An account with one sender, one token and one system_id; the password is PASSWORD."""

    name: str
    sender: str
    token: str
    system_id: str


CUSTOMER = Customer(name="bench", sender=SENDER, token=TOKEN, system_id=SYSTEM_ID)

_TEMPLATE = """\
[listen]
http = "127.0.0.1:{http_port}"
smpp = "127.0.0.1:{smpp_port}"
control = ""

[store]
url = "{store_url}"

[log]
level = "warning"
{accounts}
[[provider]]
name = "carrier"
wire = "smpp"
host = "127.0.0.1"
port = {carrier_port}
system_id = "gateway"
password = "secret"
binds = 1
window = {carrier_window}
rate = {carrier_rate}

[[route]]
channel = "sms"
prefix = ""
providers = ["carrier"]

[[rate]]
channel = "sms"
prefix = ""
price = "0.035"
"""

_ACCOUNT = """
[[account]]
name = "{name}"
currency = "EUR"
credit = "1000000.00"
requests_per_min = 0
senders = ["{sender}"]

  [[account.token]]
  secret = "{token}"

  [[account.exotel]]
  account_sid = "{system_id}"
  api_key = "{system_id}"
  api_token = "{token}"

  [[account.smpp]]
  system_id = "{system_id}"
  password = "{password}"
  max_binds = 100
  window = 1000
  rate = 0
"""


def render(
    *,
    http_port: int,
    smpp_port: int,
    carrier_port: int,
    carrier_window: int,
    store_url: str,
    carrier_rate: int = 0,
    customers: Sequence[Customer] = (CUSTOMER,),
) -> str:
    """A file for `postern serve -c`: no throttle but `carrier_rate`, parts per second, 0 = none.

    Each account has credit for 28 million messages.
    """
    accounts = "".join(
        _ACCOUNT.format(
            name=customer.name,
            sender=customer.sender,
            token=customer.token,
            system_id=customer.system_id,
            password=PASSWORD,
        )
        for customer in customers
    )
    return _TEMPLATE.format(
        http_port=http_port,
        smpp_port=smpp_port,
        carrier_port=carrier_port,
        carrier_window=carrier_window,
        carrier_rate=carrier_rate,
        store_url=store_url,
        accounts=accounts,
    )

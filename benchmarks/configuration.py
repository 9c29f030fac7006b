"""The gateway's configuration for a measurement: one account, one carrier, one route, one price."""

from benchmarks.esme import SENDER

SYSTEM_ID = "bench"
PASSWORD = "bench"
TOKEN = "token-of-the-benchmark"

_TEMPLATE = """\
[listen]
http = "127.0.0.1:{http_port}"
smpp = "127.0.0.1:{smpp_port}"
control = ""

[store]
url = "{store_url}"

[log]
level = "warning"

[[account]]
name = "bench"
currency = "EUR"
credit = "1000000.00"
requests_per_min = 0
senders = ["{sender}"]

  [[account.token]]
  secret = "{token}"

  [[account.smpp]]
  system_id = "{system_id}"
  password = "{password}"
  max_binds = 100
  window = 1000
  rate = 0

[[provider]]
name = "carrier"
wire = "smpp"
host = "127.0.0.1"
port = {carrier_port}
system_id = "gateway"
password = "secret"
binds = 1
window = {carrier_window}
rate = 0

[[route]]
channel = "sms"
prefix = ""
providers = ["carrier"]

[[rate]]
channel = "sms"
prefix = ""
price = "0.035"
"""


def render(
    *, http_port: int, smpp_port: int, carrier_port: int, carrier_window: int, store_url: str
) -> str:
    """A file for `postern serve -c`: no throttle anywhere, credit for 28 million messages."""
    return _TEMPLATE.format(
        http_port=http_port,
        smpp_port=smpp_port,
        carrier_port=carrier_port,
        carrier_window=carrier_window,
        store_url=store_url,
        sender=SENDER,
        system_id=SYSTEM_ID,
        password=PASSWORD,
        token=TOKEN,
    )

"""The configuration file of the demo, written anew at each start.

It is an ordinary file: every command takes it with `-c`, and it is a working example of accounts
with every door, a provider of each wire and a route with failover.
"""

import json
from pathlib import Path
from typing import NamedTuple

from postern.demo_secrets import DemoSecrets
from postern.simulator.settings import SimulatorPorts

HOST = "127.0.0.1"
FILE = "postern.toml"
ACCOUNT = "Demo"
BULK_ACCOUNT = "Bulk"
ACCOUNT_SID = "demo"  # in the paths of the Exotel API
SENDER = "POSTERN"
SYSTEM_ID = "demo"
SMSC_SYSTEM_ID = "postern"
SMPP_CARRIER = "carrier-smpp"
HTTP_CARRIER = "carrier-http"
HTTP_FIRST_PREFIX = "44"
# Below the 8 s in which a Ctrl-C must be done, with room for the carriers to leave.
DRAIN_S = 5
SOCKET = "postern.sock"
_SOCKET_PATH_OCTETS = 107  # sun_path of unix(7), without the NUL


class DemoPorts(NamedTuple):
    """The gateway's own ports; 0 takes a free one."""

    http: int
    smpp: int
    admin: int


FIXED_PORTS = DemoPorts(http=8080, smpp=2775, admin=9090)
FREE_PORTS = DemoPorts(http=0, smpp=0, admin=0)

_TEMPLATE = """\
# Made by `postern demo` at each start: changes here are lost.  For one of your own, copy this
# file or conf/postern.example.toml, which explains every option.

[listen]
http = "{host}:{ports.http}"
smpp = "{host}:{ports.smpp}"
admin = "{host}:{ports.admin}"
control = {control}

[store]
url = "sqlite:///./postern.db"

[queue]
retry = [1, 2, 5, 15, 60, 300]          # short, so that retries can be watched

[log]
message_log = "messages.log"

[drain]
deadline_s = {drain_s}

[callbacks]
allow_private = true                    # webhooks may point at this machine; not for production

[hlr]
url = "http://{host}:{carriers.http}/hlr?number={{to}}"
headers = {{ Authorization = "Bearer {{secret.KEY}}" }}
secrets = {{ KEY = {carrier_key} }}

[[account]]
name = "{account}"
currency = "EUR"
credit = "100.00"
senders = ["{sender}"]

  [[account.token]]
  name = "demo"
  secret = {token}
  doors = ["exosend"]

  [[account.token]]
  name = "demo-easysendsms"
  secret = {easysendsms_key}
  doors = ["easysendsms"]

  [[account.exotel]]
  account_sid = "{account_sid}"
  api_key = {exotel_key}
  api_token = {exotel_token}

  [[account.smpp]]
  system_id = "{system_id}"
  password = {smpp_password}

[[account]]
name = "{bulk_account}"
currency = "CREDIT"                     # one for each part
credit = "3000000"
region = "TH"                           # how numbers without a country code are read
senders = ["{sender}"]

  [[account.token]]
  name = "demo-mesms"
  secret = {mesms_key}
  doors = ["mesms"]

[[provider]]
name = "{smpp_carrier}"
wire = "smpp"
host = "{host}"
port = {carriers.smpp}
system_id = "{smsc_system_id}"
password = {smsc_password}
window = 100

[[provider]]
name = "{http_carrier}"
wire = "http"
url = "http://{host}:{carriers.http}/send"
headers = {{ Authorization = "Bearer {{secret.KEY}}" }}
secrets = {{ KEY = {carrier_key} }}

  [provider.fields]
  to = "{{to_plus}}"
  from = "{{from}}"
  text = "{{text}}"
  callback = "{{callback_url}}"

  [provider.success]
  status = [202]

  [provider.id]
  path = "id"

  [provider.receipt]
  token = {callback_token}
  id = "id"
  state = "status"
  error = "error"

    [provider.receipt.states]
    delivered = ["delivered"]
    failed = ["failed"]
    expired = ["expired"]

[[route]]
name = "everywhere"
tiers = [["{smpp_carrier}"], ["{http_carrier}"]]

[[route]]
name = "http-first"
prefix = "{http_first_prefix}"
tiers = [["{http_carrier}"], ["{smpp_carrier}"]]

[[rate]]
prefix = ""
price = "0.035"
currency = "EUR"

[[rate]]
prefix = ""
price = "1"
currency = "CREDIT"

[[rate]]
channel = "hlr"
prefix = ""
price = "0.005"
currency = "EUR"
"""


def render(ports: DemoPorts, carriers: SimulatorPorts, secrets: DemoSecrets, control: str) -> str:
    """The file's text.  `control` is the path of the command line's socket."""
    return _TEMPLATE.format(
        host=HOST,
        ports=ports,
        carriers=carriers,
        control=_quoted(control),
        drain_s=DRAIN_S,
        account=ACCOUNT,
        bulk_account=BULK_ACCOUNT,
        account_sid=ACCOUNT_SID,
        sender=SENDER,
        system_id=SYSTEM_ID,
        smsc_system_id=SMSC_SYSTEM_ID,
        smpp_carrier=SMPP_CARRIER,
        http_carrier=HTTP_CARRIER,
        http_first_prefix=HTTP_FIRST_PREFIX,
        token=_quoted(secrets.token),
        smpp_password=_quoted(secrets.smpp_password),
        mesms_key=_quoted(secrets.mesms_key),
        exotel_key=_quoted(secrets.exotel_key),
        exotel_token=_quoted(secrets.exotel_token),
        easysendsms_key=_quoted(secrets.easysendsms_key),
        smsc_password=_quoted(secrets.smsc_password),
        carrier_key=_quoted(secrets.carrier_key),
        callback_token=_quoted(secrets.callback_token),
    )


def fits_socket(directory: Path) -> bool:
    """Whether the path of a control socket in `directory` is short enough for the system."""
    return len(bytes(directory / SOCKET)) <= _SOCKET_PATH_OCTETS


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of its own."""
    return json.dumps(text, ensure_ascii=False)

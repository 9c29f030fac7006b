"""One daemon among carriers that all misbehave, each a process of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from postern.commands.control_client import ControlClient
from tests.support.processes import PosternProcess, accepts, free_port, until
from tests.support.rest_client import get_json
from tests.support.serving import LISTEN, Serving
from tests.support.smpp_customer import SmppCustomer

pytestmark = pytest.mark.slow

PRICE = 0.035
EACH = 6
# What each SMSC does, and the prefix of its customers.
SMSCS = {
    "silent": ("37120", "--silence-every 4"),
    "late": ("37121", "--answer-delay 2.5"),
    "dropping": ("37122", "--drop-after 5"),
    "mad": ("37123", "--garbage text --garbage-every 4"),
    "eager": ("37124", "--receipt-first --duplicate-receipts 1 --stray-receipts 1"),
    "shy": ("37125", "--ignore-binds 1 --refuse-binds 1 --response-ids padded-hex --receipt-ids upper-hex"),
    "foreign": ("37126", "--response-ids hex --receipt-ids decimal"),
}  # fmt: skip
HTTP = ("37127", "--garbage half --garbage-every 4 --receipt-first")
ACCOUNT = """
[[account]]
name = "acme"
credit = "100"
senders = ["ACME"]
  [[account.smpp]]
  system_id = "acme"
  password = "secret"
[[rate]]
price = "0.035"
"""
SMSC = """
[[provider]]
name = "{name}"
wire = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "gw"
password = "secret"
response_timeout_s = 1
retry = [1, 1, 1, 1]
breaker = 0
id_mode = "{id_mode}"
[[route]]
prefix = "{prefix}"
providers = ["{name}"]
"""
HTTP_CARRIER = """
[[provider]]
name = "web"
wire = "http"
url = "http://127.0.0.1:{port}/send"
fields = {{ to = "{{to_plus}}", from = "{{from}}", text = "{{text}}", callback = "{{callback_url}}" }}
retry = [1, 1, 1, 1]
breaker = 0
  [provider.success]
  status = [202]
  [provider.id]
  path = "id"
  [provider.receipt]
  token = "callback-token"
  id = "id"
  state = "status"
    [provider.receipt.states]
    delivered = ["delivered"]
[[route]]
prefix = "{prefix}"
providers = ["web"]
"""


class Town:
    """The carriers, and the daemon's configuration for them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.ports = {name: free_port() for name in (*SMSCS, "web")}
        self.inboxes = {name: free_port() for name in self.ports}

    def configuration(self, id_mode: str = "as_is") -> str:
        smscs = [
            SMSC.format(
                name=name, port=self.ports[name], prefix=prefix,
                id_mode=id_mode if name == "foreign" else "as_is",
            )
            for name, (prefix, _) in SMSCS.items()
        ]  # fmt: skip
        web = HTTP_CARRIER.format(port=self.ports["web"], prefix=HTTP[0])
        return LISTEN + ACCOUNT + "".join(smscs) + web

    @contextmanager
    def open(self) -> Iterator[None]:
        with ExitStack() as stack:
            for name, port in self.ports.items():
                script = SMSCS[name][1] if name in SMSCS else HTTP[1]
                folder = self._directory / name
                folder.mkdir()
                process = PosternProcess(
                    folder, "simulate", "smsc" if name in SMSCS else "http", "--port", str(port),
                    "--inbox-port", str(self.inboxes[name]), "--receipt-delay", "0.1",
                    *script.split(),
                )  # fmt: skip
                stack.enter_context(process)
            for port in self.inboxes.values():
                until("the carriers", lambda port=port: accepts(port))  # type: ignore[misc]
            yield

    def arrived(self, name: str, recipient: str) -> int:
        entries = get_json(f"http://127.0.0.1:{self.inboxes[name]}/inbox?after=0")
        return sum(entry["to"] == f"+{recipient}" for entry in entries)


def submit_all(esme: SmppCustomer) -> dict[str, tuple[str, str]]:
    """EACH messages for every carrier: message id -> (carrier, recipient)."""
    sent = {}
    prefixes = {name: prefix for name, (prefix, _) in SMSCS.items()} | {"web": HTTP[0]}
    for number in range(EACH):
        for name, prefix in prefixes.items():
            recipient = f"{prefix}5{number:01d}0007"
            status, message_id = esme.submit(recipient, b"hello", sender="ACME")
            assert status == 0
            sent[message_id] = (name, recipient)
    return sent


def events(shown: dict[str, Any]) -> list[str]:
    return [step["event"] for step in shown["timeline"]]


def test_everything_arrives_is_charged_once_and_tells_its_story(tmp_path: Path) -> None:
    town = Town(tmp_path)
    gateway = Serving(tmp_path, town.configuration())
    with town.open(), gateway.serve() as daemon, gateway.esme("acme") as esme:
        sent = submit_all(esme)
        for message_id, (name, _) in sent.items():
            if name != "foreign":
                assert b" stat:DELIVRD " in esme.receipt(message_id, 60.0).short_message
        until("the warning", lambda: "receipts.id_mode_mismatch" in daemon.errors)
        gateway.reload(daemon, town.configuration(id_mode="hex_to_dec"))
        for message_id in sent:
            esme.receipt(message_id, 30.0)
        control = ControlClient(gateway.file)
        stories: dict[str, set[str]] = {name: set() for name in town.ports}
        for message_id, (name, recipient) in sent.items():
            shown = control.call("message.show", id=message_id)
            assert shown["state"] == "delivered"
            assert events(shown).count("delivered") == 1
            stories[name].update(events(shown))
            copies = town.arrived(name, recipient)
            assert copies >= 1
            assert copies == 1 or "unknown outcome" in events(shown)
        [account] = control.call("account.list")["accounts"]
        metrics = gateway.admin().get("/metrics").octets.decode()
    assert float(account["balance"]) == round(100 - PRICE * len(sent), 6)
    delivered = [sm.short_message.split()[0] for sm in esme.delivered]
    assert len(delivered) == len(set(delivered)) == len(sent)
    for name in ("silent", "dropping", "mad", "web"):
        assert "unknown outcome" in stories[name], name
    assert "late answer" in stories["late"]
    assert "repeated receipt" in stories["eager"]
    assert stories["shy"] == {"accepted", "sent", "delivered", "notified"}
    for kind in ('"id_mode_mismatch",provider="foreign"', '"repeated",provider="eager"'):
        assert f"postern_receipts_total{{kind={kind}}}" in metrics

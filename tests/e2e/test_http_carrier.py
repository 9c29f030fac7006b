"""An HTTP carrier made of configuration alone, as the spare of an SMPP carrier that is away."""

import json
import ssl
from http.client import HTTPSConnection
from pathlib import Path

from tests.support.certificates import write_certificate
from tests.support.processes import PosternProcess, accepts, until
from tests.support.rest_client import RestClient
from tests.support.serving import LISTEN, Serving

ACCOUNT = """
[[account]]
name = "acme"
credit = "10"
requests_per_min = 0
senders = ["ACME"]
  [[account.token]]
  secret = "token-acme"
  [[account.smpp]]
  system_id = "acme"
  password = "secret"
"""
PROVIDERS = """
[[provider]]
name = "best"
wire = "smpp"
host = "127.0.0.1"
port = 1
system_id = "gw"
password = "secret"
[[provider]]
name = "spare"
wire = "http"
url = "http://127.0.0.1:{carrier}/send"
headers = { Authorization = "Bearer {secret.KEY}" }
secrets = { KEY = "carrier-key" }
fields = { to = "{to_plus}", from = "{from}", text = "{text}", callback = "{callback_url}" }
  [provider.success]
  status = [202]
  [provider.id]
  path = "id"
  [provider.receipt]
  token = "callback-token"
  id = "id"
  state = "status"
  error = "error"
    [provider.receipt.states]
    delivered = ["delivered"]
    failed = ["failed"]
    expired = ["expired"]
[[route]]
tiers = [["best"], ["spare"]]
[[rate]]
price = "0.035"
"""


def test_the_spare_takes_over_and_its_receipts_come_home(tmp_path: Path) -> None:
    gateway = Serving(tmp_path, LISTEN + ACCOUNT + PROVIDERS)
    simulator = (
        "simulate", "http", "--port", str(gateway.ports["carrier"]),
        "--inbox-port", str(gateway.ports["inbox"]), "--secret", "carrier-key",
        "--receipt-delay", "0",
    )  # fmt: skip
    with gateway.serve() as daemon, PosternProcess(tmp_path, *simulator):
        until("the carrier", lambda: accepts(gateway.ports["carrier"]))
        with gateway.esme("acme") as esme:
            _, delivered = esme.submit("37120500007", b"x" * 161, sender="ACME")
            assert b" stat:DELIVRD err:000 " in esme.receipt(delivered).short_message
            _, failed = esme.submit("37120500001", b"to nobody", sender="ACME")
            assert b" stat:UNDELIV err:001 " in esme.receipt(failed).short_message
            _, throttled = esme.submit("37120500004", b"again", sender="ACME")
            assert b" stat:DELIVRD " in esme.receipt(throttled).short_message
        [entry] = gateway.received("+37120500007")
        assert (entry["from"], entry["text"], entry["parts"]) == ("ACME", "x" * 161, 2)
        shown = json.loads(gateway.command("message", "show", delivered, "--json"))
        assert (shown["provider"], shown["price"]) == ("spare", "0.07")
        # Only who knows the callback's token may report.
        callbacks = RestClient(f"http://127.0.0.1:{gateway.ports['http']}/callbacks/spare")
        report = {"id": "nobody's", "status": "failed"}
        assert callbacks.post("/callback-token", report).status == 200
        assert callbacks.post("/another-token", report).status == 404
        for secret in ("carrier-key", "callback-token"):
            assert secret not in daemon.errors


def test_rest_over_tls(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    tls = '[listen.tls]\ncert = "cert.pem"\nkey = "key.pem"\n'
    gateway = Serving(tmp_path, LISTEN + tls + ACCOUNT + PROVIDERS)
    with gateway.serve():
        context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        connection = HTTPSConnection(
            "127.0.0.1", gateway.ports["http"], timeout=10, context=context
        )
        connection.request("GET", "/api/v1/balance", headers={"Authorization": "Bearer token-acme"})
        assert json.load(connection.getresponse())["data"]["balance"] == 10
        connection.close()

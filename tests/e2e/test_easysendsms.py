"""The EasySendSMS API of a running gateway: messages, reports, number queries through the simulator."""

import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs

import pytest

from tests.support.processes import PosternProcess, accepts, until
from tests.support.rest_client import Reply, RestClient
from tests.support.serving import LISTEN, Serving

CONFIGURATION = (
    LISTEN
    + """
[callbacks]
allow_private = true
[hlr]
url = "http://127.0.0.1:{carrier}/hlr?number={to}"
headers = { Authorization = "Bearer {secret.KEY}" }
secrets = { KEY = "carrier-key" }
[[account]]
name = "acme"
credit = "10"
senders = ["ACME"]
  [[account.token]]
  secret = "key-acme"
  [[account.easysendsms]]
  report_url = "REPORT_URL"
[[account]]
name = "other"
currency = "USD"
  [[account.token]]
  secret = "key-other"
[[provider]]
name = "carrier"
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
providers = ["carrier"]
[[rate]]
price = "0.035"
[[rate]]
channel = "hlr"
price = "0.005"
"""
)
NUMBER = "37129200000"


class Call(NamedTuple):
    method: str
    content_type: str
    fields: dict[str, str]


@contextmanager
def customer() -> Iterator[tuple[str, "queue.Queue[Call]"]]:
    """The customer's HTTP server: the URL of its reports, and the calls it gets."""
    calls: queue.Queue[Call] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            octets = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fields = {name: values[0] for name, values in parse_qs(octets.decode()).items()}
            calls.put(Call(self.command, self.headers.get("Content-Type", ""), fields))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = do_POST = _take  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/dlr?secret=s3cret", calls
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Site(NamedTuple):
    gateway: Serving
    daemon: PosternProcess
    carrier: PosternProcess
    calls: "queue.Queue[Call]"
    api: RestClient

    def post(self, path: str, body: object, key: str = "key-acme") -> Reply:
        return self.api.post(path, body, {"apikey": key})

    def report(self) -> Call:
        """The next report; the checks of the URL before it are passed over."""
        while True:
            call = self.calls.get(timeout=15)
            if call.method == "POST":
                return call

    def balance(self) -> float:
        """By another door, whose limit is wider."""
        return self.gateway.balance("key-acme")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("easysendsms")
    with customer() as (url, calls):
        gateway = Serving(directory, CONFIGURATION.replace("REPORT_URL", url))
        carrier = PosternProcess(
            directory, "simulate", "http", "--port", str(gateway.ports["carrier"]), "--inbox-port",
            str(gateway.ports["inbox"]), "--receipt-delay", "0", "--secret", "carrier-key",
        )  # fmt: skip
        with carrier, gateway.serve() as daemon:
            until("the carrier", lambda: accepts(gateway.ports["carrier"]))
            api = RestClient(f"http://127.0.0.1:{gateway.ports['http']}/v1/rest")
            yield Site(gateway, daemon, carrier, calls, api)


def test_a_message_is_sent_and_reported(site: Site) -> None:
    checks = {site.calls.get(timeout=15).method, site.calls.get(timeout=15).method}
    assert checks == {"GET", "HEAD"}
    before = site.balance()
    form = {"from": "ACME", "to": f"{NUMBER},6111,{NUMBER}", "text": "Hello", "type": "0"}
    reply = site.post("/sms/send", form)
    assert reply.status == 200, reply
    place, invalid = reply.json["messageIds"]
    assert (reply.json["status"], reply.json["scheduled"], invalid) == ("OK", "Now", "ERR: 4012")
    [entry] = site.gateway.received(f"+{NUMBER}")
    assert (entry["from"], entry["text"]) == ("ACME", "Hello")
    report = site.report()
    assert report.content_type == "application/x-www-form-urlencoded"
    sent_date = report.fields.pop("sent_date")
    assert re.fullmatch(r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d [AP]M", sent_date)
    assert report.fields == {
        "source": "ACME", "msisdn": NUMBER, "response": "DELIVRD", "sms_id": place.removeprefix("OK: "),
    }  # fmt: skip
    assert site.balance() == round(before - 0.035, 6)
    assert "s3cret" not in site.daemon.errors


def test_a_failure_is_reported(site: Site) -> None:
    form = {"from": "ACME", "to": "37129210001", "text": "x" * 71, "type": 1}
    assert site.post("/sms/send", form).status == 200
    [entry] = site.gateway.received("+37129210001")
    assert entry["text"] == "x" * 71
    assert site.report().fields["response"] == "UNDELIV"


def test_unicode_is_charged_by_its_parts(site: Site) -> None:
    before = site.balance()
    form = {"from": "ACME", "to": "37129200002", "text": "x" * 71, "type": "1"}
    assert site.post("/sms/send", form).status == 200
    assert site.balance() == round(before - 0.07, 6)


def test_the_balance_is_a_decimal(site: Site) -> None:
    key = {"apikey": "key-acme"}
    reply = site.api.get("/sms/balance", key)
    assert reply.octets == b'{"balance":%s}' % (b"%g" % site.balance())
    assert site.api.request("POST", "/sms/balance", None, key).status == 200
    refused = site.api.get("/sms/balance", key)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
    assert site.api.get("/sms/balance", {"apikey": "key-other"}).json == {"balance": 0}


def test_hlr_asks_the_network(site: Site) -> None:
    before = site.balance()
    reply = site.post("/hlr/query", {"number": f"{NUMBER},37129200001,37129200002,611111"})
    assert reply.status == 200, reply
    assert reply.json[NUMBER] == {
        "number": NUMBER, "country": "Latvia", "err_desc": "Live",
        "operatorName": "Simulated Mobile", "type": "Mobile", "mccmnc": "00101", "roaming": "False",
        "err_code": "0", "status": "Delivered", "ported": "False",
    }  # fmt: skip
    codes = {number: record["err_code"] for number, record in reply.json.items()}
    assert codes == {NUMBER: "0", "37129200001": "1", "37129200002": "5", "611111": "999"}
    # The inconclusive one is given back in a task of its own.
    paid = round(before - 2 * 0.005, 6)
    until("the fee", lambda: site.balance() == paid, poll_s=0.2)


@pytest.mark.parametrize(
    ("number", "status", "code"), [("37129200008", 503, 4009), ("37129200009", 500, 4011)]
)
def test_a_query_that_fails_costs_nothing(site: Site, number: str, status: int, code: int) -> None:
    before = site.balance()
    reply = site.post("/hlr/query", {"number": f"37129200010,{number}"})
    assert (reply.status, reply.json["error"]) == (status, code)
    until("the money", lambda: site.balance() == before, poll_s=0.2)


def test_an_account_without_a_price_gets_no_hlr(site: Site) -> None:
    reply = site.post("/hlr/query", {"number": NUMBER}, "key-other")
    assert (reply.status, reply.json["error"]) == (503, 4009)


def test_numbers_are_validated(site: Site) -> None:
    before = site.balance()
    reply = site.post("/nv/query", {"number": f"{NUMBER},61111"})
    assert reply.json == {
        "results": [
            {
                "status": "VALID", "country": "Latvia", "iso3166_2": "LV", "cc": "371",
                "netName": "LMT", "mcc": "247", "mnc": "01", "operator": "LMT", "type": "MOBILE",
                "netType": "", "msisdn": NUMBER,
            },
            {
                "status": "INVALID", "country": "", "iso3166_2": "", "cc": "", "netName": "",
                "mcc": "", "mnc": "", "operator": "", "type": "", "netType": "", "msisdn": "61111",
            },
        ]
    }  # fmt: skip
    assert site.balance() == before


def test_the_books_are_right(site: Site) -> None:
    assert site.gateway.command("ledger", "verify")

"""Two gateways, one the other's provider by a vendor's API: messages go through, receipts come home.

The outer one is a customer of the inner one, the inner one of a simulated carrier.  For each wire both
gateways run once; each test has recipients of its own.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.processes import until
from tests.support.serving import LISTEN, Serving
from tests.support.smpp_customer import SmppCustomer

BOUND_S = 60.0

INNER = """
[callbacks]
allow_private = true
[[account]]
name = "reseller"
credit = "100"
requests_per_min = 0
senders = ["ACME"]
  [[account.token]]
  secret = "token-reseller"
  [[account.exotel]]
  account_sid = "reseller1"
  api_key = "key-reseller"
  api_token = "secret-reseller"
  [[account.easysendsms]]
  report_url = "{outer}/callbacks/inner/callback-token"
[[account]]
name = "poor"
requests_per_min = 0
senders = ["POOR"]
  [[account.token]]
  secret = "token-poor"
  [[account.exotel]]
  account_sid = "poor1"
  api_key = "key-poor"
  api_token = "secret-poor"
[[provider]]
name = "carrier"
wire = "smpp"
host = "127.0.0.1"
port = {carrier}
system_id = "gw"
password = "secret"
[[route]]
providers = ["carrier"]
[[rate]]
price = "0.035"
"""
OUTER = """
[queue]
retry = [1]
[[account]]
name = "acme"
credit = "100"
requests_per_min = 0
senders = ["*"]
  [[account.token]]
  secret = "token-acme"
  [[account.smpp]]
  system_id = "acme"
  password = "secret"
[[provider]]
name = "inner"
{inner_wire}
[[provider]]
name = "unpaid"
{unpaid_wire}
[[provider]]
name = "spare"
wire = "smpp"
host = "127.0.0.1"
port = {spare}
system_id = "outer"
password = "secret"
[[route]]
providers = ["inner"]
[[route]]
sender = "POOR"
tiers = [["unpaid"], ["spare"]]
[[rate]]
price = "0.05"
"""
POLLED = "poll = [1]\npoll_per_min = 1200\n"
CALLED_BACK = 'callback_token = "callback-token"\n'
WIRES = {
    "exosend": ('url = "{http}/api/v1"\ntoken = "token-{account}"\n', POLLED),
    "exotel": (
        'url = "{http}"\naccount_sid = "{account}1"\napi_key = "key-{account}"\n'
        'api_token = "secret-{account}"\n',
        CALLED_BACK,
    ),
    "mesms": ('url = "{http}/api/v2"\napi_key = "token-{account}"\n', POLLED),
    "easysendsms": ('url = "{http}/v1/rest"\napi_key = "token-{account}"\n', CALLED_BACK),
}


class Chain(NamedTuple):
    """Both gateways, running."""

    wire: str
    outer: Serving
    inner: Serving

    def shown(self, message_id: str) -> dict[str, Any]:
        """One message of the outer gateway with its timeline."""
        found: dict[str, Any] = json.loads(
            self.outer.command("message", "show", message_id, "--json")
        )
        return found

    def providers(self) -> dict[str, dict[str, Any]]:
        """The outer gateway's, by name."""
        facts = json.loads(self.outer.command("provider", "list", "--json"))
        return {provider["name"]: provider for provider in facts["providers"]}


def provider_of(wire: str, account: str, http: str) -> str:
    """The block by which the outer gateway is that account of the inner one."""
    access, receipts = WIRES[wire]
    return f'wire = "{wire}"\n' + access.format(http=http, account=account) + receipts


def chained(wire: str, directory: Path) -> tuple[Serving, Serving]:
    """The inner and the outer gateway, neither of them running."""
    ends: list[Serving] = []
    for name in ("inner", "outer"):
        (directory / name).mkdir()
        ends.append(Serving(directory / name, LISTEN))
    inner, outer = ends
    inner_url, outer_url = (f"http://127.0.0.1:{end.ports['http']}" for end in ends)
    inner.write(LISTEN + INNER.replace("{outer}", outer_url))
    outer.write(
        LISTEN
        + OUTER.replace("{inner_wire}", provider_of(wire, "reseller", inner_url))
        .replace("{unpaid_wire}", provider_of(wire, "poor", inner_url))
        .replace("{spare}", str(inner.ports["carrier"]))
    )
    return inner, outer


@pytest.fixture(scope="module", params=WIRES)
def chain(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    wire = request.param
    inner, outer = chained(wire, tmp_path_factory.mktemp(wire))
    with inner.simulate(), inner.serve(), outer.serve():
        yield Chain(wire, outer, inner)


@pytest.fixture
def esme(chain: Chain) -> Iterator[SmppCustomer]:
    with chain.outer.esme("acme") as customer:
        yield customer


def test_a_message_goes_through_and_its_receipt_comes_home(
    chain: Chain, esme: SmppCustomer
) -> None:
    status, message_id = esme.submit("66810000017", b"x" * 161, sender="ACME")
    assert status == 0
    assert b" stat:DELIVRD " in esme.receipt(message_id, BOUND_S).short_message
    [entry] = chain.inner.received("+66810000017")
    assert (entry["from"], entry["text"], entry["parts"]) == ("ACME", "x" * 161, 2)
    shown = chain.shown(message_id)
    assert (shown["state"], shown["provider"]) == ("delivered", "inner")


def test_a_failure_comes_home_too(chain: Chain, esme: SmppCustomer) -> None:
    _, message_id = esme.submit("66810000001", b"to nobody", sender="ACME")
    assert b" stat:UNDELIV " in esme.receipt(message_id, BOUND_S).short_message


def test_unicode_arrives_as_it_was_written(chain: Chain, esme: SmppCustomer) -> None:
    text = "สวัสดี {{name}} & <b>"
    _, message_id = esme.submit(
        "66810000027", text.encode("utf-16-be"), sender="ACME", data_coding=8
    )
    assert b" stat:DELIVRD " in esme.receipt(message_id, BOUND_S).short_message
    [entry] = chain.inner.received("+66810000027")
    assert entry["text"] == text


def test_messages_that_come_together_keep_their_receipts_apart(
    chain: Chain, esme: SmppCustomer
) -> None:
    ends = {
        f"668111{n}{last}": stat
        for n in range(10)
        for last, stat in (("0017", b"DELIVRD"), ("0001", b"UNDELIV"))
    }
    ids = {recipient: esme.submit(recipient, b"to many", sender="ACME")[1] for recipient in ends}
    for recipient, message_id in ids.items():
        receipt = esme.receipt(message_id, BOUND_S).short_message
        assert b" stat:%s " % ends[recipient] in receipt, recipient


def test_without_credit_inside_another_provider_takes_it(chain: Chain, esme: SmppCustomer) -> None:
    _, message_id = esme.submit("66810000037", b"paid elsewhere", sender="POOR")
    assert b" stat:DELIVRD " in esme.receipt(message_id, BOUND_S).short_message
    shown = chain.shown(message_id)
    assert shown["provider"] == "spare"
    [why] = [e["detail"] for e in shown["timeline"] if e["event"] == "fall through"]
    assert why.startswith("unpaid: ")
    assert any(word in why for word in ("402", "403", "4015")), why


def test_what_the_inner_gateway_refuses_ends_with_its_reason(
    chain: Chain, esme: SmppCustomer
) -> None:
    _, message_id = esme.submit("66810000047", b"from whom?", sender="STRANGER")
    assert b" stat:REJECTD " in esme.receipt(message_id, BOUND_S).short_message
    shown = chain.shown(message_id)
    assert shown["state"] == "rejected"
    assert shown["error"]


def test_the_balance_inside_is_known_outside(chain: Chain) -> None:
    if chain.wire == "exotel":  # its API has none
        assert chain.providers()["inner"]["wire"]["balance"] is None
        return
    balance = until("the balance", lambda: chain.providers()["inner"]["wire"]["balance"])
    assert 0 < float(balance) <= 100
    metrics = chain.outer.admin().get("/metrics").octets.decode()
    assert f'postern_provider_balance{{provider="inner"}} {float(balance)}' in metrics


# --- restarts and reloads -----------------------------------------------------------------------


def test_a_receipt_is_asked_for_after_the_gateway_was_killed(tmp_path: Path) -> None:
    inner, outer = chained("exosend", tmp_path)
    with inner.simulate("--late-by", "3"), inner.serve():
        with outer.serve() as daemon:
            with outer.esme("acme") as esme:
                _, message_id = esme.submit("66820000003", b"late", sender="ACME")
                until("sent", lambda: '"state": "sent"' in outer.command(
                    "message", "show", message_id, "--json"))  # fmt: skip
            daemon.kill()
        with outer.serve(), outer.esme("acme") as esme:
            assert b" stat:DELIVRD " in esme.receipt(message_id, BOUND_S).short_message


def test_a_corrected_key_counts_after_a_reload(tmp_path: Path) -> None:
    inner, outer = chained("mesms", tmp_path)
    right = outer.file.read_text(encoding="utf-8")
    wrong = right.replace('api_key = "token-reseller"', 'api_key = "mistyped"')
    outer.write(wrong.replace("retry = [1]", "retry = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"))
    with inner.simulate(), inner.serve(), outer.serve() as daemon, outer.esme("acme") as esme:
        _, message_id = esme.submit("66820000017", b"with which key?", sender="ACME")
        until("a refusal", lambda: "http_401" in outer.command("message", "show", message_id))
        outer.reload(daemon, right)
        assert b" stat:DELIVRD " in esme.receipt(message_id, BOUND_S).short_message
        assert "mistyped" not in daemon.errors

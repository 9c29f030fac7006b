"""Customers of the Exotel API on a running gateway: from the request to the phone and back."""

import base64
import json
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode
from xml.etree import ElementTree

import pytest

from gateway.domain.vendor_tlv import PE_ID, TEMPLATE_ID, TM_ID, encode_texts
from tests.support.http_catcher import Caught, catching
from tests.support.processes import until
from tests.support.rest_client import Reply, RestClient
from tests.support.serving import CARRIER, LISTEN, Serving
from tests.support.wire_tap import WireTap

ACCOUNT = """
[callbacks]
allow_private = true
[[account]]
name = "acme"
credit = "10"
region = "IN"
senders = ["ACME", "08012345678"]
  [[account.token]]
  secret = "token-acme"
  [[account.exotel]]
  account_sid = "acme1"
  api_key = "key-acme"
  api_token = "token-acme"
  [[account.webhook]]
  url = "{url}/signed"
  secret = "webhook-secret"
"""
AUTHORIZATION = "Basic " + base64.b64encode(b"key-acme:token-acme").decode()
DELIVERED, FAILED = "+37127000007", "+37127000001"


class Client:
    """A customer of the vendor: forms in, XML or JSON out."""

    def __init__(self, port: int) -> None:
        self._rest = RestClient(f"http://127.0.0.1:{port}/v1/Accounts/acme1")

    def post(self, path: str, **fields: str) -> Reply:
        headers = {
            "Authorization": AUTHORIZATION,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self._rest.request("POST", path, urlencode(fields).encode(), headers)

    def get(self, path: str) -> Reply:
        return self._rest.request("GET", path, None, {"Authorization": AUTHORIZATION})

    def final_details(self, sid: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            message: dict[str, Any] = self.get(f"/SMS/Messages/{sid}.json").json["SMSMessage"]
            return message if message["Status"] in ("sent", "failed") else None

        found = until(f"the end of {sid}", ended, poll_s=0.3)
        assert found is not None
        return found


class Site(NamedTuple):
    """A running gateway whose carrier's wire is tapped, and the customer's HTTP server."""

    client: Client
    gateway: Serving
    tap: WireTap
    url: str
    caught: "queue.Queue[Caught]"

    def catch(self, path: str) -> Caught:
        """The next request to `path`; those to others are put back."""
        others: list[Caught] = []
        while True:
            caught = self.caught.get(timeout=15)
            if caught.path == path:
                for other in others:
                    self.caught.put(other)
                return caught
            others.append(caught)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with catching() as (url, caught):
        directory: Path = tmp_path_factory.mktemp("exotel")
        gateway = Serving(directory, "")
        with WireTap(gateway.ports["carrier"]) as tap:
            carrier = CARRIER.replace("{carrier}", str(tap.port))
            gateway.write(LISTEN + ACCOUNT.replace("{url}", url) + carrier)
            with gateway.simulate(), gateway.serve():
                yield Site(Client(gateway.ports["http"]), gateway, tap, url, caught)


def test_a_message_is_sent_reported_and_shown(site: Site) -> None:
    reply = site.client.post(
        "/Sms/send.json",
        From="ACME",
        To=DELIVERED,
        Body="Hello, Mumbai",
        StatusCallback=f"{site.url}/form?k=1",
        CustomField="order 7",
    )
    assert reply.status == 200
    sent = reply.json["SMSMessage"]
    assert (sent["Status"], sent["To"], sent["From"]) == ("queued", "0037127000007", "/ACME")
    assert site.gateway.received(DELIVERED)[0]["text"] == "Hello, Mumbai"

    report = site.catch("/form?k=1")
    assert report.headers["Content-Type"] == "application/x-www-form-urlencoded"
    fields = {name: values[0] for name, values in parse_qs(report.octets.decode()).items()}
    details = site.client.final_details(sent["Sid"])
    assert fields == {
        "SmsSid": sent["Sid"],
        "To": "0037127000007",
        "Status": "sent",
        "SmsUnits": "1",
        "DetailedStatus": "DELIVERED_TO_HANDSET",
        "DetailedStatusCode": "20005",
        "DateSent": details["DateSent"],
        "CustomField": "order 7",
    }
    assert (details["Status"], details["DetailedStatusCode"]) == ("sent", 20005)
    assert (details["Price"], details["SmsUnits"]) == ("0.035000", 1)
    assert details["Body"] == "Hello, Mumbai"
    xml = site.client.get(f"/SMS/Messages/{sent['Sid']}")
    root = ElementTree.fromstring(xml.octets)  # noqa: S314 our own answer
    assert root.findtext("SMSMessage/Status") == "sent"
    assert root.findtext("SMSMessage/DateSent") == details["DateSent"]


def test_signed_webhooks_of_the_account_go_out_as_well(site: Site) -> None:
    callback = f"{site.url}/also"
    reply = site.client.post(
        "/Sms/send.json", From="ACME", To="+37127000017", Body="Hi", StatusCallback=callback
    )
    sid = reply.json["SMSMessage"]["Sid"]
    assert sid in site.catch("/also").octets.decode()
    while True:
        event = json.loads(site.catch("/signed").octets)
        if event["id"].replace("-", "") == sid:
            break
    assert event["status"] == "delivered"


def test_a_list_has_a_fate_for_each_number(site: Site) -> None:
    reply = site.client.post(
        "/Sms/send.json",
        From="ACME",
        To=f"{FAILED},12,9876543217",
        Body="x" * 161,
        StatusCallback=f"{site.url}/json",
        StatusCallbackContentType="application/json",
    )
    assert reply.status == 207
    failed, invalid, delivered = (item["SMSMessage"] for item in reply.json)
    assert (invalid["Sid"], invalid["DetailedStatusCode"]) == (None, 23010)
    assert delivered["To"] == "09876543217"  # in national form, of the account's country
    reports = [site.catch("/json") for _ in range(2)]
    assert {report.headers["Content-Type"] for report in reports} == {"application/json"}
    told = {report["SmsSid"]: report for report in (json.loads(r.octets) for r in reports)}
    assert told[delivered["Sid"]]["Status"] == "sent"
    assert told[delivered["Sid"]]["SmsUnits"] == "2"
    assert told[failed["Sid"]]["Status"] == "failed"
    assert told[failed["Sid"]]["DetailedStatus"] == "FAILED_OPERATOR_ERROR"
    assert "CustomField" not in told[failed["Sid"]]


def test_messages_of_their_own(site: Site) -> None:
    fields = {
        "From": "ACME",
        "Messages[0][To]": "+37127000027",
        "Messages[0][Body]": "Hello A",
        "Messages[1][To]": "+37127000037",
        "Messages[1][Body]": "Hello B",
        "Messages[1][From]": "08012345678",
    }
    reply = site.client.post("/Sms/bulksend.json", **fields)
    assert reply.status == 200
    assert [item["SMSMessage"]["From"] for item in reply.json] == ["/ACME", "08012345678"]
    assert site.gateway.received("+37127000027")[0]["text"] == "Hello A"
    second = site.gateway.received("+37127000037")[0]
    assert (second["text"], second["from"]) == ("Hello B", "08012345678")


@pytest.mark.parametrize("text", ["Your code is 2234", "x" * 161, "कोड 2234"])
def test_dlt_fields_reach_the_carrier_as_tlvs(site: Site, text: str) -> None:
    """In every part, whatever its alphabet."""
    before = len(site.tap.written)
    reply = site.client.post(
        "/Sms/send.json",
        From="ACME",
        To="+37127000047",
        Body=text,
        DltEntityId="1101",
        DltTemplateId="1107",
        BindingChainDetails="1101,1302",
    )
    site.client.final_details(reply.json["SMSMessage"]["Sid"])
    tlvs = encode_texts({PE_ID: "1101", TEMPLATE_ID: "1107", TM_ID: "1101,1302"})
    assert site.tap.written[before:].count(tlvs) == (2 if len(text) > 160 else 1)


def test_unicode_is_sent_as_unicode_when_it_is_asked_for(site: Site) -> None:
    before = len(site.tap.written)
    reply = site.client.post(
        "/Sms/send.json", From="ACME", To="+37127000057", Body="plain", EncodingType="unicode"
    )
    site.client.final_details(reply.json["SMSMessage"]["Sid"])
    assert "plain".encode("utf-16-be") in site.tap.written[before:]


def test_a_repeat_is_charged_once(site: Site) -> None:
    rest = RestClient(f"http://127.0.0.1:{site.gateway.ports['http']}/v1/Accounts/acme1")
    headers = {
        "Authorization": AUTHORIZATION,
        "Content-Type": "application/json",
        "Idempotency-Key": "order-8",
    }
    body = {"From": "ACME", "To": ["+37127000067", "+37127000077"], "Body": "Hi"}
    first = rest.request("POST", "/Sms/send.json", body, headers)
    balance = site.gateway.balance("token-acme")
    second = rest.request("POST", "/Sms/send.json", body, headers)
    assert (second.status, second.octets) == (first.status, first.octets)
    assert site.gateway.balance("token-acme") == balance


def test_another_door_shows_the_same_message(site: Site) -> None:
    reply = site.gateway.rest("token-acme").post(
        "/sms/send", {"recipient": "+37127000087", "message": "Hi"}
    )
    sid = reply.json["data"]["message_id"].replace("-", "")
    assert site.client.final_details(sid)["Status"] == "sent"


def test_errors_are_the_vendors(site: Site) -> None:
    reply = site.client.post("/Sms/send", From="NOBODY", To=DELIVERED, Body="Hi")
    assert reply.status == 400
    root = ElementTree.fromstring(reply.octets)  # noqa: S314 our own answer
    assert [(e.tag, e.text) for e in root[0]] == [
        ("Status", "400"),
        ("Message", "Invalid Parameters"),
    ]
    assert site.client.get("").status == 200
    assert site.client.get("/Balance.json").json["RestException"]["Status"] == 404

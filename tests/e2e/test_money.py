"""What a message costs, when it is paid, and what comes back: balances to the last micro-unit."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.support.serving import CARRIER, LISTEN, Serving

ACCOUNT = """
[[account]]
name = "{name}"
credit = "10"
requests_per_min = 0
senders = ["*"]
charge = "{charge}"
refund = "{refund}"
limit = "{limit}"
  [[account.token]]
  secret = "token-{name}"
  [[account.smpp]]
  system_id = "{name}"
  password = "secret"
"""
DEFAULTS = {"charge": "accept", "limit": "0", "refund": "unsent"}
CONFIGURATION = (
    LISTEN
    + ACCOUNT.format(name="accept", **DEFAULTS)
    + ACCOUNT.format(name="submit", **{**DEFAULTS, "charge": "submit"})
    + ACCOUNT.format(name="delivery", **{**DEFAULTS, "charge": "delivery"})
    + ACCOUNT.format(name="kind", **{**DEFAULTS, "refund": "undelivered"})
    + ACCOUNT.format(name="strict", **{**DEFAULTS, "refund": "never"})
    + ACCOUNT.format(name="owing", **{**DEFAULTS, "limit": "-1"}).replace('"10"', '"0.02"')
    + CARRIER
    + """
[[rate]]
prefix = "44"
price = "0.5"
[[rate]]
prefix = "4479"
price = "0"
[[rate]]
prefix = "49"
price = "9"
valid_from = 2099-01-01
"""
)
TWO_SECONDS = b"000000000002000R"


def facts(gateway: Serving, account: str) -> dict[str, Any]:
    accounts = json.loads(gateway.command("account", "list", "--json"))["accounts"]
    return {entry["name"]: entry for entry in accounts}[account]


def amounts(gateway: Serving, account: str) -> tuple[str, str, str]:
    found = facts(gateway, account)
    return found["balance"], found["held"], found["available"]


def message(gateway: Serving, message_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(gateway.command("message", "show", message_id, "--json"))
    return shown


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    serving = Serving(tmp_path_factory.mktemp("money"), CONFIGURATION)
    with serving.serve(), serving.simulate():
        yield serving


@pytest.fixture(scope="module")
def carrierless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    serving = Serving(tmp_path_factory.mktemp("carrierless"), CONFIGURATION)
    with serving.serve():
        yield serving


@pytest.mark.parametrize(
    ("account", "waiting"),
    [
        ("accept", ("9.965", "0", "9.965")),
        ("submit", ("10", "0.035", "9.965")),
    ],
)
def test_what_expires_before_it_left_is_given_back(
    carrierless: Serving, account: str, waiting: tuple[str, str, str]
) -> None:
    with carrierless.esme(account) as esme:
        status, message_id = esme.submit("37126000007", b"short", validity_period=TWO_SECONDS)
        assert status == 0
        assert amounts(carrierless, account) == waiting
        receipt = esme.receipt(message_id)
        assert b" dlvrd:000 " in receipt.short_message
        assert b" stat:EXPIRED " in receipt.short_message
    assert amounts(carrierless, account) == ("10", "0", "10")
    shown = message(carrierless, message_id)
    assert (shown["state"], shown["money"]) == ("expired", "refunded")


@pytest.mark.parametrize(
    ("account", "ending", "charged", "held", "money"),
    [
        ("submit", "0007", "0.035", "0", "charged"),
        ("submit", "0001", "0.035", "0", "charged"),
        ("delivery", "0007", "0.035", "0", "charged"),
        ("delivery", "0001", "0", "0", "refunded"),
        ("delivery", "0005", "0", "0", "refunded"),
        ("delivery", "0002", "0", "0.035", "held"),
        ("accept", "0001", "0.035", "0", "charged"),
        ("kind", "0007", "0.035", "0", "charged"),
        ("kind", "0001", "0", "0", "refunded"),
        ("strict", "0001", "0.035", "0", "charged"),
    ],
)
def test_charge_modes(
    gateway: Serving, account: str, ending: str, charged: str, held: str, money: str
) -> None:
    before = [Decimal(amount) for amount in amounts(gateway, account)]
    with gateway.esme(account) as esme:
        _, message_id = esme.submit(f"3712600{ending}", b"paid later")
        if ending == "0002":
            gateway.received("+37126000002")
        else:
            esme.receipt(message_id)
    after = [Decimal(amount) for amount in amounts(gateway, account)]
    moved = [old - new for old, new in zip(before, after, strict=True)]
    assert moved == [Decimal(charged), -Decimal(held), Decimal(charged) + Decimal(held)]
    assert message(gateway, message_id)["money"] == money


def test_what_is_never_refunded_stays_paid(carrierless: Serving) -> None:
    with carrierless.esme("strict") as esme:
        _, message_id = esme.submit("37126000007", b"waits")
        carrierless.command("message", "cancel", message_id)
        assert b" stat:DELETED " in esme.receipt(message_id).short_message
    assert amounts(carrierless, "strict") == ("9.965", "0", "9.965")
    shown = message(carrierless, message_id)
    assert (shown["state"], shown["money"]) == ("cancelled", "charged")


def test_a_time_that_is_over_means_now(gateway: Serving) -> None:
    with gateway.esme("accept") as esme:
        status, message_id = esme.submit(
            "37126000017", b"yesterday", schedule_delivery_time=b"200101000000000+"
        )
        assert status == 0
        assert b" stat:DELIVRD " in esme.receipt(message_id).short_message


@pytest.mark.parametrize(
    ("recipient", "price"),
    [("+447700900007", 0.5), ("+447911000007", 0), ("+4915112345678", 0.035)],
)
def test_the_longest_prefix_that_is_valid_now_decides(
    gateway: Serving, recipient: str, price: float
) -> None:
    body = {"recipient": recipient, "message": "x", "sender_id": "S"}
    reply = gateway.rest("token-accept").post("/sms/send", body)
    assert reply.json["data"]["cost"] == price


def test_an_account_may_owe_down_to_its_limit_and_no_further(gateway: Serving) -> None:
    rest = gateway.rest("token-owing")
    recipients = [f"+371261{number:05d}" for number in range(10, 39)]
    bulk = {"recipients": recipients, "message": "x", "sender_id": "S"}
    assert rest.post("/sms/send-bulk", bulk).json["data"]["balance_remaining"] == -0.995
    single = {"recipient": recipients[0], "message": "x", "sender_id": "S"}
    assert rest.post("/sms/send", single).status == 402
    assert gateway.balance("token-owing") == -0.995
    gateway.command("account", "topup", "owing", "0.03")
    assert rest.post("/sms/send", single).json["data"]["balance_remaining"] == -1


def test_statement_metrics_and_balance_agree(gateway: Serving) -> None:
    rest = gateway.rest("token-accept")
    body = {"recipient": "+37126000027", "message": "x" * 161, "sender_id": "S"}
    before = metric(gateway, "postern_charged_total")
    assert rest.post("/sms/send", body).json["data"]["cost"] == 0.07
    assert round(metric(gateway, "postern_charged_total") - before, 6) == 0.07
    lines = json.loads(gateway.command("account", "statement", "accept", "--json"))["lines"]
    assert lines[-1]["kind"] == "opening"
    assert {line["kind"] for line in lines} == {"opening", "charge"}
    total = round(sum(float(line["amount"]) for line in lines), 6)
    assert total == float(lines[0]["balance"]) == gateway.balance("token-accept")


def metric(gateway: Serving, name: str) -> float:
    for line in gateway.admin().get("/metrics").octets.decode().splitlines():
        if line.startswith(name) and 'currency="EUR"' in line:
            return float(line.rpartition(" ")[2])
    return 0.0  # nothing yet


def test_a_refund_is_counted(carrierless: Serving) -> None:
    names = ("postern_charged_total", "postern_refunded_total")
    balance = carrierless.balance("token-accept")
    before = [metric(carrierless, name) for name in names]
    with carrierless.esme("accept") as esme:
        _, message_id = esme.submit("37126000037", b"short", validity_period=TWO_SECONDS)
        esme.receipt(message_id)
    assert carrierless.balance("token-accept") == balance
    after = [metric(carrierless, name) for name in names]
    moved = [round(new - old, 6) for old, new in zip(before, after, strict=True)]
    assert moved == [0.035, 0.035]


def test_the_books_are_right_beside_a_live_daemon(gateway: Serving, carrierless: Serving) -> None:
    for serving in (gateway, carrierless):
        verified = json.loads(serving.command("ledger", "verify", "--json"))
        assert verified["ok"] is True
        assert [account["remarks"] for account in verified["accounts"]] == [[]] * 6
        assert sum(account["messages"] for account in verified["accounts"]) > 0

from typing import Any

import pytest

from gateway.domain.account import Account, NumberCheck
from gateway.domain.declared import RateSpec
from gateway.domain.message import Channel
from gateway.domain.route import Route
from gateway.policy.numbering import NumberPlan
from gateway.policy.pricing import Tariff
from gateway.policy.routing import RouteTable
from postern.explanation import Explanation, ProviderView, Rulebook

NUMBERS = NumberPlan()
ONE = (((1, 1),),)
LATVIAN = "+37120000000"


def acme() -> Account:
    account = Account(7, "acme")
    account.balance_micros = 1_000_000
    account.senders = {"ACME"}
    account.default_sender = "ACME"
    account.region = "LV"
    return account


def explain(
    *routes: Route,
    account: Account | None = None,
    sender: str = "",
    to: str = LATVIAN,
    text: str = "hello",
    states: dict[int, str] | None = None,
    price_micros: int | None = 35_000,
    knows_credit: bool = True,
) -> dict[str, Any]:
    rates = []
    if price_micros is not None:
        rates.append(RateSpec(channel="sms", prefix="", price_micros=price_micros))
    rules = Rulebook(
        numbers=NUMBERS,
        routes=RouteTable(routes or [Route("all", Channel.SMS, "", ONE)]),
        tariff=Tariff(rates, 0),
        account_names={7: "acme", 8: "other"},
        provider=lambda id: ProviderView(name=f"p{id}", state=(states or {}).get(id, "up")),
        knows_credit=knows_credit,
    )
    return Explanation(rules, account or acme(), sender, to, text).facts()


def test_the_whole_way() -> None:
    assert explain() == {
        "account": "acme",
        "accepted": True,
        "refusal": None,
        "sender": {"name": "ACME", "allowed": True, "approved": ["ACME"]},
        "recipient": {
            "given": LATVIAN,
            "number": LATVIAN,
            "read_as": "international number",
            "valid": True,
        },
        "text": {"characters": 5, "alphabet": "gsm7", "not_gsm7": [], "parts": 1},
        "route": "all",
        "routes": [
            {"name": "all", "prefix": "", "account": None, "sender": None, "verdict": "chosen"}
        ],
        "price": {"per_part": "0.035", "cost": "0.035", "currency": "EUR"},
        "credit": {"available": "1", "limit": "0", "after": "0.965", "enough": True},
        "provider": "p1",
        "providers": [
            {
                "tier": 1,
                "provider": "p1",
                "weight": 1,
                "state": "up",
                "share": 1.0,
                "verdict": "chosen",
            }
        ],
    }


@pytest.mark.parametrize(
    ("to", "number", "read_as"),
    [
        ("+371 20 000 000", LATVIAN, "international number"),
        ("0037120000000", LATVIAN, "international number"),
        ("37120000000", LATVIAN, "international number without +"),
        ("20000000", LATVIAN, "national number of LV"),
        ("4915112345678", "+4915112345678", "international number without +"),
        ("letters", None, None),
    ],
)
def test_how_a_recipient_is_read(to: str, number: str | None, read_as: str | None) -> None:
    recipient = explain(to=to)["recipient"]
    assert (recipient["number"], recipient["read_as"]) == (number, read_as)


def test_a_number_that_cannot_be() -> None:
    account = acme()
    account.number_check = NumberCheck.VALID
    facts = explain(account=account, to="+37110000000")
    assert facts["refusal"] == {
        "code": "recipient_invalid",
        "reason": "'+37110000000' is not a valid number",
    }
    assert facts["recipient"]["number"] == "+37110000000"
    assert facts["routes"][0]["verdict"] == "the recipient is not valid"


def test_what_forces_ucs2() -> None:
    text = explain(text="zażółć zażółć €")["text"]
    assert (text["alphabet"], text["not_gsm7"]) == ("ucs2", ["ż", "ó", "ł", "ć"])


def test_parts_are_paid_for() -> None:
    facts = explain(text="x" * 200)
    assert facts["text"]["parts"] == 2
    assert facts["price"]["cost"] == "0.07"


def test_without_a_sender() -> None:
    account = acme()
    account.default_sender = ""
    facts = explain(account=account)
    assert facts["refusal"]["code"] == "sender_not_allowed"
    assert "no default" in facts["refusal"]["reason"]


def test_the_first_refusal_counts_and_the_rest_is_still_explained() -> None:
    account = acme()
    account.balance_micros = 0
    facts = explain(account=account, sender="OTHER")
    assert facts["refusal"]["code"] == "sender_not_allowed"
    assert facts["credit"]["enough"] is False
    assert facts["provider"] == "p1"


def test_disabled_account() -> None:
    account = acme()
    account.enabled = False
    assert explain(account=account)["refusal"]["code"] == "account_disabled"


def test_no_credit_and_no_price_and_no_route() -> None:
    account = acme()
    account.balance_micros = 34_999
    assert explain(account=account)["refusal"]["code"] == "no_credit"
    assert explain(price_micros=None)["refusal"]["code"] == "no_price"
    assert explain(Route("uk", Channel.SMS, "44", ONE))["refusal"]["code"] == "no_route"


def test_free_messages_need_no_credit() -> None:
    account = acme()
    account.balance_micros = -5
    assert explain(account=account, price_micros=0)["accepted"]


def test_text_that_has_no_parts_has_no_cost() -> None:
    facts = explain(text="")
    assert (facts["text"], facts["price"]["cost"], facts["credit"]) == (None, None, None)


def test_credit_that_is_not_known() -> None:
    account = acme()
    account.balance_micros = 0
    facts = explain(account=account, knows_credit=False)
    assert (facts["accepted"], facts["credit"]) == (True, None)


def test_why_routes_were_passed_over() -> None:
    facts = explain(
        Route("uk", Channel.SMS, "44", ONE),
        Route("theirs", Channel.SMS, "371", ONE, account_id=8),
        Route("news", Channel.SMS, "371", ONE, sender="NEWS"),
        Route("all", Channel.SMS, "", ONE),
        Route("short", Channel.SMS, "37", ONE),
        Route("plain", Channel.SMS, "371", ONE),
        Route("mine", Channel.SMS, "371", ONE, account_id=7),
        Route("mine too", Channel.SMS, "371", ONE, account_id=7),
    )
    assert facts["route"] == "mine"
    assert {route["name"]: route["verdict"] for route in facts["routes"]} == {
        "uk": "another prefix",
        "theirs": "another account's",
        "news": "another sender's",
        "all": "mine has a longer prefix",
        "short": "mine has a longer prefix",
        "plain": "mine has more conditions",
        "mine": "chosen",
        "mine too": "declared later",
    }
    assert [r["account"] for r in facts["routes"][:2]] == [None, "other"]


TIERS = (((1, 1),), ((2, 3), (3, 1)), ((4, 1),))


@pytest.mark.parametrize(
    ("states", "chosen", "verdicts"),
    [
        (
            {},
            "p1",
            ["chosen", "an earlier tier can send", "an earlier tier can send",
             "an earlier tier can send"],
        ),
        (
            {1: "down"},
            None,
            ["down", "drawn for 75% of messages", "drawn for 25% of messages",
             "an earlier tier can send"],
        ),
        ({1: "paused", 2: "down"}, "p3", ["paused", "down", "chosen", "an earlier tier can send"]),
        ({1: "down", 2: "down", 3: "down"}, "p4", ["down", "down", "down", "chosen"]),
        (dict.fromkeys((1, 2, 3, 4), "down"), None, ["down"] * 4),
        (
            dict.fromkeys((1, 2, 3, 4), "not known"),
            "p1",
            ["chosen", *["an earlier tier can send"] * 3],
        ),
    ],
)  # fmt: skip
def test_which_provider(states: dict[int, str], chosen: str | None, verdicts: list[str]) -> None:
    facts = explain(Route("r", Channel.SMS, "", TIERS), states=states)
    assert facts["accepted"]
    assert facts["provider"] == chosen
    assert [p["verdict"] for p in facts["providers"]] == verdicts
    assert [p["tier"] for p in facts["providers"]] == [1, 2, 2, 3]

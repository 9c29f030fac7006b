from pathlib import Path

import pytest

from conf.settings import Settings, load
from gateway.domain.account import NumberCheck
from postern.declared_rules import DeclaredRules
from postern.explanation import Explanation
from tests.support.hearts import CONFIGURATION

NOW_MS = 1_790_000_000_000


LATER = """
[[rate]]
prefix = "371"
price = "9"
valid_from = 2099-01-01T00:00:00Z
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "postern.toml"
    strict = CONFIGURATION.replace('name = "poor"', 'name = "poor"\nnumber_check = "valid"')
    file.write_text(strict + LATER)
    return load(file)


def test_accounts_are_as_declared(settings: Settings) -> None:
    accounts = DeclaredRules(settings, NOW_MS).accounts
    acme, poor = accounts["acme"], accounts["poor"]
    assert (acme.region, acme.senders, acme.default_sender) == ("LV", {"ACME", "NEWS"}, "ACME")
    assert (poor.currency, poor.any_sender, poor.default_sender) == ("USD", True, "")
    assert (acme.number_check, poor.number_check) == (NumberCheck.POSSIBLE, NumberCheck.VALID)


def test_the_answer_of_the_file(settings: Settings) -> None:
    declared = DeclaredRules(settings, NOW_MS)
    facts = Explanation(declared.rules, declared.accounts["acme"], "", "20000000", "x").facts()
    assert (facts["route"], facts["provider"], facts["credit"]) == ("baltic", "first", None)
    facts = Explanation(declared.rules, declared.accounts["poor"], "X", "+37120000000", "x").facts()
    assert (facts["route"], facts["provider"]) == ("poor's own", "third")


def test_rates_are_those_of_the_moment(settings: Settings) -> None:
    def price(now_ms: int) -> int | None:
        tariff = DeclaredRules(settings, now_ms).rules.tariff
        return tariff.price_micros("sms", "EUR", "37120000000")

    assert (price(NOW_MS), price(4_102_444_800_000)) == (20_000, 9_000_000)

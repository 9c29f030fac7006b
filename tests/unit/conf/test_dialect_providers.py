from typing import Any

import pytest

from conf.dialect_providers import (
    CalledBack,
    DialectProviderSettings,
    EasySendSmsProviderSettings,
    ExoSendProviderSettings,
    ExotelProviderSettings,
    MeSmsProviderSettings,
    Polled,
    Prepaid,
)

HEAD = '[[provider]]\nname = "v"\nwire = "{}"\nurl = "https://vendor.example/api"\n'
KEYS = {
    "exosend": 'token = "t"\n',
    "exotel": 'account_sid = "acme1"\napi_key = "k"\napi_token = "t"\n',
    "mesms": 'api_key = "k"\n',
    "easysendsms": 'api_key = "k"\n',
}
POLLED, CALLED_BACK, PREPAID = Polled, CalledBack, Prepaid


def block(wire: str, extra: str = "") -> str:
    return HEAD.format(wire) + KEYS[wire] + extra


def loaded(load_text: Any, wire: str, extra: str = "") -> Any:
    (provider,) = load_text(block(wire, extra), environ={"KEY": "from the environment"}).providers
    assert isinstance(provider, DialectProviderSettings)
    return provider


@pytest.mark.parametrize(
    ("wire", "model", "ways"),
    [
        ("exosend", ExoSendProviderSettings, {POLLED, PREPAID}),
        ("exotel", ExotelProviderSettings, {POLLED, CALLED_BACK}),
        ("mesms", MeSmsProviderSettings, {POLLED, PREPAID}),
        ("easysendsms", EasySendSmsProviderSettings, {CALLED_BACK, PREPAID}),
    ],
)
def test_each_vendor_has_its_keys(
    load_text: Any, wire: str, model: type[DialectProviderSettings], ways: set[type]
) -> None:
    provider = loaded(load_text, wire, "rate = 7\n")
    assert type(provider) is model
    assert (provider.url, provider.window, provider.timeout_s) == (
        "https://vendor.example/api", 10, 30,
    )  # fmt: skip
    assert {way for way in (POLLED, CALLED_BACK, PREPAID) if isinstance(provider, way)} == ways
    spec = provider.spec((5,))
    assert (spec.name, spec.wire, spec.rate_per_s) == ("v", wire, 7)


def test_secrets_are_secret(load_text: Any) -> None:
    provider = loaded(load_text, "exotel", 'callback_token = { env = "KEY" }\n')
    assert provider.api_token.reveal() == "t"
    assert provider.callback_token.reveal() == "from the environment"
    assert "from the environment" not in repr(provider)
    assert loaded(load_text, "exosend").token.reveal() == "t"
    assert loaded(load_text, "mesms").api_key.reveal() == "k"
    assert loaded(load_text, "easysendsms").api_key.reveal() == "k"


def test_when_receipts_are_asked_for(load_text: Any) -> None:
    assert loaded(load_text, "mesms").poll == (5, 15, 60, 300, 1800)
    assert loaded(load_text, "mesms", "poll = [1, 60]\npoll_per_min = 5\n").poll == (1, 60)
    assert loaded(load_text, "mesms", "poll = []\n").poll == ()


def test_balances_are_amounts(load_text: Any) -> None:
    provider = loaded(load_text, "exosend", 'balance_warn = "12.5"\nbalance_every_s = 0\n')
    assert (provider.balance_warn, provider.balance_every_s) == (12_500_000, 0)
    assert loaded(load_text, "exosend").balance_warn is None


@pytest.mark.parametrize(
    ("wire", "line", "key"),
    [
        ("mesms", "poll = [5, 5]", "poll"),
        ("mesms", "poll = [0]", "poll[0]"),
        ("mesms", "poll_per_min = 0", "poll_per_min"),
        ("mesms", 'callback_token = "t"', "callback_token"),
        ("exotel", 'balance_warn = "1"', "balance_warn"),
        ("exotel", 'sms_type = "spam"', "sms_type"),
        ("exotel", 'dlt_entity_id = "12a"', "dlt_entity_id"),
        ("easysendsms", "poll = [5]", "poll"),
        ("easysendsms", 'callback_token = ""', "callback_token"),
        ("exosend", "window = 0", "window"),
        ("exosend", 'balance_warn = "much"', "balance_warn"),
    ],
)
def test_mistakes_are_named(problems_in: Any, wire: str, line: str, key: str) -> None:
    assert list(problems_in(block(wire, line))) == [f"provider[0].{key}"]


@pytest.mark.parametrize("url", ["vendor.example", "ftp://x", "https://u:p@x", "https://x/#a"])
def test_the_url_is_a_base_url(problems_in: Any, url: str) -> None:
    text = block("mesms").replace("https://vendor.example/api", url)
    assert list(problems_in(text)) == ["provider[0].url"]

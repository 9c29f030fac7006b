"""A provider's settings of the file as its wire wants them."""

from pathlib import Path
from typing import Any

import pytest

from conf.section import Source
from conf.settings import PROVIDERS
from postern.wire_options import (
    answer_timeout_s,
    callback_url,
    can_have_receipts,
    dialect_options,
    http_options,
    sends_whole_texts,
    smpp_options,
    template_spec,
)
from protocols.http.receipt_poll import PollPlan

BASE = "https://gw.example"
REQUIRED: dict[str, dict[str, object]] = {
    "smpp": {"host": "h", "system_id": "s", "password": "p"},
    "http": {"url": "https://x.example/"},
    "exosend": {"url": "https://x.example/", "token": "t"},
    "exotel": {
        "url": "https://x.example/", "account_sid": "a", "api_key": "k", "api_token": "t",
    },
    "mesms": {"url": "https://x.example/", "api_key": "k"},
    "easysendsms": {"url": "https://x.example/", "api_key": "k"},
}  # fmt: skip
RECEIPT = {"id": "id", "state": "s", "states": {"delivered": ["ok"]}, "token": "a/b"}


def settings(wire: str, **table: object) -> Any:
    table = {"name": "v", "wire": wire, **REQUIRED[wire], **table}
    return PROVIDERS[wire].model_validate(table, context=Source(Path(), {}))


@pytest.mark.parametrize(
    ("item", "has_receipts", "url"),
    [
        (settings("smpp"), True, ""),
        (settings("http"), False, ""),
        (settings("http", receipt=RECEIPT), True, f"{BASE}/callbacks/v/a%2Fb"),
        (settings("exosend"), True, ""),
        (settings("exosend", poll=[]), False, ""),
        (settings("exotel"), True, ""),
        (settings("exotel", poll=[], callback_token="c"), True, f"{BASE}/callbacks/v/c"),
        (settings("easysendsms"), False, ""),
        (settings("easysendsms", callback_token="c"), True, f"{BASE}/callbacks/v/c"),
    ],
)
def test_the_ways_of_a_receipt(item: Any, has_receipts: bool, url: str) -> None:
    assert can_have_receipts(item) is has_receipts
    assert callback_url(item, BASE) == url
    assert callback_url(item, "") == ""


def test_a_vendor_gets_its_options() -> None:
    item = settings(
        "mesms", window=3, timeout_s=9, poll=[1, 2], poll_per_min=7, balance_every_s=60,
        balance_warn="1.5",
    )  # fmt: skip
    options = dialect_options(item, BASE)
    assert (options.name, options.wire, options.window, options.timeout_s) == ("v", "mesms", 3, 9)
    assert options.user_agent.startswith("Postern/")
    assert options.poll == PollPlan((1, 2), 7)
    assert (options.balance_every_s, options.balance_warn_micros) == (60, 1_500_000)


def test_a_vendor_without_polls_or_balance_has_none() -> None:
    options = dialect_options(settings("easysendsms", callback_token="c"), BASE)
    assert (options.poll, options.callback_url) == (None, f"{BASE}/callbacks/v/c")
    options = dialect_options(settings("exotel", poll=[]), BASE)
    assert (options.poll, options.balance_every_s, options.balance_warn_micros) == (None, 0, None)


@pytest.mark.parametrize(
    ("item", "is_whole"),
    [
        (settings("smpp"), False),
        (settings("smpp", concatenation="payload"), True),
        (settings("http"), True),
        (settings("http", split="gateway"), False),
        (settings("mesms"), True),
    ],
)
def test_who_sends_whole_texts(item: Any, is_whole: bool) -> None:
    assert sends_whole_texts(item) is is_whole


@pytest.mark.parametrize(
    ("item", "seconds"),
    [
        (settings("smpp", response_timeout_s=5), 6.0),
        (settings("http", timeout_s=7), 8.0),
        (settings("exotel", timeout_s=9), 10.0),
    ],
)
def test_until_when_answers_come(item: Any, seconds: float) -> None:
    assert answer_timeout_s(item) == seconds


def test_the_other_wires_get_theirs() -> None:
    smpp = smpp_options(settings("smpp", window=4, response_timeout_s=5))
    assert (smpp.password, smpp.window, smpp.timers.session_init_s) == ("p", 4, 5)
    http = settings("http", receipt=RECEIPT, window=6, secrets={"KEY": "k"})
    assert http_options(http, BASE).window == 6
    spec = template_spec(http)
    assert spec.receipt is not None
    assert (spec.receipt.token, spec.secrets) == ("a/b", {"KEY": "k"})

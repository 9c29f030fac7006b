import logging
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.domain.account import Credential
from protocols.easysendsms import errors
from protocols.easysendsms.keys import KeyAuth
from protocols.http.proxies import TrustedProxies


def auth_of(bench: Any) -> KeyAuth:
    return KeyAuth(bench.directory, "easysendsms", TrustedProxies(), bench.clock)


def ask(auth: KeyAuth, key: str) -> Credential | int:
    return auth.credential(make_mocked_request("GET", "/", headers={"apikey": key}))


def test_a_key_is_trimmed(bench: Any) -> None:
    assert ask(auth_of(bench), " key-a ") is bench.credential


@pytest.mark.parametrize(
    ("key", "code"),
    [("", errors.NO_KEY), (" ", errors.NO_KEY), ("stranger", errors.UNKNOWN_KEY), ("schlüssel", errors.UNKNOWN_KEY)],
)  # fmt: skip
def test_keys_that_open_nothing(bench: Any, key: str, code: int) -> None:
    assert ask(auth_of(bench), key) == code


def test_what_is_refused_is_logged_once_a_second(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    auth = auth_of(bench)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            ask(auth, "stranger")
        bench.clock.advance(1.0)
        ask(auth, "stranger")
    assert [record.fields["refused"] for record in caplog.records] == [1, 3]
    assert "stranger" not in caplog.text

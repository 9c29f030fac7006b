from pathlib import Path

import pytest

from conf.fields import Address
from conf.http_provider import HttpProviderSettings
from conf.providers import SmppProviderSettings
from conf.settings import Settings
from postern.daemon import settings_of
from postern.demo_config import FIXED_PORTS, FREE_PORTS, SOCKET, fits_socket, render
from postern.demo_secrets import DemoSecrets
from postern.simulator.settings import SimulatorPorts

SECRETS = DemoSecrets(
    token="1|token",
    smpp_password="password",
    mesms_key="mesms-key",
    exotel_key="exotel-key",
    exotel_token="exotel-token",
    easysendsms_key="easy-key",
    smsc_password='quote"d',
    carrier_key="back\\slash",
    callback_token="callback",
)
CARRIERS = SimulatorPorts(smpp=1001, http=1002, inbox=1003)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "postern.toml"
    file.write_text(render(FIXED_PORTS, CARRIERS, SECRETS, SOCKET), encoding="utf-8")
    return settings_of(file)


def test_it_is_a_configuration_without_warnings(settings: Settings, tmp_path: Path) -> None:
    assert settings.warnings == ()
    assert settings.listen.http == Address("127.0.0.1", 8080)
    assert settings.listen.smpp == Address("127.0.0.1", 2775)
    assert settings.listen.admin == Address("127.0.0.1", 9090)
    assert settings.listen.control == tmp_path / SOCKET
    assert settings.store.url.reveal() == f"sqlite:///{tmp_path / 'postern.db'}"
    assert settings.log.message_log == tmp_path / "messages.log"
    assert settings.callbacks.allow_private


def test_its_accounts_can_use_every_door(settings: Settings) -> None:
    account, bulk = settings.declared().accounts
    assert (account.name, account.currency, account.credit_micros) == ("Demo", "EUR", 100_000_000)
    assert account.senders == bulk.senders == ("POSTERN",)
    assert {next(iter(token.doors)): token.secret for token in account.tokens} == {
        "exosend": "1|token", "easysendsms": "easy-key",
    }  # fmt: skip
    [pair] = account.key_pairs
    assert (pair.account_sid, pair.api_key, pair.api_token) == (
        "demo", "exotel-key", "exotel-token",
    )  # fmt: skip
    [credential] = account.smpp
    assert (credential.system_id, credential.password) == ("demo", "password")
    assert (bulk.name, bulk.currency, bulk.credit_micros) == ("Bulk", "CREDIT", 3_000_000_000_000)
    assert [(token.secret, token.doors) for token in bulk.tokens] == [
        ("mesms-key", frozenset({"mesms"}))
    ]


def test_a_part_costs_3_5_cents_or_a_credit(settings: Settings) -> None:
    rates = [rate for rate in settings.declared().rates if rate.channel == "sms"]
    assert {rate.currency: (rate.prefix, rate.price_micros) for rate in rates} == {
        "EUR": ("", 35_000), "CREDIT": ("", 1_000_000),
    }  # fmt: skip


def test_hlr_queries_go_to_the_simulated_carrier_and_cost_half_a_cent(settings: Settings) -> None:
    assert settings.hlr.url == "http://127.0.0.1:1002/hlr?number={to}"
    assert settings.hlr.secrets["KEY"].reveal() == "back\\slash"
    [rate] = [rate for rate in settings.declared().rates if rate.channel == "hlr"]
    assert (rate.price_micros, rate.prefix, rate.currency) == (5_000, "", "EUR")


def test_its_providers_are_the_simulated_carriers(settings: Settings) -> None:
    smpp, http = settings.providers
    assert isinstance(smpp, SmppProviderSettings)
    assert (smpp.name, smpp.port, smpp.password.reveal()) == ("carrier-smpp", 1001, 'quote"d')
    assert isinstance(http, HttpProviderSettings)
    assert (http.name, http.url) == ("carrier-http", "http://127.0.0.1:1002/send")
    assert http.secrets["KEY"].reveal() == "back\\slash"
    assert http.receipt is not None
    assert http.receipt.token.reveal() == "callback"


def test_each_carrier_takes_over_for_the_other(settings: Settings) -> None:
    tiers = {
        route.prefix: [[name for name, _ in tier] for tier in route.tiers]
        for route in settings.declared().routes
    }
    assert tiers == {
        "": [["carrier-smpp"], ["carrier-http"]],
        "44": [["carrier-http"], ["carrier-smpp"]],
    }


def test_free_ports_are_ports_of_zero(tmp_path: Path) -> None:
    file = tmp_path / "postern.toml"
    file.write_text(render(FREE_PORTS, CARRIERS, SECRETS, SOCKET), encoding="utf-8")
    listen = settings_of(file).listen
    assert [listen.http, listen.smpp, listen.admin] == [Address("127.0.0.1", 0)] * 3


def test_a_control_socket_elsewhere_is_kept_as_given(tmp_path: Path) -> None:
    file = tmp_path / "postern.toml"
    file.write_text(render(FREE_PORTS, CARRIERS, SECRETS, "/run/postern/x.sock"), encoding="utf-8")
    assert settings_of(file).listen.control == Path("/run/postern/x.sock")


@pytest.mark.parametrize(("octets", "fits"), [(107, True), (108, False)])
def test_the_longest_path_of_a_socket(octets: int, fits: bool) -> None:
    directory = Path("/" + "d" * (octets - 2 - len(SOCKET)))
    assert len(str(directory / SOCKET)) == octets
    assert fits_socket(directory) is fits

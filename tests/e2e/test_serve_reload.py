"""SIGHUP: what the file no longer holds ends at once, what it adds works, mistakes change nothing."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.smpp.constants import CommandId, CommandStatus
from tests.support.processes import PosternProcess, until
from tests.support.serving import CARRIER, LISTEN, Serving
from tests.support.smpp_customer import SmppCustomer

TOKEN = """
  [[account.token]]
  secret = "token-leaving"
"""
CREDENTIAL = """
  [[account.smpp]]
  system_id = "leaving"
  password = "secret"
"""
STAYING = """
[[account]]
name = "staying"
credit = "10"
requests_per_min = 0
senders = ["*"]
  [[account.token]]
  secret = "token-staying"
  [[account.smpp]]
  system_id = "staying"
  password = "secret"
"""
LEAVING = """
[[account]]
name = "leaving"
credit = "10"
requests_per_min = 0
senders = ["LEAVING"]
"""
CONFIGURATION = LISTEN + STAYING + LEAVING + TOKEN + CREDENTIAL + CARRIER


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Serving:
    return Serving(tmp_path_factory.mktemp("reload"), CONFIGURATION)


@pytest.fixture(scope="module")
def running(gateway: Serving) -> Iterator[PosternProcess]:
    with gateway.serve() as daemon:
        yield daemon


@pytest.fixture
def daemon(gateway: Serving, running: PosternProcess) -> Iterator[PosternProcess]:
    """The daemon with the configuration that all tests start from."""
    yield running
    assert any('"reload.applied"' in line for line in gateway.reload(running, CONFIGURATION))


def balance_status(gateway: Serving, account: str) -> int:
    return gateway.rest(f"token-{account}").get("/balance").status


def test_a_token_that_was_removed_opens_nothing(gateway: Serving, daemon: PosternProcess) -> None:
    assert balance_status(gateway, "leaving") == 200
    gateway.reload(daemon, CONFIGURATION.replace(TOKEN, ""))
    assert balance_status(gateway, "leaving") == 401
    assert balance_status(gateway, "staying") == 200
    gateway.reload(daemon, CONFIGURATION)
    assert balance_status(gateway, "leaving") == 200


def test_binds_of_a_removed_system_id_end_at_once(gateway: Serving, daemon: PosternProcess) -> None:
    with gateway.esme("leaving") as leaving, gateway.esme("staying") as staying:
        gateway.reload(daemon, CONFIGURATION.replace(CREDENTIAL, ""))
        unbind = leaving.read()
        assert unbind is not None
        assert unbind.command_id == CommandId.UNBIND
        assert leaving.submit("37125000001", b"x", sender="LEAVING")[0] != 0
        assert staying.submit("37125000001", b"x", sender="STAYING")[0] == 0
    with SmppCustomer("127.0.0.1", gateway.ports["smpp"]) as again:
        assert again.bind("leaving", "secret") == CommandStatus.RINVSYSID


def test_a_removed_account_is_disabled_and_kept(gateway: Serving, daemon: PosternProcess) -> None:
    without = CONFIGURATION.replace(LEAVING + TOKEN + CREDENTIAL, "")
    with gateway.esme("leaving") as leaving:
        gateway.reload(daemon, without)
        unbind = leaving.read()
        assert unbind is not None
        assert unbind.command_id == CommandId.UNBIND
    assert balance_status(gateway, "leaving") == 401
    assert '"enabled": false' in gateway.command("account", "list", "--json")
    gateway.reload(daemon, CONFIGURATION)
    assert gateway.balance("token-leaving") == 10


def test_a_removed_sender_is_refused(gateway: Serving, daemon: PosternProcess) -> None:
    body = {"recipient": "+37125000002", "message": "x", "sender_id": "LEAVING"}
    gateway.reload(daemon, CONFIGURATION.replace('["LEAVING"]', '["OTHER"]'))
    refused = gateway.rest("token-leaving").post("/sms/send", body)
    assert refused.status == 422
    assert set(refused.json["errors"]) == {"sender_id"}


def test_a_changed_credit_is_a_warning_not_a_top_up(
    gateway: Serving, daemon: PosternProcess
) -> None:
    changed = CONFIGURATION.replace(LEAVING, LEAVING.replace('"10"', '"5000"'))
    logged = gateway.reload(daemon, changed)
    assert any('"warning"' in line and '"account.credit_ignored"' in line for line in logged)
    assert gateway.balance("token-leaving") == 10


def test_a_new_password_ends_the_binds_of_the_old_one(
    gateway: Serving, daemon: PosternProcess
) -> None:
    with gateway.esme("leaving") as leaving:
        changed = CONFIGURATION.replace(CREDENTIAL, CREDENTIAL.replace('"secret"', '"other"'))
        gateway.reload(daemon, changed)
        unbind = leaving.read()
        assert unbind is not None
        assert unbind.command_id == CommandId.UNBIND
    with SmppCustomer("127.0.0.1", gateway.ports["smpp"]) as again:
        assert again.bind("leaving", "secret") == CommandStatus.RINVPASWD
        assert again.bind("leaving", "other") == 0


def test_new_rates_and_routes_count_at_once(gateway: Serving, daemon: PosternProcess) -> None:
    body = {"recipient": "+37125000003", "message": "x", "sender_id": "S"}
    rest = gateway.rest("token-staying")
    assert rest.post("/sms/send", body).json["data"]["cost"] == 0.035
    cheaper = CONFIGURATION + '[[rate]]\nprefix = "371"\nprice = "0.01"\n'
    gateway.reload(daemon, cheaper)
    assert rest.post("/sms/send", body).json["data"]["cost"] == 0.01
    gateway.reload(
        daemon,
        CONFIGURATION.replace('providers = ["carrier"]', 'providers = ["carrier"]\nprefix = "49"'),
    )
    assert rest.post("/sms/send", body).status == 422
    assert rest.post("/sms/send", {**body, "recipient": "+4915112345678"}).status == 201


@pytest.mark.parametrize(
    ("mistake", "reason"),
    [("credits = 1", "rate[0].credits: is not a known key"), ("[[[", "is not valid TOML")],
    ids=["unknown-key", "no-toml"],
)
def test_a_file_with_mistakes_changes_nothing(
    gateway: Serving, daemon: PosternProcess, mistake: str, reason: str
) -> None:
    logged = gateway.reload(daemon, CONFIGURATION.replace(TOKEN, "") + mistake)
    refusal = next(line for line in logged if '"reload.refused"' in line)
    assert reason in refusal
    assert balance_status(gateway, "leaving") == 200


def test_what_needs_a_restart_is_said(gateway: Serving, daemon: PosternProcess) -> None:
    gateway.reload(daemon, CONFIGURATION + "[queue]\nvalidity_s = 3600\n")
    until("the warning", lambda: '"reload.needs_restart", "tables": ["queue"]' in daemon.errors)


def test_a_file_that_is_gone_changes_nothing(gateway: Serving, daemon: PosternProcess) -> None:
    aside = gateway.file.rename(gateway.directory / "aside.toml")
    before = daemon.errors.count('"reload.refused"')
    daemon.send_signal(signal.SIGHUP)
    until("the refusal", lambda: daemon.errors.count('"reload.refused"') > before)
    assert "cannot be read" in daemon.errors
    aside.rename(gateway.file)
    assert balance_status(gateway, "leaving") == 200


def test_what_waits_for_a_removed_provider_takes_the_new_one(tmp_path: Path) -> None:
    gateway = Serving(tmp_path, LISTEN + STAYING + CARRIER.replace("{carrier}", "1"))
    with gateway.serve() as daemon, gateway.simulate():
        with gateway.esme("staying") as esme:
            assert esme.submit("37125000004", b"moved", sender="S")[0] == 0
        gateway.reload(daemon, LISTEN + STAYING + CARRIER.replace('"carrier"', '"other"'))
        assert [entry["text"] for entry in gateway.received("+37125000004")] == ["moved"]

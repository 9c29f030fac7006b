"""SIGHUP: what the file no longer holds ends at once, what it adds works, mistakes change nothing."""

import json
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


def with_credential(**keys: object) -> str:
    """The configuration with other keys for the system_id "leaving"."""
    lines = "".join(f"  {key} = {json.dumps(value)}\n" for key, value in keys.items())
    fresh = CREDENTIAL + lines
    if "password" in keys:
        fresh = CREDENTIAL.replace('  password = "secret"\n', "") + lines
    return CONFIGURATION.replace(CREDENTIAL, fresh)


def submit(esme: SmppCustomer) -> int:
    return esme.submit("37125000005", b"x", sender="LEAVING")[0]


def bind_status(gateway: Serving, password: str) -> int:
    with SmppCustomer("127.0.0.1", gateway.ports["smpp"]) as again:
        return again.bind("leaving", password)


def test_a_new_password_is_for_the_next_bind(gateway: Serving, daemon: PosternProcess) -> None:
    with gateway.esme("leaving") as bound:
        gateway.reload(daemon, with_credential(password="other"))
        assert submit(bound) == 0
        assert bind_status(gateway, "secret") == CommandStatus.RINVPASWD
        assert bind_status(gateway, "other") == 0


def test_fewer_binds_are_for_the_next_bind(gateway: Serving, daemon: PosternProcess) -> None:
    with gateway.esme("leaving") as first, gateway.esme("leaving") as second:
        gateway.reload(daemon, with_credential(max_binds=1))
        assert (submit(first), submit(second)) == (0, 0)
        assert bind_status(gateway, "secret") == CommandStatus.RBINDFAIL


def test_other_addresses_are_for_the_next_bind(gateway: Serving, daemon: PosternProcess) -> None:
    with gateway.esme("leaving") as bound:
        gateway.reload(daemon, with_credential(allow=["10.0.0.0/8"]))
        assert submit(bound) == 0
        assert bind_status(gateway, "secret") == CommandStatus.RBINDFAIL


def test_a_new_rate_counts_on_the_bind_that_stands(
    gateway: Serving, daemon: PosternProcess
) -> None:
    with gateway.esme("leaving") as bound:
        assert submit(bound) == 0
        gateway.reload(daemon, with_credential(rate=1))
        assert CommandStatus.RTHROTTLED in [submit(bound) for _ in range(20)]
        gateway.reload(daemon, CONFIGURATION)
        assert [submit(bound) for _ in range(20)] == [0] * 20


def test_a_new_limit_counts_on_the_bind_that_stands(
    gateway: Serving, daemon: PosternProcess
) -> None:
    limited = CONFIGURATION.replace(LEAVING, LEAVING + 'limit = "9.99"\n')
    with gateway.esme("leaving") as bound:
        gateway.reload(daemon, limited)
        assert submit(bound) == CommandStatus.RSUBMITFAIL
        gateway.reload(daemon, CONFIGURATION)
        assert submit(bound) == 0


def test_new_senders_count_on_the_bind_that_stands(
    gateway: Serving, daemon: PosternProcess
) -> None:
    with gateway.esme("leaving") as bound:
        gateway.reload(daemon, CONFIGURATION.replace('["LEAVING"]', '["OTHER"]'))
        assert submit(bound) == CommandStatus.RINVSRCADR


def test_a_new_form_of_ids_is_for_the_next_message(
    gateway: Serving, daemon: PosternProcess
) -> None:
    with gateway.esme("leaving") as bound:
        _, before = bound.submit("37125000005", b"x", sender="LEAVING")
        gateway.reload(daemon, with_credential(message_id="decimal"))
        _, after = bound.submit("37125000005", b"x", sender="LEAVING")
        assert int(before, 16) < int(after)


def test_new_requests_per_min_count_at_once(gateway: Serving, daemon: PosternProcess) -> None:
    rest = gateway.rest("token-leaving")
    limited = LEAVING.replace("requests_per_min = 0", "requests_per_min = 2")
    gateway.reload(daemon, CONFIGURATION.replace(LEAVING, limited))
    assert [rest.get("/balance").status for _ in range(3)] == [200, 200, 429]
    gateway.reload(daemon, CONFIGURATION)
    assert rest.get("/balance").status == 200


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
    [
        ("credits = 1", '"key": "rate[0].credits", "reason": "is not a known key"'),
        ("[[[", '"reason": "is not valid TOML'),
        ("x = " + "[" * 10_000, '"reason": "is nested too deeply"'),
    ],
    ids=["unknown-key", "no-toml", "deep"],
)
def test_a_file_with_mistakes_changes_nothing(
    gateway: Serving, daemon: PosternProcess, mistake: str, reason: str
) -> None:
    logged = gateway.reload(daemon, CONFIGURATION.replace(TOKEN, "") + mistake)
    refusal = next(line for line in logged if '"reload.refused"' in line)
    assert reason in refusal
    assert f'"file": "{gateway.file}"' in refusal
    assert balance_status(gateway, "leaving") == 200


CALLBACK = """
[[provider]]
name = "web"
wire = "http"
url = "http://127.0.0.1:1/send?cb={callback_url}"
[provider.receipt]
id = "id"
state = "state"
token = "t"
[provider.receipt.states]
delivered = ["ok"]
"""
NO_HTTP = LISTEN.replace('http = "127.0.0.1:{http}"\n', "")
DOLLARS = STAYING.replace('"10"', '"10"\ncurrency = "USD"')
ROUTES = CARRIER[CARRIER.index("[[route]]") :]


@pytest.mark.parametrize(
    ("listen", "after", "reason"),
    [
        (LISTEN, DOLLARS + CARRIER, "cannot change"),
        (NO_HTTP, STAYING + CALLBACK + CARRIER, "set [http] public_url"),
        (LISTEN, STAYING + CALLBACK.replace("web", "carrier") + ROUTES, "use another name"),
    ],
    ids=["currency", "no-callback-url", "another-wire"],
)
def test_what_cannot_become_true_changes_nothing(
    tmp_path: Path, listen: str, after: str, reason: str
) -> None:
    """What shows only beside what runs: the sound part of the file is not applied either."""
    gateway = Serving(tmp_path, listen + STAYING + CARRIER)
    sound = LEAVING + TOKEN + CREDENTIAL
    with gateway.serve() as daemon:
        logged = gateway.reload(daemon, LISTEN + sound + after)
        assert reason in next(line for line in logged if '"reload.refused"' in line)
        assert bind_status(gateway, "secret") == CommandStatus.RINVSYSID
        assert '"leaving"' not in gateway.command("account", "list", "--json")
        with gateway.esme("staying") as staying:
            assert staying.submit("37125000006", b"x", sender="S")[0] == 0
        gateway.reload(daemon, listen + sound + STAYING + CARRIER)
        assert bind_status(gateway, "secret") == 0


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


WEB = """
[[provider]]
name = "web"
wire = "http"
url = "http://127.0.0.1:{carrier}/send"
fields = { to = "{to}", from = "{from}", text = "old {text}", callback = "{callback_url}" }
success = { status = [202] }
id = { path = "id" }
  [provider.receipt]
  token = "first"
  id = "id"
  state = "status"
    [provider.receipt.states]
    delivered = ["delivered"]
[[route]]
providers = ["web"]
[[rate]]
price = "0.035"
"""


def test_the_next_message_goes_by_the_new_template(tmp_path: Path) -> None:
    gateway = Serving(tmp_path, LISTEN + STAYING + WEB)
    carrier = PosternProcess(
        tmp_path, "simulate", "http", "--port", str(gateway.ports["carrier"]),
        "--inbox-port", str(gateway.ports["inbox"]), "--receipt-delay", "0",
    )  # fmt: skip
    with gateway.serve() as daemon, carrier, gateway.esme("staying") as esme:
        for word in ("old", "new"):
            changed = WEB.replace("old {text}", word + " {text}").replace("first", word)
            gateway.reload(daemon, LISTEN + STAYING + changed)
            status, message_id = esme.submit("37125000008", b"x", sender="S")
            assert status == 0
            assert b" stat:DELIVRD " in esme.receipt(message_id).short_message
        assert [e["text"] for e in gateway.received("+37125000008", 2)] == ["old x", "new x"]

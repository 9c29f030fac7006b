"""`postern demo` as its user meets it: start, facts, files, stop, restart."""

import json
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.support.processes import START_S, DemoProcess, PosternProcess, accepts, until
from tests.support.rest_client import RestClient
from tests.support.smpp_customer import SmppCustomer


def port_of(url: str) -> int:
    return int(url.partition("://")[2].partition("/")[0].rpartition(":")[2])


def credentials(demo: DemoProcess) -> tuple[str, str]:
    return demo.facts["exosend"]["token"], demo.facts["smpp"]["password"]


def test_the_facts_have_exactly_the_documented_form(demo: DemoProcess) -> None:
    facts = demo.facts
    base_url, port = facts["http"]["base_url"], facts["smpp"]["port"]
    assert facts == {
        "pid": demo.pid,
        "simulator_pid": facts["simulator_pid"],
        "data_dir": str(demo.directory / "data"),
        "sender_id": "POSTERN",
        "http": {"base_url": base_url},
        "metrics": {"url": facts["metrics"]["url"]},
        "smpp": {
            "host": "127.0.0.1",
            "port": port,
            "system_id": "demo",
            "password": facts["smpp"]["password"],
        },
        "exosend": {"base_url": f"{base_url}/api/v1", "token": facts["exosend"]["token"]},
        "mesms": {"base_url": f"{base_url}/api/v2", "api_key": facts["mesms"]["api_key"]},
        "exotel": {
            "base_url": f"{base_url}/v1/Accounts/{facts['exotel']['account_sid']}",
            "account_sid": facts["exotel"]["account_sid"],
            "api_key": facts["exotel"]["api_key"],
            "api_token": facts["exotel"]["api_token"],
        },
        "easysendsms": {
            "base_url": f"{base_url}/v1/rest",
            "api_key": facts["easysendsms"]["api_key"],
        },
        "carrier": {"inbox_url": facts["carrier"]["inbox_url"]},
    }
    assert facts["simulator_pid"] not in (demo.pid, 0)
    assert base_url.startswith("http://127.0.0.1:")
    assert isinstance(port, int)
    assert facts["exosend"]["token"].startswith("1|")
    assert len(facts["smpp"]["password"]) == 8
    assert facts["carrier"]["inbox_url"].endswith("/inbox")


def test_everything_in_the_facts_listens(demo: DemoProcess) -> None:
    facts = demo.facts
    assert accepts(facts["smpp"]["port"])
    assert accepts(port_of(facts["http"]["base_url"]))
    assert isinstance(demo.inbox(), list)
    monitoring = RestClient(facts["metrics"]["url"].removesuffix("/metrics"))
    metrics = monitoring.get("/metrics")
    assert metrics.status == 200
    assert b"# HELP" in metrics.octets
    assert monitoring.get("/healthz").json == {"status": "ok"}
    # Monitoring is the operator's: not on the customers' port.
    assert RestClient(facts["http"]["base_url"]).get("/metrics").status == 404


def test_the_printed_commands_carry_the_facts(demo: DemoProcess) -> None:
    facts = demo.facts
    output = demo.until("the printed commands", lambda: "0005" in demo.output and demo.output)
    assert f"{facts['exosend']['base_url']}/sms/send" in output
    assert facts["exosend"]["token"] in output
    assert f"--smpp 127.0.0.1:{facts['smpp']['port']}" in output
    assert f"--password {facts['smpp']['password']}" in output
    assert facts["carrier"]["inbox_url"] in output
    assert "Ctrl-C" in output


def test_files_with_secrets_are_the_owner_s_alone(demo: DemoProcess) -> None:
    data = demo.directory / "data"
    for file in (
        demo.facts_file,
        data / "secrets.json",
        data / "postern.toml",
        data / "postern.db",
    ):
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_no_secret_is_in_the_log(demo: DemoProcess, esme: SmppCustomer) -> None:
    _, message_id = esme.submit("37121000007", b"top secret text")
    esme.receipt(message_id)
    until("the message in the message log", lambda: message_id in demo.fates())
    data = demo.directory / "data"
    logged = (data / "postern.log").read_text() + (data / "messages.log").read_text()
    assert "top secret text" not in logged
    for secret in credentials(demo):
        assert secret not in logged


def test_the_generated_configuration_works_with_other_commands(demo: DemoProcess) -> None:
    config = demo.directory / "data" / "postern.toml"
    with PosternProcess(demo.directory, "check-config", "-c", config) as check:
        assert check.wait(START_S) == 0, check.errors


def test_a_second_demo_in_the_same_directory_is_refused(demo: DemoProcess, tmp_path: Path) -> None:
    config = demo.directory / "data" / "postern.toml"
    before = config.read_text()
    arguments = ("demo", "--ports", "auto", "--data-dir", demo.directory / "data")
    with PosternProcess(tmp_path, *arguments) as second:
        assert second.wait(START_S) == 1
    assert "a demo already runs in" in second.errors
    assert len(second.errors.splitlines()) == 1
    assert config.read_text() == before


def test_a_taken_port_is_named_and_a_stale_facts_file_removed(tmp_path: Path) -> None:
    stale = tmp_path / "facts.json"
    stale.write_text('{"pid": 1}')
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 2775))
            taken.listen()
        except OSError:
            pass  # another program has it: taken all the same
        arguments = ("demo", "--data-dir", tmp_path / "data", "--facts", stale)
        with PosternProcess(tmp_path, *arguments) as refused:
            assert refused.wait(START_S) == 1
    assert "2775 (smpp)" in refused.errors
    assert "--ports auto" in refused.errors
    assert len(refused.errors.splitlines()) == 1
    assert not stale.exists()
    assert not (tmp_path / "data" / "postern.db").exists()  # nothing had started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_in_time_and_takes_its_carriers_along(tmp_path: Path, number: int) -> None:
    with DemoProcess(tmp_path) as demo:
        host, port, system_id, password = demo.smpp()
        with SmppCustomer(host, port) as esme:
            esme.bind(system_id, password)
            # Under way while the signal comes: one waits for its receipt, one for its time.
            esme.submit("37121000101", b"now")
            esme.submit("37121000102", b"later", schedule_delivery_time=b"000001000000000R")
            assert demo.stop(number) == 0, demo.errors
    inbox_port = port_of(demo.facts["carrier"]["inbox_url"])
    until("the carriers' end", lambda: not accepts(inbox_port))


def test_a_restart_keeps_credentials_balance_and_what_is_queued(tmp_path: Path) -> None:
    scheduled = "37121000201"
    with DemoProcess(tmp_path) as demo:
        host, port, system_id, password = demo.smpp()
        with SmppCustomer(host, port) as esme:
            esme.bind(system_id, password)
            for recipient, delay in (("37121000202", b""), (scheduled, b"000000000003000R")):
                status, _ = esme.submit(recipient, b"kept", schedule_delivery_time=delay)
                assert status == 0
        before = credentials(demo)
        assert demo.stop() == 0
        assert json.loads(demo.facts_file.read_text())["pid"] == demo.pid
    with DemoProcess(tmp_path) as again:
        assert credentials(again) == before
        assert again.rest().get("/balance").json["data"]["balance"] == 99.93
        [entry] = again.received(f"+{scheduled}")
        assert entry["text"] == "kept"


def test_kill_9_loses_nothing_that_was_accepted(tmp_path: Path) -> None:
    scheduled = "37121000301"
    with DemoProcess(tmp_path) as demo:
        host, port, system_id, password = demo.smpp()
        with SmppCustomer(host, port) as esme:
            esme.bind(system_id, password)
            status, _ = esme.submit(scheduled, b"kept", schedule_delivery_time=b"000000000003000R")
            assert status == 0
            demo.kill()
    # Its pipe to the carriers broke with it.
    inbox_port = port_of(demo.facts["carrier"]["inbox_url"])
    until("the carriers' end", lambda: not accepts(inbox_port))
    with DemoProcess(tmp_path) as again:
        assert [entry["text"] for entry in again.received(f"+{scheduled}")] == ["kept"]


def test_the_end_of_the_carriers_ends_the_demo(tmp_path: Path) -> None:
    with DemoProcess(tmp_path) as demo:
        os.kill(demo.facts["simulator_pid"], signal.SIGKILL)
        assert demo.wait() == 1
    assert "the simulated carriers died" in demo.errors
    assert len(demo.errors.splitlines()) == 1

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from postern.demo_guide import called_as, guide
from postern.simulator.behaviour import MAGIC_NUMBERS

FACTS: dict[str, Any] = {
    "pid": 1,
    "simulator_pid": 2,
    "data_dir": "/srv/my demo",
    "sender_id": "POSTERN",
    "http": {"base_url": "http://127.0.0.1:8080"},
    "metrics": {"url": "http://127.0.0.1:9090/metrics"},
    "smpp": {"host": "127.0.0.1", "port": 2775, "system_id": "demo", "password": "p4ssw0rd"},
    "exosend": {"base_url": "http://127.0.0.1:8080/api/v1", "token": "1|token"},
    "mesms": {"base_url": "http://127.0.0.1:8080/api/v2", "api_key": "mesms-key"},
    "exotel": {
        "base_url": "http://127.0.0.1:8080/v1/Accounts/demo",
        "account_sid": "demo",
        "api_key": "exotel-key",
        "api_token": "exotel-token",
    },
    "easysendsms": {"base_url": "http://127.0.0.1:8080/v1/rest", "api_key": "easy-key"},
    "carrier": {"inbox_url": "http://127.0.0.1:4711/inbox"},
}


def commands(start: str) -> list[list[str]]:
    """The words a shell makes of the printed commands that begin with `start`."""
    lines = [line.strip() for line in guide(FACTS, ".venv/bin/postern").splitlines()]
    return [shlex.split(line) for line in lines if line.startswith(start + " ")]


def test_the_rest_commands_survive_a_shell() -> None:
    balance, send, status, exotel, mesms, easysendsms, inbox, metrics = commands("curl")
    assert balance[2:] == [
        "http://127.0.0.1:8080/api/v1/balance", "-H", "Authorization: Bearer 1|token",
    ]  # fmt: skip
    assert json.loads(send[-1]) == {
        "recipient": "+37120000000",
        "message": "Hello",
        "sender_id": "POSTERN",
    }
    assert status[2] == "http://127.0.0.1:8080/api/v1/sms/MESSAGE_ID/status"
    assert exotel[2] == "http://127.0.0.1:8080/v1/Accounts/demo/Sms/send.json"
    assert exotel[3:5] == ["-u", "exotel-key:exotel-token"]
    assert exotel[6::2] == ["From=POSTERN", "To=%2B37120000000", "Body=Hello"]
    assert mesms[2:5] == [
        "http://127.0.0.1:8080/api/v2/sms/send", "-H", "x-api-key: mesms-key",
    ]  # fmt: skip
    assert json.loads(mesms[-1]) == {
        "sender": "POSTERN", "content": "Hello", "msisdns": ["37120000000"],
    }  # fmt: skip
    assert easysendsms[2:5] == [
        "http://127.0.0.1:8080/v1/rest/sms/send", "-H", "apikey: easy-key",
    ]  # fmt: skip
    assert json.loads(easysendsms[-1]) == {
        "from": "POSTERN", "to": "37120000000", "text": "Hello", "type": "0",
    }  # fmt: skip
    assert inbox[-1] == "http://127.0.0.1:4711/inbox?after=0"
    assert metrics[-1] == "http://127.0.0.1:9090/metrics"


def test_the_postern_commands_are_called_as_the_demo_was() -> None:
    send, statement, providers = commands(".venv/bin/postern")
    options = dict(zip(send[2::2], send[3::2], strict=True))
    assert options["--smpp"] == "127.0.0.1:2775"
    assert (options["--system-id"], options["--password"]) == ("demo", "p4ssw0rd")
    assert (options["--from"], options["--to"]) == ("POSTERN", "37120000000")
    assert statement[1:] == ["account", "statement", "Demo", "-c", "/srv/my demo/postern.toml"]
    assert providers[1:3] == ["provider", "list"]


def test_every_magic_number_is_explained() -> None:
    text = guide(FACTS, "postern")
    for digits, meaning in MAGIC_NUMBERS.items():
        assert f"{digits}  {meaning}" in text


def test_a_command_on_the_path_is_called_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert called_as(".venv/bin/postern") == ".venv/bin/postern"
    assert called_as("/my tools/postern") == "'/my tools/postern'"
    assert called_as("/site-packages/postern/__main__.py") == f"{sys.executable} -m postern"
    command = tmp_path / "postern"
    command.touch()
    command.chmod(0o755)
    assert called_as(".venv/bin/postern") == "postern"

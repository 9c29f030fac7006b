"""The command line: its frame, and every command against one live daemon with a simulated carrier."""

import io
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from postern import __version__
from postern.cli import COMMANDS, main
from tests.support.groups import new_message
from tests.support.processes import PosternProcess, until
from tests.support.rest_client import get_json

CONFIGURATION = """
[listen]
http = "127.0.0.1:0"
smpp = "127.0.0.1:0"
admin = "127.0.0.1:0"
[drain]
deadline_s = 1

[[account]]
name = "acme"
credit = "100"
region = "LV"
requests_per_min = 0
senders = ["ACME"]
  [[account.token]]
  secret = "token-acme"
  [[account.smpp]]
  system_id = "acme"
  password = "secret"

[[provider]]
name = "carrier"
wire = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "gw"
password = "secret"

[[route]]
name = "all"
providers = ["carrier"]
[[rate]]
price = "0.035"
"""
PHONE = "+37120000000"

Run = Callable[..., tuple[int, str, str]]
Facts = Callable[..., Any]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration of a daemon that runs, with its carrier bound."""
    directory = tmp_path_factory.mktemp("daemon")
    config = directory / "postern.toml"
    carrier = PosternProcess(
        directory, "simulate", "smsc", "--port", "0", "--receipt-delay", "0", "--json"
    )
    with carrier:
        carrier.until("the carrier's address", lambda: "\n" in carrier.output)
        address = json.loads(carrier.output.splitlines()[0])["address"]
        config.write_text(CONFIGURATION.format(port=address.rpartition(":")[2]))
        with PosternProcess(directory, "serve", "-c", config) as daemon:
            daemon.until("the daemon is ready", lambda: "daemon.ready" in daemon.errors)
            until("the carrier is bound", lambda: "provider.bound" in daemon.errors)
            yield config


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str | Path) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of one command."""
        try:
            code = main([*map(str, words)])
        except SystemExit as usage:
            code = int(str(usage.code))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def facts(run: Run, config: Path) -> Facts:
    def facts(*words: str) -> Any:
        """What a command prints with --json."""
        code, out, errors = run(*words, "--json", "-c", config)
        assert code == 0, errors
        return json.loads(out)

    return facts


# -- the frame -----------------------------------------------------------------------------------


def test_help_names_every_command(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for command in COMMANDS:
        assert f"    {command.name} " in out


def test_every_command_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs/cli.md").read_text(encoding="utf-8")
    assert [c.name for c in COMMANDS if f"`postern {c.name}" not in text] == []


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_has_help(run: Run, command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"usage: postern {command}" in out or f" {command} " in out


def test_help_and_version_load_no_heavy_library() -> None:
    heavy = ("aiohttp", "pydantic", "uvloop", "asyncio", "smpplib", "phonenumbers", "sqlite3")
    script = (
        "import sys; from postern.cli import main; main(['version']);"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [f"postern {__version__}", "[]"]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonsense",),
        ("account",),
        ("account", "nonsense"),
        ("account", "topup", "acme"),
        ("send", "--to", "1"),
        ("account", "list", "--config", "x", "--data-dir", "y"),
    ],
)
def test_wrong_usage(run: Run, words: tuple[str, ...]) -> None:
    code, _, errors = run(*words)
    assert code == 2
    assert errors.startswith("usage: postern")


def test_python_dash_m() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "postern", "version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"postern {__version__}\n"


def test_a_reader_that_has_enough_is_no_error(config: Path) -> None:
    """`postern ... | head -0`: the output is closed before anything is written."""
    script = f"{sys.executable} -m postern account list -c {config} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", str(128 + signal.SIGPIPE))


# -- nobody answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("account", "list"),
        ("account", "topup", "acme", "1"),
        ("account", "statement", "acme"),
        ("token", "create", "acme"),
        ("token", "list", "acme"),
        ("token", "revoke", "acme", "x"),
        ("sender", "list"),
        ("sender", "approve", "acme", "X"),
        ("sender", "reject", "acme", "X"),
        ("sender", "verify", "acme", "X"),
        ("sender", "refuse", "acme", "X"),
        ("block", "add", "1"),
        ("block", "remove", "1"),
        ("block", "list"),
        ("webhook", "list"),
        ("webhook", "replay"),
        ("message", "show", "1"),
        ("message", "cancel", "1"),
        ("provider", "list"),
        ("provider", "pause", "carrier"),
        ("provider", "resume", "carrier"),
    ],
)
def test_without_a_daemon(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    config = tmp_path / "postern.toml"
    config.write_text(CONFIGURATION.format(port=1))
    expected = (
        f"postern: no daemon answers on {tmp_path}/postern.sock: "
        f"start it with `postern serve -c {config}`\n"
    )
    assert run(*words, "-c", config) == (2, "", expected)
    assert run("-c", config, *words, "--json") == (2, "", expected)


# -- the file ------------------------------------------------------------------------------------


def test_check_config(run: Run, config: Path) -> None:
    code, out, errors = run("check-config", "-c", config)
    assert (code, errors) == (0, "")
    assert out == f"{config}: ok, 1 accounts, 1 providers, 1 routes, 1 rates\n"


def test_check_config_names_every_problem(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    text = CONFIGURATION.format(port=1)
    bad.write_text(text.replace('"0.035"', '"cheap"').replace("credit", "credits"))
    code, out, errors = run("check-config", "-c", bad)
    assert (code, out) == (1, "")
    assert errors.splitlines() == [
        f"{bad}: account[0].credits: is not a known key; did you mean credit?",
        f"{bad}: rate[0].price: not a decimal number: 'cheap'",
    ]
    code, out, _ = run("check-config", "-c", bad, "--json")
    facts = json.loads(out)
    assert (code, facts["ok"]) == (1, False)
    assert [problem["key"] for problem in facts["problems"]] == [
        "account[0].credits", "rate[0].price",
    ]  # fmt: skip


def test_check_config_warns(run: Run, tmp_path: Path) -> None:
    odd = tmp_path / "odd.toml"
    odd.write_text(
        CONFIGURATION.format(port=1).replace('price = "0.035"', 'currency = "USD"\nprice = "1"')
    )
    code, out, errors = run("check-config", "-c", odd)
    assert (code, "ok" in out) == (0, True)
    assert errors.startswith(f"warning: {odd}: account[0].currency: no [[rate]] is in EUR")
    _, out, _ = run("check-config", "-c", odd, "--json")
    assert len(json.loads(out)["warnings"]) == 1


def test_serve_names_every_problem(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("a = 1\nb = 2\n")
    code, _, errors = run("serve", "-c", bad)
    assert code == 1
    assert errors.splitlines() == [
        f"postern: {bad}: a: is not a known key",
        f"postern: {bad}: b: is not a known key",
    ]


@pytest.mark.parametrize("door", ["smpp", "http", "admin"])
def test_serve_names_a_taken_port(tmp_path: Path, config: Path, facts: Facts, door: str) -> None:
    taken = facts("status")["listen"][door]
    other = tmp_path / "postern.toml"
    text = CONFIGURATION.format(port=1).replace(f'{door} = "127.0.0.1:0"', f'{door} = "{taken}"')
    other.write_text(text)
    with PosternProcess(tmp_path, "serve", "-c", other) as second:
        assert second.wait() == 1
        last = second.errors.splitlines()[-1]
        assert last == (
            f"postern: {other}: cannot listen on {taken}: address already in use: "
            "stop what listens there, or change [listen]"
        )


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_store_that_is_held(tmp_path: Path, config: Path, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "postern", command, "-c", config],
        capture_output=True, text=True, check=False, timeout=30, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "postern.db is in use: another daemon holds" in done.stderr


def test_migrate(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "postern.toml"
    config.write_text(CONFIGURATION.format(port=1))
    code, out, _ = run("migrate", "-c", config)
    assert code == 0
    assert out.startswith("applied 0001_")
    assert run("migrate", "-c", config) == (0, "nothing to apply: the store is up to date\n", "")
    _, out, _ = run("migrate", "-c", config, "--json")
    assert json.loads(out) == {"applied": []}


# -- a live daemon -------------------------------------------------------------------------------


def test_status(run: Run, config: Path, facts: Facts) -> None:
    status = facts("status")
    assert (status["version"], status["store_available"]) == (__version__, True)
    assert set(status["listen"]) == {"http", "smpp", "admin"}
    code, out, _ = run("status", "-c", config)
    assert code == 0
    assert f"pid              {status['pid']}" in out


def test_health_and_metrics_are_for_operators_only(facts: Facts) -> None:
    listen = facts("status")["listen"]
    assert get_json(f"http://{listen['admin']}/healthz") == {"status": "ok"}
    assert get_json(f"http://{listen['admin']}/readyz") == {
        "ready": True,
        "checks": {"store": "ok", "listeners": "ok", "providers": {"carrier": "up"}},
    }


def test_top_up_and_statement(run: Run, config: Path, facts: Facts) -> None:
    before = facts("account", "list")["accounts"][0]
    code, out, _ = run("account", "topup", "acme", "12.50", "--note", "invoice 7", "-c", config)
    assert code == 0
    assert out.startswith("acme: 12.5 EUR moved, ")
    facts("account", "topup", "acme", "-2.5")
    after = facts("account", "list")["accounts"][0]
    assert float(after["balance"]) == float(before["balance"]) + 10
    lines = facts("account", "statement", "acme", "--limit", "2")["lines"]
    assert [(x["kind"], x["amount"], x["note"]) for x in lines] == [
        ("adjustment", "-2.5", ""),
        ("top_up", "12.5", "invoice 7"),
    ]
    _, out, _ = run("account", "statement", "acme", "--limit", "1", "-c", config)
    assert out.splitlines()[-1] == f"older lines: --before {lines[0]['id']}"
    _, out, _ = run(
        "account", "statement", "acme", "--limit", "1", "--before", str(lines[0]["id"]),
        "-c", config,
    )  # fmt: skip
    assert "invoice 7" in out
    _, out, _ = run("account", "list", "-c", config)
    assert out.splitlines()[0].split() == [
        "NAME", "AVAILABLE", "BALANCE", "HELD", "LIMIT", "CURRENCY", "CHARGE", "REFUND", "ENABLED",
        "SENDERS",
    ]  # fmt: skip
    assert out.splitlines()[1].split()[5:] == ["EUR", "accept", "unsent", "yes", "ACME"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("account", "topup", "nobody", "1"), "there is no account 'nobody'; accounts: acme"),
        (("account", "topup", "acme", "much"), "amount: not a decimal number: 'much'"),
        (("account", "statement", "acme", "--limit", "0"), "argument 'limit' must be"),
        (("token", "revoke", "acme", "none"), "account acme has no token 'none'"),
        (("sender", "reject", "acme", "NONE"), "account acme has no sender 'NONE'"),
        (("sender", "verify", "acme", "NONE"), "account acme has no sender 'NONE'"),
        (("block", "add", "--account", "nobody", "1"), "there is no account 'nobody'"),
        (("block", "add", "--region", "XX", "1"), "region 'XX'"),
        (("block", "add", "--file", "/nowhere/at/all"), "/nowhere/at/all: cannot be read"),
        (("webhook", "list", "--limit", "0"), "argument 'limit' must be"),
        (("webhook", "replay", "--since", "noon"), "since 'noon'"),
        (("webhook", "replay", "--id", "77"), "there is no delivery 77"),
        (("message", "show", "hello"), "'hello' is no message id"),
        (("message", "cancel", "hello"), "'hello' is no message id"),
        (("message", "cancel", "1"), "there is no message 1"),
        (("provider", "pause", "none"), "there is no provider 'none'; providers: carrier"),
        (("explain", "--account", "x", "--to", "1", "--text", "x"), "there is no account 'x'"),
    ],
)
def test_refusals_are_one_line(run: Run, config: Path, words: tuple[str, ...], reason: str) -> None:
    code, out, errors = run(*words, "-c", config)
    assert (code, out) == (1, "")
    assert errors.startswith(f"postern: {reason}")
    assert errors.count("\n") == 1


def test_token_opens_the_door_until_it_is_revoked(run: Run, config: Path, facts: Facts) -> None:
    made = facts("token", "create", "acme", "--name", "shop")
    listen = facts("status")["listen"]["http"]
    send = ("send", "--exosend", f"http://{listen}", "--to", PHONE, "--text", "hi")
    with_it = (*send, "--token", made["token"], "--from", "ACME")
    assert run(*with_it)[0] == 0
    tokens = {t["name"]: t for t in facts("token", "list", "acme")["tokens"]}
    assert tokens["shop"] == {
        "id": made["id"], "name": "shop", "enabled": True, "origin": "command",
    }  # fmt: skip
    code, out, _ = run("token", "revoke", "acme", "shop", "-c", config)
    assert (code, out) == (0, f"Token shop (id {made['id']}) of acme is revoked.\n")
    code, _, errors = run(*with_it)
    assert code == 1
    assert "HTTP 401: Unauthenticated." in errors


def test_token_is_the_first_line(run: Run, config: Path) -> None:
    code, out, _ = run("token", "create", "acme", "-c", config)
    assert code == 0
    first, second = out.splitlines()
    assert len(first.partition("|")[2]) == 43
    assert "not shown again" in second


def test_sender_works_once_approved(run: Run, config: Path, facts: Facts) -> None:
    send = ("send", "--door", "smpp", "--from", "NEWS", "--to", PHONE, "--text", "hi", "-c", config)
    code, _, errors = run(*send)
    assert code == 1
    assert "ESME_RINVSRCADR" in errors
    assert run("sender", "approve", "acme", "NEWS", "-c", config)[:2] == (
        0, "acme: sender NEWS is approved.\n",
    )  # fmt: skip
    assert run(*send)[0] == 0
    facts("sender", "reject", "acme", "NEWS", "--reason", "complaints")
    assert run(*send)[0] == 1
    senders = {s["name"]: s for s in facts("sender", "list", "acme")["senders"]}
    assert (senders["NEWS"]["state"], senders["NEWS"]["reason"]) == ("rejected", "complaints")
    _, out, _ = run("sender", "list", "-c", config)
    assert out.startswith("ACCOUNT")


def test_block_and_unblock(
    run: Run, config: Path, facts: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = "+37120009999"
    send = ("send", "--door", "smpp", "--to", number, "--text", "hi", "-c", config)
    code, out, errors = run("block", "add", "20 009 999", "junk", "--region", "lv", "-c", config)
    assert (code, out) == (1, "every account: 1 blocked, 0 were before.\n")
    assert errors == "postern: 'junk' is no possible number: left out\n"
    assert run(*send)[0] == 1
    file = tmp_path / "numbers"
    file.write_text(f"{number}\n# a comment\n +37120009998 # another\n")
    assert facts("block", "add", "--account", "acme", "--file", str(file)) == {
        "account": "acme", "numbers": 2, "changed": 2, "invalid": [],
    }  # fmt: skip
    entries = facts("block", "list")["entries"]
    assert [(e["account"], e["number"]) for e in entries] == [
        (None, number), ("acme", "+37120009998"), ("acme", number),
    ]  # fmt: skip
    assert facts("block", "list", "--account", "acme", "--limit", "1")["entries"] == entries[1:2]
    _, out, _ = run("block", "list", "--limit", "2", "-c", config)
    assert out == f"{number}\tevery account\n+37120009998\tacme\n"
    assert run("block", "remove", number, "-c", config)[1] == (
        "every account: 1 no longer blocked, 0 were before.\n"
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(file.read_text()))
    facts("block", "remove", "--account", "acme", "--file", "-")
    assert facts("block", "list") == {"entries": []}


def test_a_long_file_shows_its_progress(
    run: Run, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postern.commands.block.AT_ONCE", 2)
    monkeypatch.setattr("postern.commands.block.PROGRESS_EVERY", 4)
    file = tmp_path / "numbers"
    file.write_text("".join(f"3712000000{n}\n" for n in range(9)))
    code, out, errors = run("block", "add", "--file", file, "-c", config)
    assert (code, out) == (0, "every account: 9 blocked, 0 were before.\n")
    assert errors.splitlines() == [
        "postern: 4 numbers read, 4 blocked", "postern: 8 numbers read, 8 blocked",
    ]  # fmt: skip
    assert run("block", "remove", "--file", file, "-c", config)[0] == 0


@pytest.mark.parametrize("words", [(), ("1", "--file", "x")])
def test_numbers_or_a_file(run: Run, config: Path, words: tuple[str, ...]) -> None:
    code, _, errors = run("block", "add", *words, "-c", config)
    assert (code, errors) == (2, "postern: give numbers, or a file of them with --file\n")


def test_a_file_that_is_no_text(run: Run, config: Path, tmp_path: Path) -> None:
    file = tmp_path / "numbers"
    file.write_bytes(b"\xff\xfe")
    assert run("block", "add", "--file", file, "-c", config)[2] == (
        f"postern: {file}: cannot be read: is not UTF-8 text\n"
    )


def test_both_words_about_a_sender(run: Run, config: Path) -> None:
    for verb, state in (("approve", "approved"), ("refuse", "refused"), ("verify", "verified")):
        assert run("sender", verb, "acme", "SHOP", "-c", config)[1] == (
            f"acme: sender SHOP is {state}.\n"
        )
    run("sender", "refuse", "acme", "SHOP", "--reason", "not registered", "-c", config)
    assert run("sender", "approve", "acme", "SHOP", "-c", config)[1] == (
        "acme: sender SHOP is approved and waits for the provider's word "
        "(`postern sender verify`).\n"
    )
    _, out, _ = run("sender", "list", "acme", "-c", config)
    assert out.splitlines()[0].split()[:4] == ["ACCOUNT", "SENDER", "STATE", "PROVIDER"]
    assert next(line for line in out.splitlines() if " SHOP " in line).split()[:7] == [
        "acme", "SHOP", "approved", "rejected", "no", "no", "0",
    ]  # fmt: skip


def test_webhooks_of_a_daemon_that_owes_none(run: Run, config: Path, facts: Facts) -> None:
    assert facts("webhook", "list") == {"deliveries": []}
    assert facts("webhook", "replay", "--all") == {"replayed": 0}
    assert run("webhook", "replay", "-c", config)[1] == "0 notifications will be sent again.\n"
    assert run("webhook", "list", "-c", config)[1].split()[:2] == ["ID", "ACCOUNT"]


@pytest.mark.parametrize("door", ["smpp", "exosend"])
def test_send_and_show(run: Run, config: Path, facts: Facts, door: str) -> None:
    sent = facts("send", "--door", door, "--to", PHONE, "--text", "hello " * 40)
    assert (sent["door"], sent["delivered"]) == (door, True)
    shown = facts("message", "show", sent["message_id"])
    assert (shown["state"], shown["parts"], shown["door"]) == ("delivered", 2, door)
    assert {shown["id"], shown["uuid"]} > {sent["message_id"]}
    events = [step["event"] for step in shown["timeline"]]
    assert events[:3] == ["accepted", "sent", "delivered"]
    code, out, _ = run("message", "show", shown["decimal"], "-c", config)
    assert code == 0
    assert "PROVIDER'S ID" in out
    assert "delivered" in out


def test_send_that_fails(run: Run, config: Path) -> None:
    code, out, _ = run("send", "--to", "+37120000001", "--text", "x", "-c", config)
    assert code == 1
    assert out.splitlines()[1] == "receipt UNDELIV, error 001"


def test_send_to_a_phone_that_never_answers(run: Run, config: Path) -> None:
    send = ("send", "--to", "+37120000002", "--text", "x", "-c", config)
    code, out, _ = run(*send, "--wait-receipt", "0.05")
    assert code == 1
    assert out.splitlines()[1] == "no receipt within 0.05 s; the message stays accepted"
    code, out, _ = run(*send, "--wait-receipt", "0")
    assert (code, out.count("\n")) == (0, 1)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--smpp", "nowhere", "--from", "A"), "'nowhere' is no address: must be HOST:PORT"),
        (("--smpp", "127.0.0.1:1"), "--from: SMPP has no default sender"),
        (("--smpp", "127.0.0.1:1", "--from", "A"), "smpp 127.0.0.1:1: Connection refused"),
        (("--exosend", "http://127.0.0.1:1"), "http://127.0.0.1:1/api/v1: Connect call failed"),
    ],
)
def test_send_to_nobody(run: Run, words: tuple[str, ...], reason: str) -> None:
    code, out, errors = run("send", *words, "--to", PHONE, "--text", "x")
    assert (code, out) == (2, "")
    assert errors.startswith(f"postern: {reason}")


def test_send_without_a_credential(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "postern.toml"
    config.write_text("[listen]\nsmpp = '127.0.0.1:2775'\n")
    code, _, errors = run("send", "--to", PHONE, "--text", "x", "-c", config)
    assert code == 2
    assert "no account has a credential for a door that listens" in errors


def test_pause_and_resume(run: Run, config: Path, facts: Facts) -> None:
    assert facts("provider", "pause", "carrier")["state"] == "paused"
    try:
        sent = facts(
            "send", "--door", "exosend", "--to", PHONE, "--text", "x", "--wait-receipt", "0"
        )
        assert facts("message", "show", sent["message_id"])["state"] == "queued"
        listed = facts("provider", "list")
        assert (listed["providers"][0]["state"], listed["waiting"]) == ("paused", 1)
        _, out, _ = run("provider", "list", "-c", config)
        assert out.splitlines()[-1].startswith("1 messages wait")
    finally:
        code, out, _ = run("provider", "resume", "carrier", "-c", config)
    assert (code, out) == (0, "carrier: up, 0 queued\n")
    until(
        "the message is delivered",
        lambda: facts("message", "show", sent["message_id"])["state"] == "delivered",
    )


def test_cancel(run: Run, config: Path, facts: Facts) -> None:
    send = ("send", "--door", "exosend", "--to", PHONE, "--text", "x", "--wait-receipt", "0")
    facts("provider", "pause", "carrier")
    try:
        ids = [facts(*send)["message_id"] for _ in range(2)]
        before = facts("account", "list")["accounts"][0]
        code, out, _ = run("message", "cancel", ids[0], "-c", config)
        assert code == 0
        assert out.endswith(": cancelled, 0.035 EUR given back\n")
        cancelled = facts("message", "cancel", ids[1])
        assert (cancelled["state"], cancelled["money"]) == ("cancelled", "refunded")
        after = facts("account", "list")["accounts"][0]
        assert round(float(after["balance"]) - float(before["balance"]), 6) == 0.07
    finally:
        facts("provider", "resume", "carrier")
    for id in ids:
        assert facts("message", "show", id)["state"] == "cancelled"
        code, _, errors = run("message", "cancel", id, "-c", config)
        assert code == 1
        assert f"message {id} has ended: it was cancelled at " in errors


# -- money ---------------------------------------------------------------------------------------


def test_the_ledger_of_a_live_daemon(run: Run, config: Path, facts: Facts) -> None:
    facts("send", "--to", PHONE, "--text", "x")
    verified = facts("ledger", "verify")
    assert verified["ok"] is True
    [acme] = verified["accounts"]
    assert (acme["name"], acme["differences"], acme["remarks"]) == ("acme", [], [])
    assert acme["messages"] > 0
    assert facts("ledger", "verify", "--account", "acme")["ok"] is True
    code, out, errors = run("ledger", "verify", "-c", config)
    assert (code, errors) == (0, "")
    header, line = out.splitlines()
    assert header.split() == [
        "ACCOUNT", "BALANCE", "HELD", "CHARGED", "CURRENCY", "LINES", "MESSAGES", "VERDICT",
    ]  # fmt: skip
    assert line.split()[0::7] == ["acme", "ok"]


def test_the_ledger_of_a_store_that_nobody_holds(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "postern.toml"
    config.write_text(CONFIGURATION.format(port=1))
    code, out, errors = run("ledger", "verify", "-c", config)
    assert (code, out) == (1, "")
    assert f"{tmp_path}/postern.db cannot be opened" in errors
    run("migrate", "-c", config)
    code, out, _ = run("ledger", "verify", "-c", config)
    assert (code, out.count("\n")) == (0, 1)  # no account yet
    with closing(sqlite3.connect(tmp_path / "postern.db", isolation_level=None)) as store:
        store.execute(
            "INSERT INTO account (name, currency, balance_micros, limit_micros, origin,"
            " created_at_ms) VALUES ('acme', 'EUR', 1, 2, 1, 1)"
        )
    code, out, _ = run("ledger", "verify", "-c", config)
    assert code == 1
    assert out.splitlines()[1].split()[-1] == "differs"
    assert out.splitlines()[2:] == [
        "acme: its balance is 0.000001, the sum of its ledger lines is 0",
        "acme: its balance is 0.000001, the balance on its last ledger line is 0",
        "acme: remark: it was spent down to 0.000001, its limit is 0.000002: right only if the "
        "limit was raised since",
    ]
    code, out, _ = run("ledger", "verify", "--json", "-c", config)
    verified = json.loads(out)
    assert (code, verified["ok"], len(verified["accounts"][0]["differences"])) == (1, False, 2)
    code, out, errors = run("ledger", "verify", "--account", "nobody", "-c", config)
    assert (code, out) == (1, "")
    assert "there is no account 'nobody'; accounts: acme" in errors


def test_messages_at_fault_are_named(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "postern.toml"
    config.write_text(CONFIGURATION.format(port=1))
    run("migrate", "-c", config)
    row = new_message(17, charge_micros=5)
    columns = ", ".join(row._fields)
    with closing(sqlite3.connect(tmp_path / "postern.db", isolation_level=None)) as store:
        store.execute(
            "INSERT INTO account (id, name, currency, origin, created_at_ms)"
            " VALUES (1, 'acme', 'EUR', 1, 1)"
        )
        marks = ", ".join("?" * len(row))
        insert = f"INSERT INTO message ({columns}) VALUES ({marks})"  # noqa: S608 - our own names
        store.execute(insert, row)
    code, out, _ = run("ledger", "verify", "-c", config)
    assert code == 1
    assert out.splitlines()[2:] == [
        "acme: messages that contradict themselves: 1",
        "acme: message 0000000000000011 has a price and was never paid",
    ]
    _, out, _ = run("ledger", "verify", "--json", "-c", config)
    [acme] = json.loads(out)["accounts"]
    assert acme["messages_at_fault"] == [
        {"id": "0000000000000011", "reason": "has a price and was never paid"}
    ]


def test_explain_asks_the_daemon(run: Run, config: Path, facts: Facts) -> None:
    question = ("explain", "--account", "acme", "--to", "20000000", "--text", "żółw")
    answer = facts(*question)
    assert (answer["source"], answer["accepted"], answer["provider"]) == ("daemon", True, "carrier")
    code, out, errors = run(*question, "-c", config)
    assert (code, errors) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines()[:9])
    assert lines["verdict"] == "accepted"
    assert lines["recipient"] == f"{PHONE} (national number of LV)"
    assert lines["text"] == "4 characters, ucs2 because of ż ó ł, 1 part"
    assert lines["price"] == "0.035 EUR per part, 0.035 EUR in all"


def test_explain_without_a_daemon_says_so(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "postern.toml"
    config.write_text(CONFIGURATION.format(port=1))
    question = ("explain", "--account", "acme", "--to", "1", "--text", "x", "-c", config)
    code, out, errors = run(*question, "--json")
    assert code == 0
    assert "from the configuration file alone" in errors
    answer = json.loads(out)
    assert answer["source"] == "configuration"
    assert answer["refusal"]["code"] == "recipient_invalid"
    code, out, _ = run(*question)
    assert (code, out.splitlines()[0]) == (0, "verdict    refused: '1' is not a possible number")
    code, _, errors = run(*question, "--account", "nobody")
    assert code == 1
    assert errors == f"postern: {config}: there is no account 'nobody'; accounts: acme\n"

"""tests/unit mirrors the source tree: one test module per module, and none for what is gone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests" / "unit"
ROOMS = ("gateway", "conf", "protocols", "admin_api", "postern")

# Nothing in them runs but constructors: values, rows and protocols that others are tested with.
WITHOUT_BEHAVIOUR = {
    "admin_api/operations.py",
    "gateway/domain/bulk.py",
    "gateway/domain/bulk_rows.py",
    "gateway/domain/commit_group.py",
    "gateway/domain/declared.py",
    "gateway/domain/identity.py",
    "gateway/domain/lookup.py",
    "gateway/ports.py",
    "protocols/http/dialect.py",
    "protocols/http/notice.py",
}

_CONFORMANCE = "tests/conformance"
_CLI = "tests/unit/postern/test_cli.py"
# Where a module is tested instead, because it is only worth anything together with others.
COVERED_BY = {
    "gateway/domain/account.py": "tests/unit/gateway/flow/test_admission.py",
    # The store: one suite for both engines.
    "gateway/store/accounts.py": f"{_CONFORMANCE}/test_store_accounts.py",
    "gateway/store/bulks.py": f"{_CONFORMANCE}/test_store_bulks.py",
    "gateway/store/blocked.py": f"{_CONFORMANCE}/test_store_blocked.py",
    "gateway/store/audit.py": f"{_CONFORMANCE}/test_store_audit.py",
    "gateway/store/closing.py": f"{_CONFORMANCE}/test_store_closing.py",
    "gateway/store/engine.py": f"{_CONFORMANCE}/test_store_open.py",
    "gateway/store/ledger.py": f"{_CONFORMANCE}/test_store_ledger.py",
    "gateway/store/postgres_writer.py": f"{_CONFORMANCE}/test_store_postgres_faults.py",
    "gateway/store/providers.py": f"{_CONFORMANCE}/test_store_providers.py",
    "gateway/store/retention.py": f"{_CONFORMANCE}/test_store_retention.py",
    "gateway/store/secrets.py": f"{_CONFORMANCE}/test_store_secrets.py",
    "gateway/store/senders.py": f"{_CONFORMANCE}/test_store_senders.py",
    "gateway/store/snapshot.py": f"{_CONFORMANCE}/test_store_snapshot.py",
    "gateway/store/sqlite.py": f"{_CONFORMANCE}/test_store_sqlite_faults.py",
    "gateway/store/webhook_deliveries.py": f"{_CONFORMANCE}/test_store_webhooks.py",
    # The composition root: whole hearts and whole daemons.
    "postern/__main__.py": _CLI,
    "postern/daemon.py": "tests/e2e/test_serve.py",
    "postern/lookups.py": "tests/e2e/test_easysendsms.py",
    "postern/heart.py": "tests/property/test_ledger.py",
    "postern/rest_doors.py": "tests/e2e/test_rest.py",
    "postern/shutdown.py": "tests/e2e/test_stop.py",
    "postern/south.py": "tests/e2e/test_serve_reload.py",
    "postern/notices.py": "tests/e2e/test_webhooks.py",
    # Commands: run as a user runs them.
    "postern/commands/account.py": _CLI,
    "postern/commands/block.py": _CLI,
    "postern/commands/check_config.py": _CLI,
    "postern/commands/clock.py": _CLI,
    "postern/commands/explain.py": _CLI,
    "postern/commands/failure.py": _CLI,
    "postern/commands/ledger.py": _CLI,
    "postern/commands/message.py": _CLI,
    "postern/commands/migrate.py": _CLI,
    "postern/commands/provider.py": _CLI,
    "postern/commands/send.py": _CLI,
    "postern/commands/sender.py": _CLI,
    "postern/commands/sending.py": "tests/unit/postern/commands/test_send_smpp.py",
    "postern/commands/settings.py": _CLI,
    "postern/commands/status.py": _CLI,
    "postern/commands/token.py": _CLI,
    "postern/commands/version.py": _CLI,
    "postern/commands/webhook.py": _CLI,
    "postern/simulator/__main__.py": "tests/unit/postern/simulator/test_process.py",
}
# Test modules about something other than a module of their name.
OTHER_SUBJECTS = {"conf/test_example.py"}  # the example configuration

ALLOWED = WITHOUT_BEHAVIOUR | COVERED_BY.keys()


def modules() -> Iterator[str]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if path.name != "__init__.py":
                yield path.relative_to(ROOT).as_posix()


def mirror(module: str) -> Path:
    path = Path(module)
    return UNIT / path.parent / f"test_{path.name}"


def test_every_module_has_its_test_module() -> None:
    missing = [m for m in modules() if m not in ALLOWED and not mirror(m).is_file()]
    assert not missing, f"without a test module: {missing}"


def test_exceptions_are_needed() -> None:
    assert not WITHOUT_BEHAVIOUR & COVERED_BY.keys()
    gone = sorted(ALLOWED - set(modules()))
    assert not gone, f"allowed to have no test module, but they do not exist: {gone}"
    mirrored = sorted(m for m in ALLOWED if mirror(m).is_file())
    assert not mirrored, f"have a test module of their own now, take them out: {mirrored}"


@pytest.mark.parametrize("module", sorted(COVERED_BY))
def test_what_stands_in_for_a_test_module_has_tests(module: str) -> None:
    cover = ROOT / COVERED_BY[module]
    assert "def test_" in cover.read_text(encoding="utf-8")


def test_no_test_module_is_left_behind() -> None:
    """test_<module>.py, or test_<module>_<aspect>.py beside it."""
    strays = []
    for room in ROOMS:
        for test in sorted((UNIT / room).rglob("test_*.py")):
            name = test.relative_to(UNIT).as_posix()
            folder = ROOT / Path(name).parent
            subject = test.stem.removeprefix("test_")
            names = [p.stem for p in folder.glob("*.py")]
            is_mirror = any(subject == n or subject.startswith(f"{n}_") for n in names)
            if not is_mirror and name not in OTHER_SUBJECTS:
                strays.append(name)
    assert not strays, f"test modules without a module: {strays}"

"""A daemon that starts, stops or dies while its store is in trouble."""

import errno
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.smpp.constants import CommandStatus
from tests.faults.store_site import StoreSite
from tests.support.failing_disk import FailingDisk, build_library
from tests.support.processes import STOP_S, PosternProcess, until

pytestmark = pytest.mark.slow

REFUSED = 1
START_S = 30.0


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("failing_disk"))


@pytest.fixture
def disk(tmp_path: Path, library: Path) -> FailingDisk:
    return FailingDisk(tmp_path, library)


@pytest.fixture
def site(disk: FailingDisk, tmp_path: Path) -> StoreSite:
    store = f'[store]\nurl = "sqlite:///{disk.folder}/store.db"\nhandovers = "{disk.folder}/handovers"\n'
    return StoreSite(tmp_path, store)


def refusal_of(site: StoreSite, disk: FailingDisk) -> str:
    """The one line with which a daemon that cannot start ends."""
    with PosternProcess(
        site.directory, "serve", "-c", site.file, environment=disk.environment
    ) as daemon:
        assert daemon.wait(START_S) == REFUSED
        lines = daemon.errors.splitlines()
    assert not any("Traceback" in line for line in lines), lines
    return lines[-1]


FAULTS: dict[str, tuple[Callable[[FailingDisk], None], str]] = {
    "full": (FailingDisk.fill, "the disk is full"),  # also when an existing store is opened
    "read-only": (FailingDisk.make_read_only, "store.db.lock: Read-only file system"),
    "dead": (lambda disk: disk.fail(write=errno.EIO, sync=errno.EIO), "fails: see the kernel"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_start_on_a_failing_disk_says_what_to_do(
    site: StoreSite, disk: FailingDisk, fault: str
) -> None:
    begin, reason = FAULTS[fault]
    begin(disk)
    line = refusal_of(site, disk)
    assert f"{disk.folder}/store.db" in line
    assert reason in line or "disk is full; make room" in line
    disk.heal()
    with site.serve():
        pass  # nothing of the failed start is in the way
    begin(disk)
    assert reason in refusal_of(site, disk)


def test_a_start_on_what_is_no_database(site: StoreSite, disk: FailingDisk) -> None:
    (disk.folder / "store.db").write_bytes(b"Dear diary, " * 1000)
    assert "file is not a database; name another file" in refusal_of(site, disk)


def test_a_start_on_a_damaged_database(site: StoreSite, disk: FailingDisk) -> None:
    with site.serve():
        pass
    store = disk.folder / "store.db"
    with store.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (store.stat().st_size - 8192))
    assert "malformed; stop the daemon and restore the file from a backup" in refusal_of(site, disk)


def test_a_second_daemon_on_the_same_store(site: StoreSite, disk: FailingDisk) -> None:
    second = disk.folder.parent / "second"
    second.mkdir()
    with (
        site.serve(),
        PosternProcess(second, "serve", "-c", site.file) as other,
    ):
        assert other.wait(START_S) == REFUSED
        assert "store.db is in use: another daemon holds" in other.errors


def test_a_start_on_a_server_that_is_away(tmp_path: Path, disk: FailingDisk) -> None:
    site = StoreSite(
        tmp_path, f'[store]\nurl = "postgresql://postern:hunter2@/messages?host={tmp_path}"\n'
    )
    line = refusal_of(site, disk)
    assert f"cannot connect to postgresql://{tmp_path}/messages" in line
    assert "start the server or correct [store] url" in line
    assert "hunter2" not in line


def test_a_stop_in_an_outage_keeps_to_its_deadline_and_loses_nothing(
    site: StoreSite, disk: FailingDisk
) -> None:
    with site.serving(disk.environment) as traffic:
        disk.fill()
        site.until_refusing(traffic)
        asked_at = time.monotonic()
        site.daemon.send_signal(signal.SIGTERM)
        assert site.daemon.wait(STOP_S) == REFUSED
        assert time.monotonic() - asked_at < STOP_S
        assert "stopped, but the store took no more writes" in site.daemon.errors
        disk.heal()
        accepted = Counter(one.text for one in traffic.accepted())
        with site.serve():
            # Those whose outcome was not on disk go out once more.
            until(
                "everything that was accepted",
                lambda: not accepted - Counter(e["text"] for e in site.received("", 0)),
                timeout_s=30.0,
            )
            texts = {entry["text"] for entry in site.received("", 0)}
            refused = {one.text for one in traffic.answers if not one.is_accepted}
            assert not texts & refused


def test_what_was_refused_is_not_brought_back_by_a_crash(
    site: StoreSite, disk: FailingDisk
) -> None:
    """A sync that failed leaves the group in the log; whoever reads that again would believe it."""
    with PosternProcess(
        site.directory, "serve", "-c", site.file, environment=disk.environment
    ) as daemon:
        daemon.until("readiness", site.is_ready)
        disk.fail(sync=errno.EIO)
        with site.esme("acme") as esme:
            assert esme.submit("37129000017", b"refused", sender="ACME")[0] == CommandStatus.RSYSERR
        daemon.kill()
    disk.heal()
    with site.serve():
        store = sqlite3.connect(disk.folder / "store.db")
        assert store.execute("SELECT count(*) FROM message").fetchone() == (0,)
        store.close()
        assert site.balance("token-acme") == 1000.0

"""SQLite misbehaves under a real daemon with real traffic: disk full, read-only, failing, slow, locked.

Whatever happens: nobody waits long for an answer, no connection is lost, what was accepted arrives
once and is charged once, what was refused is neither sent nor charged, and the daemon finds back by
itself and says so.
"""

import errno
import sqlite3
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.smpp.constants import CommandStatus
from tests.faults.store_site import MOST_ENQUIRY_S, SMPP_WINDOW, StoreSite
from tests.faults.store_traffic import Answered, Traffic
from tests.support.failing_disk import FailingDisk, build_library
from tests.support.processes import until

pytestmark = pytest.mark.slow

# Answers while the store is away: at once; and those that came just before wait for one busy timeout.
MOST_REFUSAL_S = 2.0
MOST_RECOVERY_S = 2.5  # the longest pause between two tries, and two commits
SYNC_MS = 500


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("failing_disk"))


@pytest.fixture
def disk(tmp_path: Path, library: Path) -> FailingDisk:
    return FailingDisk(tmp_path, library)


def site_on(
    disk: FailingDisk, directory: Path, more: str = "", smpp_window: int = SMPP_WINDOW
) -> StoreSite:
    store = f'[store]\nurl = "sqlite:///{disk.folder}/store.db"\nhandovers = "{disk.folder}/handovers"\n'
    return StoreSite(directory, store, more, smpp_window=smpp_window)


def check_outage(site: StoreSite, traffic: Traffic, since: float, healed_at: float) -> None:
    """What customers and operator saw of a fault that began at `since` and has ended."""
    seen = [one for one in traffic.since(since) if one.sent_at < healed_at]
    refused = [one for one in seen if not one.is_accepted]
    assert {one.status for one in refused} == {CommandStatus.RSYSERR, 503}
    assert max(one.seconds for one in seen) < MOST_REFUSAL_S
    # `seen` may hold a few accepted before the fault was met; from the first no on, only no.
    first_no = min(one.sent_at + one.seconds for one in refused)
    assert all(one.sent_at < first_no for one in seen if one.is_accepted)
    enquiries = [seconds for sent_at, seconds in traffic.enquiries if sent_at >= since]
    assert max(enquiries) < MOST_ENQUIRY_S
    recovered_s = (
        min(one.sent_at for one in traffic.since(healed_at) if one.is_accepted) - healed_at
    )
    assert recovered_s < MOST_RECOVERY_S
    [unavailable] = site.logged("store.unavailable")
    [recovered] = site.logged("store.recovered")
    assert recovered["reason"] == unavailable["reason"]
    assert recovered["refused"] >= len(refused)
    assert 0 < recovered["lasted_s"] < time.monotonic() - since
    assert len(site.logged("store.checkpoint_failed")) <= 1


FAULTS: dict[str, tuple[Callable[[FailingDisk], None], str]] = {
    "full": (FailingDisk.fill, "make room"),
    "read-only": (FailingDisk.make_read_only, "read-only"),
    "sync-fails": (lambda disk: disk.fail(sync=errno.EIO), "kernel's log"),
    "dead": (lambda disk: disk.fail(write=errno.EIO, sync=errno.EIO), "kernel's log"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_disk_refuses_new_work_and_loses_none(
    disk: FailingDisk, tmp_path: Path, fault: str
) -> None:
    begin, advice = FAULTS[fault]
    site = site_on(disk, tmp_path)
    with site.serving(disk.environment) as traffic:
        since = time.monotonic()
        begin(disk)
        site.until_refusing(traffic, 200)
        status, reason = site.readiness()
        assert status == 503
        assert reason.startswith(f"cannot be written: {disk.folder}/store.db cannot be used now: ")
        assert advice in reason
        assert site.metric("postern_store_available") == 0
        assert disk.failures > 1
        disk.heal()
        healed_at = time.monotonic()
        site.until_ready()
        site.until_accepting(traffic)
        assert site.metric("postern_store_available") == 1
        check_outage(site, traffic, since, healed_at)
        site.finish(traffic)


def test_a_disk_that_fills_up_while_nobody_sends_is_noticed_and_found_back(
    disk: FailingDisk, tmp_path: Path
) -> None:
    """Nothing is left to be written then: only a real write tells whether the disk takes one."""
    site = site_on(disk, tmp_path)
    with site.serving(disk.environment) as traffic:
        site.finish(traffic)
        disk.fill()
        until("the outage", lambda: site.readiness()[0] == 503)
        tries = disk.failures + 3
        until("three tries", lambda: disk.failures >= tries, timeout_s=20.0)
        assert site.logged("store.recovered") == []
        disk.heal()
        site.until_ready()
        assert len(site.logged("store.unavailable")) == len(site.logged("store.recovered")) == 1


def test_a_slow_disk_is_slow_and_nothing_else(disk: FailingDisk, tmp_path: Path) -> None:
    site = site_on(disk, tmp_path)
    with site.serving(disk.environment) as traffic:
        disk.slow(SYNC_MS)
        syncs = disk.syncs
        since = site.until_accepting(traffic, 200)
        assert disk.syncs > syncs
        answers = traffic.since(since)
        assert all(one.is_accepted for one in answers)
        seconds = sorted(one.seconds for one in answers)
        # Its own flush, and at most the one under way when it came, a checkpoint's beside them.
        assert statistics.median(seconds) < 2.5 * SYNC_MS / 1000
        assert seconds[len(seconds) * 99 // 100] < 4 * SYNC_MS / 1000
        assert max(seconds for at, seconds in traffic.enquiries if at >= since) < MOST_ENQUIRY_S
        assert site.readiness() == (200, "ok")
        disk.heal()
        site.finish(traffic)
        assert site.logged("store.unavailable") == []


def test_a_full_commit_queue_is_busy(disk: FailingDisk, tmp_path: Path) -> None:
    site = site_on(disk, tmp_path, "[queue]\nmax_uncommitted = 100\n", smpp_window=400)
    with site.serving(disk.environment, window=400) as traffic:
        disk.slow(2 * SYNC_MS)
        since = time.monotonic()

        def refused() -> list[Answered]:
            return [one for one in traffic.since(since) if not one.is_accepted]

        until("a full queue", lambda: len(refused()) > 50, timeout_s=20.0)
        assert {one.status for one in refused()} <= {CommandStatus.RMSGQFUL, 503}
        assert max(one.seconds for one in refused()) < MOST_REFUSAL_S
        disk.heal()
        site.until_accepting(traffic)
        site.finish(traffic)
        assert site.logged("store.unavailable") == []


def test_another_program_that_holds_the_file(tmp_path: Path) -> None:
    site = StoreSite(tmp_path, f'[store]\nurl = "sqlite:///{tmp_path}/store.db"\n')
    with site.serving() as traffic:
        other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
        since = time.monotonic()
        other.execute("BEGIN EXCLUSIVE")
        site.until_refusing(traffic, 200)
        status, reason = site.readiness()
        assert (status, "another program holds it" in reason) == (503, True)
        other.execute("ROLLBACK")
        healed_at = time.monotonic()
        other.close()
        site.until_accepting(traffic)
        check_outage(site, traffic, since, healed_at)
        site.finish(traffic)


def test_a_database_that_is_removed_is_saved(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    configuration = f'[store]\nurl = "sqlite:///{store}/store.db"\n'
    site = StoreSite(tmp_path, configuration)
    with site.serving() as traffic:
        (store / "store.db").unlink()
        site.until_refusing(traffic)
        status, reason = site.readiness()
        assert status == 503
        [gone] = site.logged("store.file_gone")
        assert f"stop the daemon and move {gone['copy']}" in reason
        traffic.stop_submitting()
        until("every answer", lambda: not traffic.unanswered())
        accepted = {one.text for one in traffic.accepted()}
        assert traffic.errors == []
    # As the operator is told.
    for left in store.glob("store.db*"):
        if str(left) != gone["copy"]:
            left.unlink()
    Path(gone["copy"]).rename(store / "store.db")
    with site.serve():
        stored = sqlite3.connect(store / "store.db")
        assert {text for (text,) in stored.execute("SELECT text FROM message")} == accepted
        stored.close()

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.domain.errors import ConfigurationError
from gateway.runtime import handover_log
from gateway.runtime.handover_log import HandoverLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "postern.handovers"


def left_in(path: Path) -> list[int]:
    run = HandoverLog(path)
    left = list(run.left)
    run.close(is_settled=False)
    return left


def test_what_was_noted_is_known_after_a_run_that_did_not_stop(path: Path) -> None:
    first = HandoverLog(path)
    for key in (30, 10, 20):
        first.note(key)
    assert not first.was_handed_over(10), "only the run before counts"
    first.close(is_settled=False)

    second = HandoverLog(path)
    assert list(second.left) == [10, 20, 30]
    assert second.was_handed_over(20)
    assert not second.was_handed_over(20), "told once"
    assert not second.was_handed_over(15)
    assert not second.was_handed_over(31)
    second.close(is_settled=True)


def test_a_clean_stop_leaves_nothing(path: Path) -> None:
    first = HandoverLog(path)
    first.note(7)
    first.close(is_settled=True)

    assert left_in(path) == []


def test_two_crashes_in_a_row_keep_what_both_runs_noted(path: Path) -> None:
    for key in (1, 2, 3):
        run = HandoverLog(path)
        run.note(key)
        run.close(is_settled=False)

    assert left_in(path) == [1, 2, 3]


def test_the_oldest_are_overwritten(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover_log, "SLOTS", 4)
    monkeypatch.setattr(handover_log, "_OCTETS", 6 * 8)
    first = HandoverLog(path)
    for key in range(1, 7):
        first.note(key)
    first.close(is_settled=False)

    assert left_in(path) == [3, 4, 5, 6]


def test_it_survives_a_kill(path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from gateway.runtime.handover_log import HandoverLog\n"
        "HandoverLog(Path(sys.argv[1])).note(4711)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False)

    assert ended.returncode == -signal.SIGKILL
    assert left_in(path) == [4711]


def test_it_belongs_to_one_daemon(path: Path) -> None:
    holder = HandoverLog(path)
    with pytest.raises(ConfigurationError, match="held by another daemon"):
        HandoverLog(path)
    holder.close(is_settled=True)
    assert left_in(path) == []
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_a_strange_file_is_left_alone(path: Path) -> None:
    path.write_bytes(b"something else" * 200_000)
    before = path.read_bytes()

    with pytest.raises(ConfigurationError, match="is no handover log"):
        HandoverLog(path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        HandoverLog(tmp_path / "nowhere" / "postern.handovers")

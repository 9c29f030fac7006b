"""Lines reach the file in batches; a broken file costs lines and nothing else."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.runtime import message_log
from gateway.runtime.message_log import FLUSH_S, MessageLog
from tests.support.clock import FakeClock


class Thread:
    """Runs at once; counts."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, function: Callable[[], None]) -> None:
        self.calls += 1
        function()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def thread() -> Thread:
    return Thread()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "messages.jsonl"


@pytest.fixture
def log(path: Path, clock: FakeClock, thread: Thread) -> MessageLog:
    return MessageLog(path, clock, thread)


def test_lines_are_written_together(
    log: MessageLog, path: Path, clock: FakeClock, thread: Thread
) -> None:
    log.append('{"n":1}')
    log.append('{"text":"é"}')
    assert path.read_text() == ""
    clock.advance(FLUSH_S)
    assert path.read_text(encoding="utf-8") == '{"n":1}\n{"text":"é"}\n'
    assert thread.calls == 1
    log.append("3")
    clock.advance(FLUSH_S)
    assert path.read_text(encoding="utf-8").endswith("\n3\n")
    clock.advance(10)
    assert thread.calls == 2
    log.close()


def test_what_stood_in_the_file_stays(path: Path, clock: FakeClock, thread: Thread) -> None:
    path.write_text("old\n")
    log = MessageLog(path, clock, thread)
    log.append("new")
    log.close()
    assert path.read_text() == "old\nnew\n"


def test_a_new_file_is_not_for_everybody(log: MessageLog, path: Path) -> None:
    log.close()
    assert path.stat().st_mode & 0o007 == 0


def test_closing_writes_what_is_left_and_the_timer_is_gone(
    log: MessageLog, path: Path, clock: FakeClock, thread: Thread
) -> None:
    log.append("last")
    log.close()
    clock.advance(1)
    assert path.read_text() == "last\n"
    assert thread.calls == 0


def test_a_rotated_file_is_followed(log: MessageLog, path: Path, clock: FakeClock) -> None:
    log.append("before")
    clock.advance(FLUSH_S)
    moved = path.rename(path.with_suffix(".1"))
    log.append("between")
    clock.advance(FLUSH_S)
    log.reopen()
    log.append("after")
    log.close()
    assert moved.read_text() == "before\nbetween\n"
    assert path.read_text() == "after\n"


def test_lines_are_bounded_and_the_lost_counted(
    log: MessageLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_log, "MOST_LINES", 2)
    for n in range(5):
        log.append(str(n))
    assert log.lost == 3
    log.close()
    assert path.read_text() == "0\n1\n"


def test_a_write_that_takes_only_half_goes_on(
    log: MessageLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, octets: write(file, bytes(octets[:3])))
    log.append("a long line")
    log.close()
    assert path.read_text() == "a long line\n"


def test_a_full_disk_is_reported_once_and_costs_lines(
    log: MessageLog,
    path: Path,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_file: int, _octets: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        for _ in range(3):
            log.append("lost")
            log.append("lost")
            clock.advance(FLUSH_S)
    assert log.lost == 6
    assert [r.getMessage() for r in caplog.records] == ["message_log.failed"]
    log.append("kept")
    clock.advance(FLUSH_S)
    assert path.read_text() == "kept\n"
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        log.append("lost")
        clock.advance(FLUSH_S)
    assert len(caplog.records) == 2  # it had worked in between
    log.close()


def test_a_path_that_cannot_be_opened_is_an_error_at_once(
    tmp_path: Path, clock: FakeClock, thread: Thread
) -> None:
    with pytest.raises(OSError, match="none"):
        MessageLog(tmp_path / "none" / "messages.jsonl", clock, thread)

import argparse
import fcntl
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.domain.errors import StoreUnavailable
from postern import demo, demo_daemon
from postern.demo_config import FREE_PORTS, DemoPorts


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    return parser.parse_args(words)


class RunCalls:
    """In place of `run_demo`: keeps what it was given, raises what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Path, Path | None, DemoPorts, str]] = []
        self.error: BaseException | None = None

    def __call__(
        self, directory: Path, facts_file: Path | None, ports: DemoPorts, control: str
    ) -> None:
        self.calls.append((directory, facts_file, ports, control))
        if self.error is not None:
            raise self.error


@pytest.fixture
def run_calls(monkeypatch: pytest.MonkeyPatch) -> RunCalls:
    calls = RunCalls()
    monkeypatch.setattr(demo_daemon, "run_demo", calls)
    return calls


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_the_defaults_are_the_documented_ones() -> None:
    args = parse()
    assert (args.data_dir, args.facts, args.ports) == (Path("postern-demo"), None, "fixed")


def test_it_runs_in_a_directory_of_its_own(tmp_path: Path, run_calls: RunCalls) -> None:
    data, facts = tmp_path / "new" / "data", tmp_path / "also new" / "facts.json"
    args = parse("--data-dir", str(data), "--facts", str(facts), "--ports", "auto")
    assert demo.run(args) == 0
    assert run_calls.calls == [(data, facts, FREE_PORTS, "postern.sock")]
    assert data.stat().st_mode & 0o077 == 0
    assert facts.parent.is_dir()


def test_fixed_ports_that_are_free_are_taken(
    tmp_path: Path, run_calls: RunCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = DemoPorts(0, 0, 0)  # a probe of port 0 always finds one
    monkeypatch.setattr(demo, "FIXED_PORTS", free)
    assert demo.run(parse("--data-dir", str(tmp_path))) == 0
    assert run_calls.calls[0][2] == free


def test_taken_ports_are_named_and_nothing_starts(
    tmp_path: Path,
    run_calls: RunCalls,
    monkeypatch: pytest.MonkeyPatch,
    taken_port: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo, "FIXED_PORTS", DemoPorts(http=taken_port, smpp=0, admin=taken_port))
    stale = tmp_path / "facts.json"
    stale.write_text("{}")
    assert demo.run(parse("--data-dir", str(tmp_path), "--facts", str(stale))) == 1
    assert run_calls.calls == []
    assert not stale.exists()
    assert capsys.readouterr().err == (
        f"postern: 127.0.0.1: port {taken_port} (http), {taken_port} (admin) is taken; free it, or"
        " take free ports with `postern demo --ports auto`\n"
    )


def test_a_second_demo_touches_nothing(
    tmp_path: Path, run_calls: RunCalls, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = tmp_path / "facts.json"
    facts.write_text("of the first")
    with (tmp_path / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        args = parse("--data-dir", str(tmp_path), "--facts", str(facts), "--ports", "auto")
        assert demo.run(args) == 1
    assert "a demo already runs in" in capsys.readouterr().err
    assert facts.read_text() == "of the first"
    assert run_calls.calls == []


def test_a_deep_directory_gets_its_socket_elsewhere(tmp_path: Path, run_calls: RunCalls) -> None:
    deep = tmp_path / ("d" * 100)
    assert demo.run(parse("--data-dir", str(deep), "--ports", "auto")) == 0
    control = Path(run_calls.calls[0][3])
    assert control.is_absolute()
    assert len(bytes(control)) <= 107
    assert not control.parent.exists()  # removed with the demo


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (StoreUnavailable("postern.db is in use"), 1, "postern: postern.db is in use\n"),
        (RuntimeError("a service died; see the log"), 1, "a service died; see the log: {}"),
        (KeyboardInterrupt(), 128 + signal.SIGINT, ""),
    ],
)
def test_it_says_in_one_line_why_it_ended(
    tmp_path: Path,
    run_calls: RunCalls,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    text: str,
) -> None:
    run_calls.error = error
    assert demo.run(parse("--data-dir", str(tmp_path), "--ports", "auto")) == code
    errors = capsys.readouterr().err
    assert text.format(tmp_path / "postern.log") in errors
    assert len(errors.splitlines()) == bool(text)


def test_a_directory_that_cannot_be_made_is_named(
    tmp_path: Path, run_calls: RunCalls, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert demo.run(parse("--data-dir", str(tmp_path / "file" / "data"))) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err

"""`postern` as real processes: started, waited for, stopped, killed."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.support.rest_client import RestClient, get_json

START_S = 30.0
STOP_S = 8.0  # what a Ctrl-C may take
POLL_S = 0.02

T = TypeVar("T")


def until(what: str, found: Callable[[], T], timeout_s: float = 10.0, poll_s: float = POLL_S) -> T:
    """The first true value of `found`; fails with `what` when there is none in time."""
    end = time.monotonic() + timeout_s
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout_s:g} s: {what}"
        time.sleep(poll_s)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


class PosternProcess:
    """One `postern` command; its output is kept in files of `directory`."""

    def __init__(
        self,
        directory: Path,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self._output = directory / f"{arguments[0]}.out"
        self._errors = directory / f"{arguments[0]}.err"
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "postern", *map(str, arguments)],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=environment,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8")

    @property
    def errors(self) -> str:
        return self._errors.read_text(encoding="utf-8")

    def until(self, what: str, found: Callable[[], T], timeout_s: float = START_S) -> T:
        """Like `until`, and fails at once with the errors of a process that ended."""

        def found_or_dead() -> T:
            value = found()
            assert value or self._process.poll() is None, f"{what}: {self.output}{self.errors}"
            return value

        return until(what, found_or_dead, timeout_s)

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, timeout_s: float = STOP_S) -> int:
        """The exit code; fails when the process does not end in time."""
        return self._process.wait(timeout_s)

    def stop(self, number: int = signal.SIGINT) -> int:
        self.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class DemoProcess(PosternProcess):
    """`postern demo` on free ports, ready when constructed."""

    facts: dict[str, Any]

    def __init__(self, directory: Path, *arguments: str | Path) -> None:
        self.facts_file = directory / "facts.json"
        super().__init__(
            directory, "demo", "--ports", "auto", "--data-dir", directory / "data",
            "--facts", self.facts_file, *arguments,
        )  # fmt: skip
        try:
            self.facts = self.until("the facts of the demo", self._own_facts)
        except BaseException:
            self.kill()
            raise

    def _own_facts(self) -> dict[str, Any] | None:
        if not self.facts_file.exists():
            return None
        facts: dict[str, Any] = json.loads(self.facts_file.read_text(encoding="utf-8"))
        return facts if facts["pid"] == self.pid else None

    def rest(self) -> RestClient:
        exosend = self.facts["exosend"]
        return RestClient(exosend["base_url"], exosend["token"])

    def smpp(self) -> tuple[str, int, str, str]:
        """Host, port, system_id, password."""
        smpp = self.facts["smpp"]
        return smpp["host"], smpp["port"], smpp["system_id"], smpp["password"]

    def inbox(self, recipient: str = "") -> list[dict[str, Any]]:
        """What the simulated phones received: all of it, or that of one."""
        return inbox(self.facts["carrier"]["inbox_url"], recipient)

    def received(self, recipient: str, count: int = 1) -> list[dict[str, Any]]:
        """Waits for `count` messages to `recipient`."""
        return until(
            f"{count} messages at {recipient}",
            lambda: found if len(found := self.inbox(recipient)) >= count else [],
        )

    def fates(self) -> dict[str, dict[str, Any]]:
        """The message log by message id."""
        return message_log(self.directory / "data" / "messages.log")


def inbox(url: str, recipient: str = "") -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = get_json(f"{url}?after=0")
    return [entry for entry in entries if recipient in ("", entry["to"])]


def message_log(file: Path) -> dict[str, dict[str, Any]]:
    if not file.exists():
        return {}
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {line["message_id"]: line for line in lines}

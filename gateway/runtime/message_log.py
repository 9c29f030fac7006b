"""The message log: one JSON line per fate, written in batches, never from the hot path.

The store is the truth; this file is for those who ship logs.  A crash may lose the last quarter of
a second of it.  A full or broken disk is reported once and costs log lines, never messages.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from gateway.ports import Clock, Timer

log = logging.getLogger("postern.message_log")

FLUSH_S = 0.25
MOST_LINES = 100_000


class MessageLog:
    """Appends lines to one file.  `reopen()` follows a rotation (SIGHUP)."""

    def __init__(
        self, path: Path, clock: Clock, in_thread: Callable[[Callable[[], None]], object]
    ) -> None:
        self._path = path
        self._clock = clock
        self._in_thread = in_thread
        self._lines: list[str] = []
        self._timer: Timer | None = None
        self._file = _open(path)
        self._failed = False
        self.lost = 0

    def append(self, line: str) -> None:
        """Adds one line; it reaches the file within `FLUSH_S`."""
        if len(self._lines) >= MOST_LINES:
            self.lost += 1
            return
        self._lines.append(line)
        if self._timer is None:
            self._timer = self._clock.call_later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            self._in_thread(lambda: self._write(lines))

    def _write(self, lines: list[str]) -> None:
        data = memoryview(("\n".join(lines) + "\n").encode())
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError:
            self.lost += len(lines)
            if not self._failed:
                log.exception(
                    "message_log.failed",
                    extra={"fields": {"path": str(self._path)}},
                )
            self._failed = True
        else:
            self._failed = False

    def reopen(self) -> None:
        """Opens the path again, after somebody moved the file away."""
        fresh = _open(self._path)
        # The number stays: a thread may be about to write to it.
        os.dup2(fresh, self._file, inheritable=False)
        os.close(fresh)

    def close(self) -> None:
        """Writes what is left and closes the file."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            lines, self._lines = self._lines, []
            self._write(lines)
        os.close(self._file)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)

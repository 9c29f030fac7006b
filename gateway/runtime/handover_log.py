"""Which messages were handed to a wire last: a small file in memory that outlives the process.

The outcome of a handed-over message reaches the store some milliseconds later.  When the process is
killed between the two, the store cannot tell such a message from one that never left; this ring of
the last `SLOTS` keys can.  It is mapped memory and never synced: it costs a store to memory per
message and survives `kill -9`.  After a power cut it may be behind, and then tells less.
"""

import fcntl
import mmap
import os
from array import array
from bisect import bisect_left
from pathlib import Path
from typing import BinaryIO

from gateway.domain.errors import ConfigurationError

SLOTS = 1 << 18  # more than the messages that memory holds with a provider and without an outcome
_MAGIC = 0x504F5354484F3031  # "POSTHO01"
_OCTETS = (SLOTS + 2) * 8  # the magic, the next slot, the slots


class HandoverLog:
    """One daemon's ring.  Opening it reads what the last run left, and goes on behind that.

    Raises:
        ConfigurationError: the file cannot be made, is another's, or another daemon holds it.
    """

    __slots__ = ("_at", "_file", "_map", "_ring", "_told", "left")

    def __init__(self, path: Path) -> None:
        self._file = _locked(path)
        self._map = mmap.mmap(self._file.fileno(), _OCTETS)
        self._ring = memoryview(self._map).cast("Q")
        if self._ring[0] not in (0, _MAGIC):
            self._release()
            raise ConfigurationError(f"{path} is no handover log: name another file")
        self._ring[0] = _MAGIC
        self._at = 2 + self._ring[1] % SLOTS
        # Keys of the last run, ascending: empty after a clean stop.
        self.left = array("Q", sorted(key for key in self._ring[2:] if key))
        self._told: set[int] = set()

    def note(self, key: int) -> None:
        """A message is being given to a wire."""
        at = self._at
        ring = self._ring
        ring[at] = key
        at += 1
        if at == SLOTS + 2:
            at = 2
        self._at = at
        ring[1] = at - 2

    def was_handed_over(self, key: int) -> bool:
        """Whether the last run, which ended without a stop, gave this message to a wire.

        True once per key: a row may be read back several times.
        """
        left = self.left
        at = bisect_left(left, key)
        if at == len(left) or left[at] != key or key in self._told:
            return False
        self._told.add(key)
        return True

    def close(self, *, is_settled: bool) -> None:
        """Ends it; `is_settled`: every outcome is in the store, so nothing need be remembered."""
        if is_settled:
            self._ring[2:] = memoryview(bytes(SLOTS * 8)).cast("Q")
        self._release()

    def _release(self) -> None:
        self._ring.release()
        self._map.close()
        self._file.close()


def _locked(path: Path) -> BinaryIO:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise ConfigurationError(f"{path} is held by another daemon") from None
        # Written, not only stretched: a full disk must show now and not as SIGBUS later.
        size = os.fstat(descriptor).st_size
        if size < _OCTETS:
            os.posix_fallocate(descriptor, 0, _OCTETS)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}: name a writable file") from None
    return file

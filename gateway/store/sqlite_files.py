"""The files of a SQLite store as the file system sees them: locked, and still those we opened."""

import errno
import fcntl
import os
from pathlib import Path

from gateway.domain.errors import StoreUnavailable

_Identity = tuple[int, int]  # device and inode


class StoreFiles:
    """The database and its write-ahead log, remembered by what they are and not by their names.

    Whoever removes or replaces them leaves us writing to files without a name, which end with the
    process.  SQLite does not notice that while it keeps a write-ahead log.
    """

    def __init__(self, path: Path) -> None:
        self._paths = (path, Path(f"{path}-wal"))
        self._known = [_identity(path) for path in self._paths]

    def missing(self) -> Path | None:
        """The file that is gone or is another one now, or None."""
        for path, known in zip(self._paths, self._known, strict=True):
            if _identity(path) != known:
                return path
        return None


def lock_out_others(path: Path) -> int:
    """Locks `<path>.lock` for as long as the returned descriptor is open (kill -9 frees it).

    Raises:
        StoreUnavailable: another daemon holds it, or it cannot be made.
    """
    lock_path = Path(f"{path}.lock")
    try:
        fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"cannot open {lock_path}: {error.strerror}; "
            "its folder must exist and be writable for the daemon's user"
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise StoreUnavailable(
                f"{path} is in use: another daemon holds {lock_path}; stop it first"
            ) from error
        raise StoreUnavailable(f"cannot lock {lock_path}: {error.strerror}") from error
    return fd


def _identity(path: Path) -> _Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino

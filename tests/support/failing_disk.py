"""A folder on a disk that fails when a test says so: a library preloaded into the daemon."""

import errno
import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "faults" / "failing_disk.c"
# `struct control` of the source: four errors and delays that we set, two counts that it keeps.
_CONTROL = struct.Struct("=iiiiqq")


class FailingDisk:
    """What `failing_disk.c` needs around it; healthy until `fail` or `slow` is called."""

    def __init__(self, directory: Path, library: Path) -> None:
        self.folder = directory / "disk"
        self.folder.mkdir()
        control = directory / "failing_disk.control"
        control.write_bytes(bytes(_CONTROL.size))
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _CONTROL.size)
        self.environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "FAILING_DISK_FOLDER": str(self.folder),
            "FAILING_DISK_CONTROL": str(control),
        }

    def fail(self, *, write: int = 0, sync: int = 0, opening: int = 0) -> None:
        """From now on these kinds of calls fail with these numbers of `errno`; 0 = they work."""
        self._set(write, sync, opening, 0)

    def fill(self) -> None:
        """No space is left."""
        self.fail(write=errno.ENOSPC)

    def make_read_only(self) -> None:
        """As the kernel does with a file system in trouble."""
        self.fail(write=errno.EROFS, sync=errno.EROFS, opening=errno.EROFS)

    def slow(self, sync_delay_ms: int) -> None:
        """Each sync takes so long."""
        self._set(0, 0, 0, sync_delay_ms)

    def heal(self) -> None:
        """Everything works again."""
        self._set(0, 0, 0, 0)

    @property
    def failures(self) -> int:
        """Calls that were made to fail."""
        return int(_CONTROL.unpack(self._map[:])[4])

    @property
    def syncs(self) -> int:
        """Calls of fsync and fdatasync."""
        return int(_CONTROL.unpack(self._map[:])[5])

    def _set(self, *values: int) -> None:
        # The counts behind them belong to the library.
        self._map[: 4 * 4] = struct.pack("=iiii", *values)


def build_library(directory: Path) -> Path:
    """Compiles the library; a machine without a compiler fails the test, it does not skip it."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.fail("no C compiler for failing_disk.c: install the packages gcc and libc6-dev")
    library = directory / "failing_disk.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-o", library, SOURCE, "-ldl"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.fail(f"failing_disk.c does not compile (libc6-dev is needed):\n{built.stderr}")
    return library

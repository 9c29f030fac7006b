"""Freed memory goes back to the system: seen from outside, in a process of its own."""

import subprocess
import sys

import pytest

from gateway.runtime import memory

# Frees a block of 16 MiB, which makes glibc keep later blocks of that size; then holes of 4 MiB.
_HOLES = """
import sys
from gateway.runtime.memory import return_what_is_freed
if sys.argv[1] == "steady":
    assert return_what_is_freed()

def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) * 4 // 1024

before = resident_mib()
bytearray(16 << 20)
blocks = [bytearray(4 << 20) for _ in range(50)]
pins = []
for n in range(50):
    blocks[n] = None
    pins.append(bytearray(1000))
    blocks[n] = bytearray(4 << 20)
blocks[::2] = [None] * 25
print(resident_mib() - before)
"""


def grown_mib(how: str) -> int:
    command = [sys.executable, "-c", _HOLES, how]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt(3) is glibc's")
def test_holes_between_blocks_go_back_to_the_system() -> None:
    assert grown_mib("steady") < 110  # 25 blocks of 4 MiB are still there
    assert memory.return_what_is_freed()


def test_elsewhere_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_mallopt(_: None) -> object:
        return object()

    monkeypatch.setattr(memory.ctypes, "CDLL", without_mallopt)
    assert not memory.return_what_is_freed()

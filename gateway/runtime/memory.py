"""What the C library does with memory that was freed."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
MMAP_OCTETS = 256 * 1024
TRIM_OCTETS = 2 * 1024 * 1024


def return_what_is_freed() -> bool:
    """Large blocks go back to the system when they are freed; False where there is no mallopt(3).

    By itself glibc raises the size from which on it does so to that of the largest block freed, up
    to 32 MiB.  Tables of hundreds of thousands of ids, which grow and go every few minutes, would
    then leave holes between small blocks, and the process would never get smaller.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, MMAP_OCTETS) and mallopt(_M_TRIM_THRESHOLD, TRIM_OCTETS))

"""When to try again: a table of waits, or exponential backoff with jitter."""

from collections.abc import Sequence


def retry_delay_s(waits_s: Sequence[int], attempts: int, draw: float) -> float | None:
    """Wait before the next attempt after `attempts` failed ones, or None: give up.

    `draw` in [0, 1) spreads the wait by up to 20 %, so that a burst does not return as one.
    """
    if attempts > len(waits_s):
        return None
    return waits_s[attempts - 1] * (1 + 0.2 * draw)


def reconnect_delay_s(
    failures: int, draw: float, *, first_s: float = 0.2, most_s: float = 30.0
) -> float:
    """Wait before connecting again after `failures` (1 or more) failures in a row.

    Doubles from `first_s` to `most_s`; `draw` in [0, 1) takes away up to half (SMPP trap 16, 22).
    """
    delay = min(most_s, first_s * 2.0 ** min(failures - 1, 20))
    return delay * (1 - 0.5 * draw)

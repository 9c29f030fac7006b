"""Circuit breaker: takes a provider out that fails everything, and tries it again with one message.

Closed: everything flows.  After `limit` failures in a row it opens: nothing is handed over for a
pause, which doubles while the provider stays bad.  Then it is half-open: one message may go, and
its outcome decides.  The owner keeps the timer; this class keeps the rule.
"""

from enum import Enum, auto

FIRST_PAUSE_S, MOST_PAUSE_S = 5.0, 60.0


class Circuit(Enum):
    """Closed lets traffic pass, open does not, half-open lets one message pass."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()


# Bound once: reaching a member through its class costs eight times a global.
_CLOSED, _OPEN, _HALF_OPEN = Circuit.CLOSED, Circuit.OPEN, Circuit.HALF_OPEN


class Breaker:
    """The circuit of one provider; `limit` 0 = never opens.

    `reason` and `failures` tell why it is open; `pause_s` is the wait before the next try.
    """

    __slots__ = ("circuit", "failures", "is_probing", "limit", "pause_s", "reason")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.circuit = _CLOSED
        self.failures = 0  # in a row
        self.reason = ""
        self.pause_s = 0.0
        self.is_probing = False  # half-open, and its one message is out

    @property
    def may_send(self) -> bool:
        """Whether a message may be chosen for this provider now."""
        return self.circuit is _CLOSED or (self.circuit is _HALF_OPEN and not self.is_probing)

    def failed(self, reason: str) -> bool:
        """No answer in time, or "not now"; True when this failure opened the circuit."""
        self.failures += 1
        self.reason = reason
        if self.circuit is _CLOSED:
            if not self.limit or self.failures < self.limit:
                return False
            self.pause_s = FIRST_PAUSE_S
        elif self.circuit is _HALF_OPEN:
            self.pause_s = min(MOST_PAUSE_S, self.pause_s * 2)
        else:
            return False  # an answer to what left before it opened
        self.circuit = _OPEN
        self.is_probing = False
        return True

    def answered(self) -> bool:
        """The provider works, whatever it said of the message; True when this closed the circuit.

        An open circuit waits for its probe: what left before it opened proves nothing.
        """
        if self.circuit is _OPEN:
            return False
        was_half_open = self.circuit is _HALF_OPEN
        self.circuit = _CLOSED
        self.failures = 0
        self.reason = ""
        self.is_probing = False
        return was_half_open

    def pause_over(self) -> None:
        """The next message is the probe."""
        if self.circuit is _OPEN:
            self.circuit = _HALF_OPEN

    def probing(self) -> None:
        """A message was handed over while half-open."""
        self.is_probing = self.circuit is _HALF_OPEN

    def inconclusive(self) -> None:
        """The probe's link was lost: the next message is the probe."""
        self.is_probing = False

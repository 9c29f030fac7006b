"""What the doors' clients of `postern send` share: the message, its fate, and how it is told."""

from collections.abc import Callable
from dataclasses import dataclass, field

Say = Callable[[str], None]  # shows one line of progress
Now = Callable[[], float]  # seconds of a clock that never goes back


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to be sent.  `wait_s` 0 does not wait for the receipt."""

    sender: str
    to: str
    text: str
    wait_s: float


@dataclass(slots=True, kw_only=True)
class Sending:
    """What became of it.  `receipt` is None while none has come."""

    door: str
    message_id: str
    receipt: str | None = None
    is_delivered: bool = False
    details: dict[str, object] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "door": self.door,
            "message_id": self.message_id,
            "receipt": self.receipt,
            "delivered": self.is_delivered,
            **self.details,
        }

"""What a simulated carrier counted; shown when it stops."""

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Counts of one carrier since its start; `unanswered` are silences and dropped connections."""

    submits: int = 0
    accepted: int = 0
    throttled: int = 0
    rejected: int = 0
    unanswered: int = 0
    receipts_sent: int = 0
    receipts_taken: int = 0

    def line(self) -> str:
        """One line for people."""
        return (
            f"{self.submits} submits: {self.accepted} accepted, {self.throttled} throttled, "
            f"{self.rejected} rejected, {self.unanswered} unanswered; "
            f"{self.receipts_sent} receipts sent, {self.receipts_taken} taken"
        )

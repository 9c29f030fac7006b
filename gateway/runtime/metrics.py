"""Counters of the hot path: plain integers that a scrape reads; no library call per message."""

from collections import defaultdict


class Counters:
    """Monotonic counts.  Keys are small tuples with bounded values, so labels stay bounded."""

    __slots__ = (
        "accepted", "charged_micros", "circuits_opened", "commits", "commits_failed", "fates",
        "notifications", "outcomes", "parts_sent", "receipts", "refunded_micros", "refused",
        "resent_after_restart", "rows_committed",
    )  # fmt: skip

    def __init__(self) -> None:
        self.accepted: defaultdict[tuple[str, str], int] = defaultdict(int)  # door, account
        self.refused: defaultdict[tuple[str, str], int] = defaultdict(int)  # door, code
        self.fates: defaultdict[tuple[str, str], int] = defaultdict(int)  # provider, state word
        self.outcomes: defaultdict[tuple[str, str], int] = defaultdict(int)  # provider, outcome
        self.receipts: defaultdict[tuple[str, str], int] = defaultdict(int)  # provider, kind
        self.notifications: defaultdict[tuple[str, str], int] = defaultdict(int)  # door, result
        self.circuits_opened: defaultdict[str, int] = defaultdict(int)  # provider
        self.parts_sent: defaultdict[str, int] = defaultdict(int)  # provider
        self.charged_micros: defaultdict[str, int] = defaultdict(int)  # currency
        self.refunded_micros: defaultdict[str, int] = defaultdict(int)  # currency
        self.commits = 0
        self.commits_failed = 0
        self.rows_committed = 0
        self.resent_after_restart = 0  # messages that a crash may have sent twice

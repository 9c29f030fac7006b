"""The customers' book: what became of each message, as its customer and the carriers saw it.

One slot in each array per message number, so that a million messages cost some 30 MB.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from time import monotonic

from benchmarks.soak import numbers
from benchmarks.soak.histogram import Histogram

# The end of messages whose way ended at the gateway: they need not have reached a carrier.
_ENDED_HERE = frozenset(
    {"REJECTD", "EXPIRED", "UNDELIV", "DELETED", "rejected", "expired", "failed"}
)
_UNKNOWN = frozenset({"UNKNOWN", "unknown"})


LOST, UNTOLD, REFUSED_YET_SENT = "at no carrier", "not told", "refused, yet sent"
MOST_EXAMPLES = 10


class Answer(IntEnum):
    """What the customer was told about its submit."""

    NONE = 0  # nothing: the connection broke, or it was never sent
    ACCEPTED = 1
    REFUSED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The book at the end of a run; see docs/soak.md for what each figure means.

    `examples` are the last nine digits of some recipients, by what is wrong with them.
    """

    submitted: int
    accepted: int
    refused: int
    unanswered: int
    refusals_missed: int
    lost: int
    without_notice: int
    repeated_notices: int
    changed_fates: int
    wrong_ids: int
    strangers: int
    sent_though_refused: int
    duplicates: int
    fates: dict[str, int]
    examples: dict[str, list[str]]

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong; repeats and duplicates are no fault by themselves."""
        return not (
            self.lost
            or self.without_notice
            or self.changed_fates
            or self.wrong_ids
            or self.strangers
            or self.sent_though_refused
            or self.refusals_missed
        )


class Book:
    """Filled while the run goes on; `findings` closes it."""

    def __init__(self) -> None:
        self.next_number = 0
        self.accepted = 0
        self.home = 0  # first notices
        self.expected_refusals = 0
        self.refusals_missed = 0
        self.strangers = 0
        self.repeated = 0
        self.changed_fates = 0
        self.wrong_ids = 0
        self.refusals: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self.response = Histogram()
        self.receipt = Histogram()
        self._sent_at = array("d")
        self._ids = array("q")
        self._answers = bytearray()
        self._wants_notice = bytearray()
        self._is_timed = bytearray()
        self._parts = bytearray()
        self._fate_of = bytearray()
        self._words = [""]  # of `_fate_of`

    # -- customers -------------------------------------------------------------------------------

    def open(self, *, parts: int, wants_notice: bool, is_timed: bool) -> int:
        """A new message, sent now; its number.

        `is_timed`: the time until its notice counts; that of magic numbers never does.
        """
        number = self.next_number
        self.next_number = number + 1
        self._sent_at.append(monotonic())
        self._ids.append(0)
        self._answers.append(Answer.NONE)
        self._wants_notice.append(wants_notice)
        self._is_timed.append(is_timed and not numbers.is_magic(number))
        self._parts.append(parts)
        self._fate_of.append(0)
        return number

    def accept(self, number: int, message_id: int = 0, *, is_timed: bool = False) -> None:
        """The gateway took it.

        `message_id`: its notices must carry it, 0 = they carry none.  `is_timed`: the time until
        this answer counts.
        """
        if self._answers[number] == Answer.ACCEPTED:
            self.strangers += 1
            return
        self._answers[number] = Answer.ACCEPTED
        self._ids[number] = message_id
        self.accepted += 1
        if is_timed:
            self.response.add(monotonic() - self._sent_at[number])

    def refuse(self, number: int, reason: str) -> None:
        """The gateway said no."""
        self._answers[number] = Answer.REFUSED
        self.refusals[reason] += 1

    def refused_as_expected(self, is_refused: bool, reason: str) -> None:
        """The answer to a submit that has to be refused."""
        self.expected_refusals += 1
        self.refusals[reason] += 1
        if not is_refused:
            self.refusals_missed += 1

    def notice(self, recipient: str, word: str, message_id: int = 0) -> None:
        """The customer was told the fate of a message."""
        try:
            number = numbers.number_of(recipient)
        except ValueError:
            self.strangers += 1
            return
        if number >= self.next_number or self._answers[number] == Answer.REFUSED:
            self.strangers += 1
            return
        known = self._words[self._fate_of[number]]
        if message_id and self._ids[number] and message_id != self._ids[number]:
            self.wrong_ids += 1
        if not known:
            self.home += self._answers[number] == Answer.ACCEPTED and self._wants_notice[number]
            if self._is_timed[number]:
                self.receipt.add(monotonic() - self._sent_at[number])
        elif known == word:
            self.repeated += 1
            return
        elif known not in _UNKNOWN:
            self.changed_fates += 1
        self._fate_of[number] = self._index(word)

    def _index(self, word: str) -> int:
        if word not in self._words:
            self._words.append(word)
        return self._words.index(word)

    def take_times(self) -> tuple[Histogram, Histogram]:
        """Answers and receipts timed since the last call."""
        taken = self.response, self.receipt
        self.response, self.receipt = Histogram(), Histogram()
        return taken

    @property
    def owed(self) -> int:
        """Accepted messages whose customer waits for a notice."""
        return sum(
            answer == Answer.ACCEPTED and wants and not fate
            for answer, wants, fate in zip(
                self._answers, self._wants_notice, self._fate_of, strict=True
            )
        )

    # -- the end ---------------------------------------------------------------------------------

    def findings(self, arrivals: "Arrivals") -> Findings:
        """Compares what customers were told with what the carriers took."""
        unanswered = refused = 0
        fates: Counter[str] = Counter()
        suspects: dict[str, list[int]] = {LOST: [], UNTOLD: [], REFUSED_YET_SENT: []}
        for number in range(self.next_number):
            answer = self._answers[number]
            word = self._words[self._fate_of[number]]
            if word:
                fates[word] += 1
            if answer == Answer.NONE:
                unanswered += 1
            elif answer == Answer.REFUSED:
                refused += 1
                if arrivals.parts(number):
                    suspects[REFUSED_YET_SENT].append(number)
            else:
                if self._wants_notice[number] and not word:
                    suspects[UNTOLD].append(number)
                whole = (1 << self._parts[number]) - 1
                if not arrivals.is_whole(number, whole) and word not in _ENDED_HERE:
                    suspects[LOST].append(number)
        return Findings(
            submitted=self.next_number + self.expected_refusals,
            accepted=self.accepted,
            refused=refused + self.expected_refusals - self.refusals_missed,
            unanswered=unanswered,
            refusals_missed=self.refusals_missed,
            lost=len(suspects[LOST]),
            without_notice=len(suspects[UNTOLD]),
            repeated_notices=self.repeated,
            changed_fates=self.changed_fates,
            wrong_ids=self.wrong_ids,
            strangers=self.strangers + arrivals.strangers,
            sent_though_refused=len(suspects[REFUSED_YET_SENT]),
            duplicates=arrivals.duplicates,
            fates=dict(sorted(fates.items())),
            examples={
                what: [numbers.digits(number) for number in found[:MOST_EXAMPLES]]
                for what, found in suspects.items()
                if found
            },
        )


class Arrivals:
    """What the carriers took: the parts of each message, and what came again."""

    ALL = 0xFF  # a carrier that takes whole texts

    def __init__(self, count: int) -> None:
        self._parts = bytearray(count)
        self._repeated: dict[int, Counter[int]] = {}  # parts that came again, by message
        self.strangers = 0

    @property
    def duplicates(self) -> int:
        """How often messages were sent again; the parts of one count once together."""
        return sum(max(parts.values()) for parts in self._repeated.values())

    def read(self, records: Iterable[Path]) -> None:
        """Takes in the files that `benchmarks.soak.carrier` wrote."""
        for record in records:
            with record.open() as lines:
                for line in lines:
                    recipient, part = line.split()
                    self.add(recipient, int(part))

    def add(self, recipient: str, part: int) -> None:
        """One part, from 1; 0 is the whole text."""
        try:
            number = numbers.number_of(recipient)
        except ValueError:
            self.strangers += 1
            return
        if number >= len(self._parts):
            self.strangers += 1
            return
        bits = 1 << (part - 1) if part else self.ALL
        if self._parts[number] & bits:
            self._repeated.setdefault(number, Counter())[bits] += 1
        self._parts[number] |= bits

    def parts(self, number: int) -> int:
        """Bits of the parts that came."""
        return self._parts[number]

    def is_whole(self, number: int, whole: int) -> bool:
        """Whether all parts of `whole` came."""
        return self._parts[number] & whole == whole

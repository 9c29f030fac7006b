"""What is measured: load shapes, the rows they make, and the budget of each row.

The budgets are those of docs/performance.md: CPU microseconds per message of the gateway process.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from benchmarks.rest_api import Api

RELAY_FACTOR = 4  # the null relay is quick: more messages for the same precision
QUICK_DIVISOR = 10
QUICK_LEAST = 500


class Door(StrEnum):
    """How the load comes in."""

    SMPP = "smpp"
    REST = "rest"


class Subject(StrEnum):
    """What stands between load and sink: the yardstick, or the gateway on a store."""

    NULL_RELAY = "null relay"
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class Mode(StrEnum):
    """How far a message's way is measured.

    `SENT`: until the carrier has it.  `RECEIPT`: until the customer has its receipt.  `ACCEPT`: the
    carrier is down, until the customer has the answer.
    """

    SENT = "sent"
    RECEIPT = "receipt"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A load: `window` is per connection, `rate_per_s` 0 = saturated, `count` messages."""

    name: str
    door: Door
    connections: int
    window: int = 1
    rate_per_s: int = 0
    per_request: int = 1
    api: Api = Api.EXOSEND  # of a REST shape
    count: int
    on_postgresql: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the report."""

    shape: Shape
    subject: Subject
    mode: Mode

    @property
    def name(self) -> str:
        """For progress lines."""
        return f"{self.shape.name}, {self.subject}, {self.mode}"

    @property
    def count(self) -> int:
        """Messages of the measured run."""
        is_fast = self.subject is Subject.NULL_RELAY and not self.shape.rate_per_s
        return self.shape.count * (RELAY_FACTOR if is_fast else 1)


@dataclass(frozen=True, slots=True)
class Budget:
    """Upper bound of the CPU per message; with `ratio` the kinder of the two counts."""

    cpu_us: float
    ratio: float | None = None


SHAPES = (
    Shape(name="1x1", door=Door.SMPP, connections=1, window=1, count=3_000),
    Shape(name="1x10", door=Door.SMPP, connections=1, window=10, count=15_000),
    Shape(
        name="10x10", door=Door.SMPP, connections=10, window=10, count=60_000, on_postgresql=True
    ),
    Shape(
        name="4x100", door=Door.SMPP, connections=4, window=100, count=100_000, on_postgresql=True
    ),
    Shape(
        name="paced-1000", door=Door.SMPP, connections=10, window=10, rate_per_s=1000, count=10_000
    ),
    Shape(
        name="paced-5000", door=Door.SMPP, connections=10, window=10, rate_per_s=5000, count=40_000
    ),
    Shape(name="rest-send", door=Door.REST, connections=10, count=15_000),
    Shape(name="rest-bulk", door=Door.REST, connections=2, per_request=1000, count=60_000),
    *(
        Shape(name=f"{api}-send", door=Door.REST, api=api, connections=10, count=10_000)
        for api in (Api.EXOTEL, Api.MESMS, Api.EASYSENDSMS)
    ),
    *(
        Shape(
            name=f"{api}-bulk", door=Door.REST, api=api, connections=2, per_request=n, count=30_000
        )
        for api, n in ((Api.EXOTEL, 100), (Api.MESMS, 1000), (Api.EASYSENDSMS, 30))
    ),
)

BUDGETS = {
    ("4x100", Subject.SQLITE, Mode.RECEIPT): Budget(30, ratio=15),
    ("10x10", Subject.SQLITE, Mode.RECEIPT): Budget(35),
    ("paced-5000", Subject.SQLITE, Mode.RECEIPT): Budget(55),
    ("4x100", Subject.POSTGRESQL, Mode.RECEIPT): Budget(40),
    ("rest-send", Subject.SQLITE, Mode.SENT): Budget(120),
    ("rest-bulk", Subject.SQLITE, Mode.ACCEPT): Budget(15),
    ("exotel-send", Subject.SQLITE, Mode.SENT): Budget(120),
    ("mesms-send", Subject.SQLITE, Mode.SENT): Budget(120),
    ("easysendsms-send", Subject.SQLITE, Mode.SENT): Budget(120),
    ("exotel-bulk", Subject.SQLITE, Mode.ACCEPT): Budget(15),
    ("mesms-bulk", Subject.SQLITE, Mode.ACCEPT): Budget(15),
    ("easysendsms-bulk", Subject.SQLITE, Mode.ACCEPT): Budget(15),
}


def select(
    names: Sequence[str], *, count: int | None = None, is_quick: bool = False
) -> list[Shape]:
    """The shapes of `names`, all when there are none; `count` or `is_quick` bounds their messages.

    Raises:
        ValueError: a name that no shape has.
    """
    known = {shape.name: shape for shape in SHAPES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no shape {', '.join(unknown)}: there are {', '.join(known)}")
    shapes = [known[name] for name in names] or list(SHAPES)
    if count is not None:
        return [replace(shape, count=count) for shape in shapes]
    if is_quick:
        return [
            replace(shape, count=max(QUICK_LEAST, shape.count // QUICK_DIVISOR)) for shape in shapes
        ]
    return shapes


def cases(shapes: Sequence[Shape], stores: Sequence[Subject]) -> Iterator[Case]:
    """The rows, ordered so that a shape's yardstick stands right before what it is held against."""
    for shape in shapes:
        if shape.door is Door.REST:
            modes = (Mode.ACCEPT, Mode.SENT)
        else:
            modes = (Mode.SENT, Mode.RECEIPT)
            yield Case(shape, Subject.NULL_RELAY, Mode.SENT)
        for store in stores:
            if store is Subject.SQLITE or shape.on_postgresql:
                for mode in modes:
                    yield Case(shape, store, mode)


def budget_of(case: Case) -> Budget | None:
    """The budget of a row, if it has one."""
    return BUDGETS.get((case.shape.name, case.subject, case.mode))


def is_within(budget: Budget, cpu_us: float, ratio: float | None) -> bool:
    """Whether a figure keeps its budget."""
    if cpu_us <= budget.cpu_us:
        return True
    return budget.ratio is not None and ratio is not None and ratio <= budget.ratio

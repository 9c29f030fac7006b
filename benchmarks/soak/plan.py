"""What goes wrong when, decided before the run from its length and a seed.

A run has three stretches.  In the first the daemon is killed again and again.  In the second, the
long one, it lives on while everything around it misbehaves in *cycles*: all kinds of fault, one
slot each, then calm.  In the last it is killed again.  A kill starts memory anew, so flatness is
judged inside the second stretch, between the calm of its second cycle (minute 10 of 30) and its
last calm: the same kinds of fault have gone before either.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import NamedTuple

FULL_S = 1800.0  # from this length on slots have their full length
SLOT_S, SHORTEST_SLOT_S = 15.0, 3.0
FAULT_PART = 0.5  # of a slot; the rest is for recovery
SETTLING_SLOTS, CALM_SLOTS = 2, 4
KILL_EVERY_S = 30.0
SHORTEST_JUDGED_S = 600.0  # before that memory still grows into its shape

_EARLY_PART, _LATE_PART = 0.1, 0.05
_LEAST_STRETCH_S = 5.0  # of kills, in a short run
_MOST_EARLY_S, _MOST_LATE_S = 180.0, 90.0


class FaultKind(StrEnum):
    """What can go wrong."""

    GATEWAY_KILLED = "gateway killed"
    SMSC_KILLED = "SMSC killed"
    HTTP_KILLED = "HTTP carrier killed"
    SMSC_THROTTLES = "SMSC throttles"
    HTTP_THROTTLES = "HTTP carrier throttles"
    SMSC_SILENT = "SMSC never answers"
    HTTP_SILENT = "HTTP carrier never answers"
    SMSC_REPEATS = "SMSC repeats receipts"
    CUSTOMER_DEAF = "customer stops reading"
    WEBHOOKS_REFUSED = "webhooks refused"
    RELOAD = "reload"


IN_CYCLES = tuple(kind for kind in FaultKind if kind is not FaultKind.GATEWAY_KILLED)


class Fault(NamedTuple):
    """One fault; times in seconds from the start of the run."""

    at_s: float
    kind: FaultKind
    lasts_s: float = 0.0


class Stretch(NamedTuple):
    """A span of the run, in seconds from its start."""

    start_s: float
    end_s: float

    def holds(self, at_s: float) -> bool:
        """Whether a moment lies inside."""
        return self.start_s <= at_s < self.end_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole run.  `faults` are in order of time; `calms` the stretches without any."""

    duration_s: float
    quiet: Stretch
    faults: tuple[Fault, ...]
    calms: tuple[Stretch, ...]

    @property
    def baseline(self) -> Stretch | None:
        """What later figures are held against: the second calm."""
        return self.calms[1] if len(self.calms) > 1 else None

    @property
    def last_calm(self) -> Stretch | None:
        """What is held against the baseline; None when there is none after it."""
        return self.calms[-1] if len(self.calms) > 2 else None

    @property
    def is_judged(self) -> bool:
        """Whether the run is long enough to say that something is flat."""
        return self.last_calm is not None and self.duration_s >= SHORTEST_JUDGED_S

    def kinds(self) -> list[FaultKind]:
        """Every kind that occurs, in order of declaration."""
        occurring = {fault.kind for fault in self.faults}
        return [kind for kind in FaultKind if kind in occurring]


def make_plan(duration_s: float, seed: int) -> Plan:
    """The plan of a run; the same arguments give the same plan.

    Raises:
        ValueError: a run too short for a kill, a fault and a kill.
    """
    early_s = _kill_stretch_s(duration_s, _EARLY_PART, _MOST_EARLY_S)
    late_s = _kill_stretch_s(duration_s, _LATE_PART, _MOST_LATE_S)
    quiet = Stretch(early_s, duration_s - late_s)
    if quiet.end_s - quiet.start_s < SHORTEST_SLOT_S:
        raise ValueError(f"{duration_s:.0f} s are too short for a soak: give it 10 s or more")
    draw = Random(seed)
    slot_s = min(SLOT_S, max(SHORTEST_SLOT_S, SLOT_S * duration_s / FULL_S))
    in_cycles, calms = _cycles(quiet, slot_s, draw)
    early = _kills(Stretch(min(2.0, early_s / 4), early_s * 0.9), draw)
    late = _kills(Stretch(quiet.end_s, quiet.end_s + late_s * 0.8), draw)
    return Plan(
        duration_s=duration_s,
        quiet=quiet,
        faults=tuple(sorted([*early, *in_cycles, *late])),
        calms=calms,
    )


def _kill_stretch_s(duration_s: float, part: float, most_s: float) -> float:
    return min(most_s, max(part * duration_s, min(_LEAST_STRETCH_S, 0.25 * duration_s)))


def _cycles(quiet: Stretch, slot_s: float, draw: Random) -> tuple[list[Fault], tuple[Stretch, ...]]:
    faults: list[Fault] = []
    calms: list[Stretch] = []
    at_s = quiet.start_s
    while True:
        for kind in draw.sample(IN_CYCLES, len(IN_CYCLES)):
            if at_s + slot_s > quiet.end_s:
                return faults, tuple(calms)
            faults.append(Fault(at_s, kind, slot_s * FAULT_PART))
            at_s += slot_s
        at_s += SETTLING_SLOTS * slot_s
        calm = Stretch(at_s, at_s + CALM_SLOTS * slot_s)
        if calm.end_s > quiet.end_s:
            return faults, tuple(calms)
        calms.append(calm)
        at_s = calm.end_s


def _kills(stretch: Stretch, draw: Random) -> list[Fault]:
    """One in each equal part of the stretch, at a random moment of it."""
    length_s = stretch.end_s - stretch.start_s
    count = max(1, int(length_s / KILL_EVERY_S))
    part_s = length_s / count
    return [
        Fault(stretch.start_s + part_s * (n + 0.8 * draw.random()), FaultKind.GATEWAY_KILLED)
        for n in range(count)
    ]

"""Kills a daemon under load again and again: ``python -m tests.faults.kill_loop --kills 200``.

Traffic flows all the time over every door to two providers, one that resends and one that holds.
Each daemon is doomed at a point and a moment drawn from the seed and is followed at once by the
next.  At the end everything is counted on both ends.  Exit code 0: every promise was kept.
"""

# ruff: noqa: T201 - a command prints

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from tests.faults.crash_checks import Evidence, duplicates, problems
from tests.faults.crash_plan import HOLDING, RESENDING
from tests.faults.crash_site import Death, Site, ordeal
from tests.support.databases import postgres_server

STORES = ("sqlite", "postgresql")

# How often each point is drawn, and the passings (for `random`: milliseconds) it is drawn from.
_POINTS: dict[str, tuple[int, int, int]] = {
    "random": (8, 100, 1500),
    "before_commit": (2, 1, 30),
    "after_commit": (2, 1, 30),
    "after_answer": (2, 1, 30),
    "after_send": (2, 1, 300),
    "outcome_noted": (2, 1, 300),
    "outcome_stored": (2, 1, 30),
    "receipt_unstored": (2, 1, 60),
    "receipt_stored": (2, 1, 300),
    "notification_sent": (2, 1, 300),
    "during_checkpoint": (2, 1, 3),
}


class Verdict(NamedTuple):
    """What came of one loop; `problems` is empty when every promise was kept."""

    store: str
    seed: int
    kills: int
    points: dict[str, int]
    messages: int
    accepted: int
    parts_sent: int
    parts_repeated: int
    marked: int  # messages that say so on their timeline
    most_repeated: tuple[int, int]  # after one kill, and how many it may have been
    rest_repeats: int
    seconds: float
    problems: list[str]

    def __str__(self) -> str:
        lines = [
            f"{self.store}, seed {self.seed}: {self.kills} kills in {self.seconds:.0f} s",
            f"  kills      {', '.join(f'{n} {name}' for name, n in sorted(self.points.items()))}",
            f"  messages   {self.messages} stored, {self.accepted} of them answered with an id, "
            f"{self.rest_repeats} REST requests repeated",
            f"  parts      {self.parts_sent} at the carriers, {self.parts_repeated} of them again; "
            f"after one kill at most {self.most_repeated[0]} of {self.most_repeated[1]} allowed; "
            f"{self.marked} messages are marked",
            f"  verdict    {'every promise kept' if not self.problems else 'BROKEN'}",
        ]
        return "\n".join(lines + [f"    {problem}" for problem in self.problems])


def draw(numbers: random.Random, store: str) -> tuple[str, int]:
    """The next point and its passing."""
    points = [p for p in _POINTS if store == "sqlite" or p != "during_checkpoint"]
    point = numbers.choices(points, [_POINTS[name][0] for name in points])[0]
    return point, numbers.randint(*_POINTS[point][1:])


async def kill_repeatedly(
    directory: Path,
    url: str,
    store: str,
    kills: int,
    seed: int,
    tell: Callable[[int, Death, Site], None] = lambda number, death, site: None,
) -> Verdict:
    """One loop on an empty store; `tell` hears of every kill."""
    numbers = random.Random(seed)
    began = time.monotonic()
    async with ordeal(directory, url, (RESENDING, HOLDING)) as site:
        stuck: list[str] = []
        try:
            for number in range(1, kills + 1):
                tell(number, await site.killed(*draw(numbers, store)), site)
            await site.settle()
        except AssertionError as error:
            stuck.append(f"stuck: {error}")
            await site.close()  # what is stored is judged all the same
        evidence = Evidence(site, await site.database.read())
        return _verdict(evidence, store, seed, time.monotonic() - began, stuck)


def _verdict(
    evidence: Evidence, store: str, seed: int, seconds: float, stuck: list[str]
) -> Verdict:
    site = evidence.site
    again = duplicates(evidence)
    worst = max(again, key=lambda found: found.repeated, default=None)
    return Verdict(
        store=store,
        seed=seed,
        kills=len(site.deaths),
        points=Counter(death.point for death in site.deaths),
        messages=len(evidence.rows.messages),
        accepted=site.accepted,
        parts_sent=sum(carrier.parts_seen for carrier in site.carriers.values()),
        parts_repeated=sum(found.repeated for found in again),
        marked=evidence.resent,
        most_repeated=(worst.repeated, worst.allowed) if worst is not None else (0, 0),
        rest_repeats=site.rest.repeats,
        seconds=seconds,
        problems=stuck + problems(evidence),
    )


def _show_progress(number: int, death: Death, site: Site) -> None:
    parts = sum(carrier.parts_seen for carrier in site.carriers.values())
    print(
        f"\r  kill {number:4d}  {death.point:20s} {site.accepted:8d} accepted {parts:8d} parts sent",
        end="",
        flush=True,
    )


def main(arguments: list[str]) -> int:
    """0 when every promise was kept, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kill_loop", description=__doc__)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("POSTERN_KILLS", "200")))
    parser.add_argument(
        "--seed",
        type=int,
        default=int(os.environ.get("POSTERN_KILL_SEED", str(random.randrange(1 << 31)))),
    )
    parser.add_argument("--store", choices=[*STORES, "both"], default="both")
    parser.add_argument("--keep", action="store_true", help="leave stores and logs behind")
    options = parser.parse_args(arguments)
    stores = STORES if options.store == "both" else (options.store,)
    verdicts = []
    for store in stores:
        directory = Path(tempfile.mkdtemp(prefix=f"postern-kills-{store}-"))
        print(f"{store}: {options.kills // len(stores)} kills, seed {options.seed}, {directory}")
        with postgres_server() if store == "postgresql" else nullcontext() as server:
            url = f"sqlite:///{directory / 'postern.db'}"
            if server is not None:
                url = server.url(asyncio.run(server.new_database()))
            kills = options.kills // len(stores)
            verdict = asyncio.run(
                kill_repeatedly(directory, url, store, kills, options.seed, _show_progress)
            )
        print(f"\r{verdict}")
        verdicts.append(verdict)
        if not verdict.problems and not options.keep:
            _remove(directory)
    return int(any(verdict.problems for verdict in verdicts))


def _remove(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

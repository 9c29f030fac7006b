"""`postern block`: recipients that nobody, or one account, may send to."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from postern.commands.control_client import ControlClient, daemon
from postern.commands.failure import REFUSED, UNREACHABLE, CommandError
from postern.commands.options import add_config, add_json
from postern.commands.output import print_json

AT_ONCE = 2_000  # numbers in one request
PROGRESS_EVERY = 100_000
PAGE = 10_000
MOST_NAMED = 20
EVERY_ACCOUNT = "every account"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """add, remove, list."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = verbs.add_parser("add", help="refuse messages to these recipients from now on")
    add.set_defaults(run=_change, operation="block.add", done="blocked")
    remove = verbs.add_parser("remove", help="let messages to these recipients through again")
    remove.set_defaults(run=_change, operation="block.remove", done="no longer blocked")
    for verb in (add, remove):
        verb.add_argument("numbers", metavar="NUMBER", nargs="*", help="as customers write it")
        verb.add_argument(
            "--file",
            type=Path,
            metavar="FILE",
            help='one number a line, "#" begins a comment; "-" is standard input',
        )
        verb.add_argument(
            "--region",
            default="",
            metavar="CC",
            help="country of numbers in national form (default: the account's)",
        )
    listing = verbs.add_parser("list", help="the blocked recipients")
    listing.add_argument("--limit", type=int, metavar="N", help="at most so many")
    listing.set_defaults(run=_list)
    for verb in (add, remove, listing):
        verb.add_argument("--account", metavar="NAME", help="default: for every account")
        add_config(verb)
        add_json(verb)


def _change(args: argparse.Namespace) -> int:
    if bool(args.numbers) == bool(args.file):
        raise CommandError("give numbers, or a file of them with --file", UNREACHABLE)
    client = daemon(args)
    read = changed = 0
    invalid: list[str] = []
    numbers = iter(args.numbers) if args.numbers else _numbers_of(args.file)
    while some := list(islice(numbers, AT_ONCE)):
        facts = client.call(
            args.operation, account=args.account, numbers=some, region=args.region.upper()
        )
        read += len(some)
        changed += facts["changed"]
        invalid += facts["invalid"]
        if read % PROGRESS_EVERY == 0:
            print(f"postern: {read:,} numbers read, {changed:,} {args.done}", file=sys.stderr)
    if args.json:
        print_json(
            {"account": args.account, "numbers": read, "changed": changed, "invalid": invalid}
        )
    else:
        whom = args.account or EVERY_ACCOUNT
        print(f"{whom}: {changed:,} {args.done}, {read - changed - len(invalid):,} were before.")
    _report(invalid)
    return REFUSED if invalid else 0


def _report(invalid: list[str]) -> None:
    for number in invalid[:MOST_NAMED]:
        print(f"postern: {number!r} is no possible number: left out", file=sys.stderr)
    if len(invalid) > MOST_NAMED:
        print(f"postern: and {len(invalid) - MOST_NAMED:,} more", file=sys.stderr)


def _numbers_of(path: Path) -> Iterator[str]:
    """Raises CommandError: the file cannot be read."""
    try:
        if str(path) == "-":
            yield from _numbers_in(sys.stdin)
            return
        with path.open(encoding="utf-8") as lines:
            yield from _numbers_in(lines)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise CommandError(f"{path}: cannot be read: {reason}") from None


def _numbers_in(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        number = line.partition("#")[0].strip()
        if number:
            yield number


def _list(args: argparse.Namespace) -> int:
    entries = _entries(daemon(args), args.account, args.limit)
    if args.json:
        print_json({"entries": list(entries)})
        return 0
    for entry in entries:
        print(f"{entry['number']}\t{entry['account'] or EVERY_ACCOUNT}")
    return 0


def _entries(
    client: ControlClient, account: str | None, limit: int | None
) -> Iterator[dict[str, str | None]]:
    after: str | None = ""
    left = limit
    while after is not None and left != 0:
        page = PAGE if left is None else min(PAGE, left)
        facts = client.call("block.list", account=account, after=after, limit=page)
        yield from facts["entries"]
        after = facts["next_after"]
        left = None if left is None else left - len(facts["entries"])

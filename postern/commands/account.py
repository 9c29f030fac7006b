"""`postern account`: tenants and their money."""

import argparse

from postern.commands.control_client import daemon
from postern.commands.options import add_config, add_json
from postern.commands.output import print_json, print_table

_LISTED = (
    "NAME", "AVAILABLE", "BALANCE", "HELD", "LIMIT", "CURRENCY", "CHARGE", "REFUND", "ENABLED",
    "SENDERS",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """list, topup, statement."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    listing = verbs.add_parser("list", help="every account and its balance")
    listing.set_defaults(run=_list)

    topup = verbs.add_parser("topup", help="add to a balance, or take from it when negative")
    topup.add_argument("name", metavar="NAME")
    topup.add_argument("amount", metavar="AMOUNT", help="decimal, in the account's currency")
    topup.add_argument("--note", default="", help="stands on the statement")
    topup.set_defaults(run=_topup)

    statement = verbs.add_parser("statement", help="ledger lines, newest first")
    statement.add_argument("name", metavar="NAME")
    statement.add_argument(
        "--limit", type=int, default=20, metavar="N", help="lines (default: %(default)s)"
    )
    statement.add_argument("--before", type=int, metavar="ID", help="lines older than this one")
    statement.set_defaults(run=_statement)

    for verb in (listing, topup, statement):
        add_config(verb)
        add_json(verb)


def _list(args: argparse.Namespace) -> int:
    facts = daemon(args).call("account.list")
    if args.json:
        print_json(facts)
        return 0
    print_table(
        _LISTED,
        [
            (
                account["name"],
                account["available"],
                account["balance"],
                account["held"],
                account["limit"],
                account["currency"],
                account["charge"],
                account["refund"],
                account["enabled"],
                account["senders"],
            )
            for account in facts["accounts"]
        ],
        right=("AVAILABLE", "BALANCE", "HELD", "LIMIT"),
    )
    return 0


def _topup(args: argparse.Namespace) -> int:
    facts = daemon(args).call(
        "account.topup", account=args.name, amount=args.amount, note=args.note
    )
    if args.json:
        print_json(facts)
    else:
        print(
            f"{facts['name']}: {facts['amount']} {facts['currency']} moved, "
            f"{facts['balance']} {facts['currency']} balance, {facts['available']} available"
        )
    return 0


def _statement(args: argparse.Namespace) -> int:
    facts = daemon(args).call(
        "account.statement", account=args.name, limit=args.limit, before=args.before
    )
    if args.json:
        print_json(facts)
        return 0
    print_table(
        ("ID", "TIME", "KIND", "MESSAGES", "AMOUNT", "BALANCE", "NOTE"),
        [
            (
                line["id"],
                line["at"],
                line["kind"],
                line["messages"] or "",
                line["amount"],
                line["balance"],
                line["note"],
            )
            for line in facts["lines"]
        ],
        right=("ID", "MESSAGES", "AMOUNT", "BALANCE"),
    )
    if facts["next_before"] is not None:
        print(f"older lines: --before {facts['next_before']}")
    return 0

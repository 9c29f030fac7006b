"""`postern sender`: which sender ids an account may use."""

import argparse

from postern.commands.control_client import daemon
from postern.commands.options import add_config, add_json
from postern.commands.output import print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """list, approve, reject."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    listing = verbs.add_parser("list", help="sender ids and their state")
    listing.add_argument("account", metavar="ACCOUNT", nargs="?", help="default: all accounts")
    listing.set_defaults(run=_list)

    approve = verbs.add_parser("approve", help='let an account use a sender; "*" is any')
    approve.set_defaults(run=_set, state="approved")
    reject = verbs.add_parser("reject", help="forbid a sender from now on")
    reject.set_defaults(run=_set, state="rejected")
    for verb in (approve, reject):
        verb.add_argument("account", metavar="ACCOUNT")
        verb.add_argument("sender", metavar="SENDER", help="compared exactly")
        verb.add_argument("--reason", default="", help="kept with the decision")

    for verb in (listing, approve, reject):
        add_config(verb)
        add_json(verb)


def _list(args: argparse.Namespace) -> int:
    facts = daemon(args).call("sender.list", account=args.account)
    if args.json:
        print_json(facts)
        return 0
    print_table(
        ("ACCOUNT", "SENDER", "STATE", "DECIDED BY", "CHANGED", "REASON"),
        [
            (s["account"], s["name"], s["state"], s["origin"], s["changed_at"], s["reason"])
            for s in facts["senders"]
        ],
    )
    return 0


def _set(args: argparse.Namespace) -> int:
    facts = daemon(args).call(
        "sender.set",
        account=args.account,
        sender=args.sender,
        state=args.state,
        reason=args.reason,
    )
    if args.json:
        print_json(facts)
    else:
        print(f"{facts['account']}: sender {facts['sender']} is {facts['state']}.")
    return 0

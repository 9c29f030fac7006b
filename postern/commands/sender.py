"""`postern sender`: which sender ids an account may use."""

import argparse

from postern.commands.control_client import daemon
from postern.commands.options import add_config, add_json
from postern.commands.output import print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """list, approve, reject, verify, refuse."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    listing = verbs.add_parser("list", help="sender ids and their state")
    listing.add_argument("account", metavar="ACCOUNT", nargs="?", help="default: all accounts")
    listing.set_defaults(run=_list)

    approve = verbs.add_parser("approve", help='our yes: let an account use a sender; "*" is any')
    approve.set_defaults(run=_set, state="approved")
    reject = verbs.add_parser("reject", help="our no, from now on")
    reject.set_defaults(run=_set, state="rejected")
    verify = verbs.add_parser("verify", help="the provider's yes to an approved sender")
    verify.set_defaults(run=_set, state="verified")
    refuse = verbs.add_parser("refuse", help="the provider's no to an approved sender")
    refuse.set_defaults(run=_set, state="refused")
    decisions = (approve, reject, verify, refuse)
    for verb in decisions:
        verb.add_argument("account", metavar="ACCOUNT")
        verb.add_argument("sender", metavar="SENDER", help="compared exactly")
        verb.add_argument("--reason", default="", help="kept with the decision")

    for verb in (listing, *decisions):
        add_config(verb)
        add_json(verb)


def _list(args: argparse.Namespace) -> int:
    facts = daemon(args).call("sender.list", account=args.account)
    if args.json:
        print_json(facts)
        return 0
    print_table(
        (
            "ACCOUNT", "SENDER", "STATE", "PROVIDER", "MAY SEND", "DEFAULT", "MESSAGES",
            "DECIDED BY", "CHANGED", "REASON",
        ),
        [
            (
                s["account"], s["name"], s["state"], s["provider_state"], s["may_send"],
                s["default"], s["messages"], s["origin"], s["changed_at"], s["reason"],
            )
            for s in facts["senders"]
        ],
        right=("MESSAGES",),
    )  # fmt: skip
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
        waits = facts["state"] == "approved" and not facts["may_send"]
        and_then = " and waits for the provider's word (`postern sender verify`)" if waits else ""
        print(f"{facts['account']}: sender {facts['sender']} is {facts['state']}{and_then}.")
    return 0

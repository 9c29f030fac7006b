"""`postern webhook`: notifications over HTTP that are owed or were given up."""

import argparse

from postern.commands.control_client import daemon
from postern.commands.options import add_config, add_json
from postern.commands.output import print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """list, replay."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    listing = verbs.add_parser("list", help="what is owed or was given up, and why")
    listing.add_argument("--state", choices=("owed", "abandoned", "all"), default="all")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="of each state")
    listing.set_defaults(run=_list)

    replay = verbs.add_parser("replay", help="try again, with all attempts")
    which = replay.add_mutually_exclusive_group()
    which.add_argument("--id", type=int, metavar="DELIVERY", help="this one, whatever its state")
    which.add_argument(
        "--abandoned",
        dest="states",
        action="store_const",
        const="abandoned",
        default="abandoned",
        help="those that were given up (default)",
    )
    which.add_argument(
        "--all",
        dest="states",
        action="store_const",
        const="all",
        help="those that were delivered as well",
    )
    replay.add_argument(
        "--since", default="", metavar="TIME", help="last tried then or later: ISO 8601, UTC"
    )
    replay.set_defaults(run=_replay)

    for verb in (listing, replay):
        verb.add_argument("--account", metavar="NAME", help="default: every account")
        add_config(verb)
        add_json(verb)


def _list(args: argparse.Namespace) -> int:
    facts = daemon(args).call(
        "webhook.list", account=args.account, state=args.state, limit=args.limit
    )
    if args.json:
        print_json(facts)
        return 0
    print_table(
        ("ID", "ACCOUNT", "MESSAGE", "FORM", "HOST", "STATE", "TRIED", "DUE", "ERROR"),
        [
            (
                d["id"], d["account"], d["message_id"], d["kind"], d["host"], d["state"],
                d["attempts"], d["due_at"], d["error"],
            )
            for d in facts["deliveries"]
        ],
        right=("ID", "TRIED"),
    )  # fmt: skip
    return 0


def _replay(args: argparse.Namespace) -> int:
    facts = daemon(args).call(
        "webhook.replay",
        account=args.account,
        since=args.since,
        delivery=args.id,
        states=args.states,
    )
    if args.json:
        print_json(facts)
    else:
        print(f"{facts['replayed']:,} notifications will be sent again.")
    return 0

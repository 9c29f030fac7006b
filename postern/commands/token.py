"""`postern token`: API tokens made and revoked by command."""

import argparse

from postern.commands.control_client import daemon
from postern.commands.options import add_config, add_json
from postern.commands.output import print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """create, list, revoke."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    create = verbs.add_parser("create", help="make a token; it is shown once")
    create.add_argument("account", metavar="ACCOUNT")
    create.add_argument("--name", default="", help="to revoke it by (default: token-NUMBER)")
    create.set_defaults(run=_create)

    listing = verbs.add_parser("list", help="the account's tokens, without their secrets")
    listing.add_argument("account", metavar="ACCOUNT")
    listing.set_defaults(run=_list)

    revoke = verbs.add_parser("revoke", help="disable a token at once and for ever")
    revoke.add_argument("account", metavar="ACCOUNT")
    revoke.add_argument("token", metavar="NAME_OR_ID")
    revoke.set_defaults(run=_revoke)

    for verb in (create, listing, revoke):
        add_config(verb)
        add_json(verb)


def _create(args: argparse.Namespace) -> int:
    facts = daemon(args).call("token.create", account=args.account, name=args.name)
    if args.json:
        print_json(facts)
        return 0
    print(facts["token"])
    print(f"Token {facts['name']} of {facts['account']}.  It is not shown again.")
    return 0


def _list(args: argparse.Namespace) -> int:
    facts = daemon(args).call("token.list", account=args.account)
    if args.json:
        print_json(facts)
        return 0
    print_table(
        ("ID", "NAME", "ENABLED", "MADE BY"),
        [(t["id"], t["name"], t["enabled"], t["origin"]) for t in facts["tokens"]],
        right=("ID",),
    )
    return 0


def _revoke(args: argparse.Namespace) -> int:
    facts = daemon(args).call("token.revoke", account=args.account, token=args.token)
    if args.json:
        print_json(facts)
    else:
        print(f"Token {facts['name']} (id {facts['id']}) of {facts['account']} is revoked.")
    return 0

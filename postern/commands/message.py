"""`postern message`: what became of one message, and ending one that waits."""

import argparse
from typing import Any

from postern.commands.control_client import daemon
from postern.commands.options import add_config, add_json
from postern.commands.output import print_fields, print_json, print_table

_SHOWN = (
    "id", "uuid", "account", "credential", "door", "sender", "recipient", "state", "error",
    "alphabet", "parts", "price", "money", "attempts", "provider", "provider_message_id",
    "due_at", "expires_at",
)  # fmt: skip

# What became of the price, by the message's money.
_MONEY = {
    "none": "it was free",
    "charged": "{price} {currency} stay charged",
    "refunded": "{price} {currency} given back",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """show, cancel."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    show = verbs.add_parser("show", help="one message and its timeline")
    show.set_defaults(run=_show)
    cancel = verbs.add_parser("cancel", help="end a message that waits")
    cancel.set_defaults(run=_cancel)
    for verb in (show, cancel):
        verb.add_argument(
            "id", metavar="ID", help="as SMPP or REST showed it: hex, decimal or UUID"
        )
        add_config(verb)
        add_json(verb)


def _show(args: argparse.Namespace) -> int:
    facts = daemon(args).call("message.show", id=args.id)
    if args.json:
        print_json(facts)
        return 0
    print_fields({name: facts[name] for name in _SHOWN})
    _print_parts(facts.get("part_list", []))
    print()
    print_table(
        ("TIME", "EVENT", "DETAIL"),
        [(step["at"] or "", step["event"], step["detail"]) for step in facts["timeline"]],
    )
    return 0


def _cancel(args: argparse.Namespace) -> int:
    facts = daemon(args).call("message.cancel", id=args.id)
    if args.json:
        print_json(facts)
    else:
        print(f"{facts['id']}: {facts['state']}, {_MONEY[facts['money']].format_map(facts)}")
    return 0


def _print_parts(parts: list[dict[str, Any]]) -> None:
    if parts:
        print()
        print_table(
            ("PART", "STATE", "PROVIDER", "PROVIDER'S ID"),
            [(p["n"], p["state"], p["provider"], p["provider_message_id"]) for p in parts],
            right=("PART",),
        )

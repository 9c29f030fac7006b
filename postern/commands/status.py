"""`postern status`: whether the daemon runs, since when, and who is connected."""

import argparse

from postern.commands.control_client import daemon
from postern.commands.options import add_config, add_json
from postern.commands.output import print_fields, print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""
    add_config(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the daemon's own state."""
    facts = daemon(args).call("status")
    if args.json:
        print_json(facts)
        return 0
    connections = facts.pop("connections")
    listen = facts.pop("listen")
    print_fields({**facts, **{f"listens {name}": where for name, where in listen.items()}})
    if connections:
        print()
        print_table(
            ("SYSTEM_ID", "PEER", "STATE", "UNANSWERED", "DELIVERIES"),
            [
                (c["system_id"], c["peer"], c["state"], c["unanswered"], c["deliveries"])
                for c in connections
            ],
            right=("UNANSWERED", "DELIVERIES"),
        )
    return 0

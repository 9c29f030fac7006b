"""`postern provider`: the upstreams of a live daemon."""

import argparse
from typing import Any

from postern.commands.control_client import daemon
from postern.commands.options import add_config, add_json
from postern.commands.output import print_json, print_table

_COLUMNS = (
    "NAME", "WIRE", "STATE", "LINKS", "QUEUED", "OUTSTANDING", "AWAITING", "RATE", "BALANCE",
    "ERROR",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """list, pause, resume."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    listing = verbs.add_parser("list", help="every provider, its links and queue")
    listing.set_defaults(run=_list)

    pause = verbs.add_parser("pause", help="send it nothing more, over restarts too")
    pause.set_defaults(run=_switch, operation="provider.pause")
    resume = verbs.add_parser("resume", help="let it send again")
    resume.set_defaults(run=_switch, operation="provider.resume")
    for verb in (pause, resume):
        verb.add_argument("name", metavar="NAME")

    for verb in (listing, pause, resume):
        add_config(verb)
        add_json(verb)


def _list(args: argparse.Namespace) -> int:
    facts = daemon(args).call("provider.list")
    if args.json:
        print_json(facts)
        return 0
    print_table(
        _COLUMNS,
        [_row(provider) for provider in facts["providers"]],
        right=("QUEUED", "OUTSTANDING", "AWAITING", "BALANCE"),
    )
    if facts["waiting"]:
        print(f"{facts['waiting']} messages wait because no provider of their route is up")
    return 0


def _row(provider: dict[str, Any]) -> tuple[object, ...]:
    wire = provider["wire"]
    binds = wire.get("binds")
    if binds is None:
        links, outstanding = wire.get("url", ""), wire.get("outstanding", 0)
    else:
        bound = sum(bind["state"].startswith("bound") for bind in binds)
        links = f"{bound} to {wire.get('address', '')}"
        outstanding = sum(bind["outstanding"] for bind in binds)
    return (
        provider["name"],
        wire.get("wire", ""),
        provider["state"],
        links,
        provider["queued"],
        outstanding,
        provider["awaiting_receipts"],
        _rate(provider),
        wire.get("balance") or "",
        wire.get("last_error") or provider["failure"],
    )


def _rate(provider: dict[str, Any]) -> str:
    contracted = f"{provider['rate_per_s']}/s" if provider["rate_per_s"] else "no limit"
    if provider["slowed"]:
        contracted = f"{provider['current_rate_per_s']:g}/s now, {contracted}"
    if provider["window_limit"] is not None:
        contracted += f", {provider['window_limit']} at a time"
    return contracted


def _switch(args: argparse.Namespace) -> int:
    facts = daemon(args).call(args.operation, provider=args.name)
    if args.json:
        print_json(facts)
    else:
        print(f"{facts['name']}: {facts['state']}, {facts['queued']} queued")
    return 0

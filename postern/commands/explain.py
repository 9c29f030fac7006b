"""`postern explain`: what would become of a message, and why."""

import argparse
import sys
from pathlib import Path
from typing import Any

from postern.commands.control_client import ControlClient
from postern.commands.failure import REFUSED, CommandError, DaemonAbsentError
from postern.commands.options import add_config, add_json, config_path
from postern.commands.output import print_fields, print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The message in question."""
    parser.add_argument("--account", required=True, metavar="NAME")
    parser.add_argument(
        "--from", dest="sender", default="", metavar="SENDER", help="default: the account's own"
    )
    parser.add_argument("--to", required=True, metavar="NUMBER")
    parser.add_argument("--text", required=True)
    add_config(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Asks the daemon; without one, the configuration file.  0 whatever the answer is."""
    config = config_path(args)
    try:
        facts = ControlClient(config).call(
            "explain", account=args.account, sender=args.sender, to=args.to, text=args.text
        )
    except DaemonAbsentError:
        facts = _from_file(config, args)
        print(
            "postern: no daemon answers: this is from the configuration file alone; balances, "
            "senders approved by command and the state of providers are not known",
            file=sys.stderr,
        )
    if args.json:
        print_json(facts)
    else:
        _print(facts)
    return 0


def _from_file(config: Path, args: argparse.Namespace) -> dict[str, Any]:
    from postern.commands.clock import clock
    from postern.commands.settings import load_settings
    from postern.declared_rules import DeclaredRules
    from postern.explanation import Explanation

    declared = DeclaredRules(load_settings(config), clock().now_ms())
    account = declared.accounts.get(args.account)
    if account is None:
        known = ", ".join(sorted(declared.accounts)) or "none"
        raise CommandError(
            f"{config}: there is no account {args.account!r}; accounts: {known}", REFUSED
        )
    explanation = Explanation(declared.rules, account, args.sender, args.to, args.text)
    return {"source": "configuration", **explanation.facts()}


def _print(facts: dict[str, Any]) -> None:
    refusal = facts["refusal"]
    fields = {
        "verdict": "accepted" if refusal is None else f"refused: {refusal['reason']}",
        "account": facts["account"],
        "sender": _sender(facts["sender"]),
        "recipient": _recipient(facts["recipient"]),
        "text": _text(facts["text"]),
        "price": _price(facts["price"]),
        "credit": _credit(facts["credit"]),
        "route": facts["route"],
        "provider": _provider(facts),
    }
    print_fields(fields)
    if facts["providers"]:
        print()
        print_table(
            ("TIER", "PROVIDER", "WEIGHT", "STATE", "VERDICT"),
            [
                (p["tier"], p["provider"], p["weight"], p["state"], p["verdict"])
                for p in facts["providers"]
            ],
            right=("TIER", "WEIGHT"),
        )
    if facts["routes"]:
        print()
        print_table(
            ("ROUTE", "PREFIX", "ACCOUNT", "SENDER", "VERDICT"),
            [
                (r["name"], r["prefix"] or "any", r["account"] or "any", r["sender"] or "any",
                 r["verdict"])
                for r in facts["routes"]
            ],
        )  # fmt: skip


def _sender(sender: dict[str, Any]) -> str:
    name = sender["name"] or "(none)"
    if sender["allowed"]:
        return f"{name} (approved)"
    return f"{name} (not approved; approved are: {', '.join(sender['approved']) or 'none'})"


def _recipient(recipient: dict[str, Any]) -> str:
    if recipient["number"] is None:
        return f"{recipient['given']} (no number)"
    validity = "" if recipient["valid"] else ", not accepted"
    return f"{recipient['number']} ({recipient['read_as']}{validity})"


def _text(text: dict[str, Any] | None) -> str:
    if text is None:
        return ""
    because = f" because of {' '.join(text['not_gsm7'])}" if text["not_gsm7"] else ""
    plural = "" if text["parts"] == 1 else "s"
    return f"{text['characters']} characters, {text['alphabet']}{because}, {text['parts']} part" + (
        plural
    )


def _price(price: dict[str, Any] | None) -> str:
    if price is None:
        return ""
    total = "" if price["cost"] is None else f", {price['cost']} {price['currency']} in all"
    return f"{price['per_part']} {price['currency']} per part{total}"


def _credit(credit: dict[str, Any] | None) -> str:
    if credit is None:
        return ""
    return f"{credit['available']} available, {credit['after']} after, limit {credit['limit']}"


def _provider(facts: dict[str, Any]) -> str:
    if facts["route"] is None:
        return ""
    if facts["provider"] is not None:
        return str(facts["provider"])
    if any(p["share"] for p in facts["providers"]):
        return "drawn by weight"
    return "none can send now: the message waits"

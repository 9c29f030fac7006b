"""`postern ledger`: recomputes every account's money from the rows of the store."""

import argparse
import asyncio
import sys

from gateway.domain.errors import GatewayError
from gateway.domain.money import format_amount
from gateway.store.audit import AccountAudit, LedgerAudit
from gateway.store.snapshot import snapshot
from postern.commands.failure import REFUSED, CommandError
from postern.commands.options import add_config, add_json, config_path
from postern.commands.output import print_json, print_table
from postern.commands.settings import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The one verb, verify."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verify = verbs.add_parser(
        "verify", help="compare balances, ledger lines and messages; 1 when they differ"
    )
    verify.add_argument("--account", metavar="NAME", help="only this one (default: all)")
    verify.set_defaults(run=_verify)
    add_config(verify)
    add_json(verify)


def _verify(args: argparse.Namespace) -> int:
    config = config_path(args)
    url = load_settings(config).store.url.reveal()
    try:
        audits = asyncio.run(_audit(url, args.account))
    except GatewayError as error:
        raise CommandError(f"{config}: {error}", REFUSED) from None
    is_sound = not any(audit.differences() for audit in audits)
    if args.json:
        print_json({"ok": is_sound, "accounts": [_facts(audit) for audit in audits]})
    else:
        _print(audits)
    return 0 if is_sound else 1


async def _audit(url: str, account: str | None) -> list[AccountAudit]:
    is_watched = sys.stderr.isatty()

    def progress(rows: int) -> None:
        if is_watched:
            print(f"\r{rows:,} rows read", end="", file=sys.stderr, flush=True)

    try:
        async with snapshot(url) as fetch:
            return await LedgerAudit(fetch, progress).run(account)
    finally:
        if is_watched:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _facts(audit: AccountAudit) -> dict[str, object]:
    return {
        "name": audit.name,
        "currency": audit.currency,
        "balance": format_amount(audit.balance_micros),
        "held": format_amount(audit.held_micros),
        "limit": format_amount(audit.limit_micros),
        "ledger_lines": audit.line_count,
        "messages": audit.message_count,
        "purged_messages": audit.purged_count,
        "charged": format_amount(audit.charged_micros + audit.purged_micros),
        "differences": audit.differences(),
        "messages_at_fault": [
            {"id": f"{message.key:016x}", "reason": message.reason} for message in audit.faulty
        ],
        "remarks": audit.remarks(),
    }


def _print(audits: list[AccountAudit]) -> None:
    print_table(
        ("ACCOUNT", "BALANCE", "HELD", "CHARGED", "CURRENCY", "LINES", "MESSAGES", "VERDICT"),
        [
            (
                audit.name,
                format_amount(audit.balance_micros),
                format_amount(audit.held_micros),
                format_amount(audit.charged_micros + audit.purged_micros),
                audit.currency,
                audit.line_count,
                audit.message_count + audit.purged_count,
                "differs" if audit.differences() else "ok",
            )
            for audit in audits
        ],
        right=("BALANCE", "HELD", "CHARGED", "LINES", "MESSAGES"),
    )
    for audit in audits:
        for text in audit.differences():
            print(f"{audit.name}: {text}")
        for message in audit.faulty:
            print(f"{audit.name}: message {message.key:016x} {message.reason}")
        for text in audit.remarks():
            print(f"{audit.name}: remark: {text}")

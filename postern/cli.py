"""The command line: `postern COMMAND`.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or nobody answers.  A failure is one line on
standard error for each thing that is wrong.

The module of a command is imported only when its name is on the command line, so that `postern
--help` and short commands start without the daemon's libraries.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from postern import __version__
from postern.commands.failure import CommandError
from postern.commands.options import CONFIG_HELP


class Command(NamedTuple):
    """A command and its module.

    The module has `add_arguments(parser)`, and `run(args)` unless that sets `run` itself.  With
    `adds_itself` it is given the list of commands instead and makes its own parser.
    """

    name: str
    module: str
    summary: str
    adds_itself: bool = False


COMMANDS = (
    Command("serve", "postern.commands.serve", "run the gateway"),
    Command("demo", "postern.demo", "run the gateway with simulated carriers and ready accounts"),
    Command("check-config", "postern.commands.check_config", "name every mistake of a file"),
    Command("migrate", "postern.commands.migrate", "bring the store to this version's schema"),
    Command("send", "postern.commands.send", "send one message through a door, as a customer"),
    Command("explain", "postern.commands.explain", "dry run: route, price, parts and provider"),
    Command("status", "postern.commands.status", "the daemon, its listeners and connections"),
    Command("account", "postern.commands.account", "list, topup, statement"),
    Command("ledger", "postern.commands.ledger", "verify"),
    Command("token", "postern.commands.token", "create, list, revoke"),
    Command("sender", "postern.commands.sender", "list, approve, reject, verify, refuse"),
    Command("block", "postern.commands.block", "recipients nobody may send to: add, remove, list"),
    Command("message", "postern.commands.message", "show, cancel"),
    Command("provider", "postern.commands.provider", "list, pause, resume"),
    Command("webhook", "postern.commands.webhook", "list, replay"),
    Command("simulate", "postern.simulator.commands", "run a simulated carrier: smsc, http", True),
    Command("bench", "benchmarks.command", "measure CPU per message, throughput and latency"),
    Command("soak", "benchmarks.soak.command", "mixed traffic with kills and faults, judged"),
    Command("version", "postern.commands.version", "print the version"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    args = build_parser(words).parse_args(words)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except CommandError as error:
        for line in str(error).splitlines():
            print(f"postern: {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read our output has enough; the interpreter must not complain when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return code


def build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only commands among `words` have their arguments."""
    parser = argparse.ArgumentParser(
        prog="postern", description="A messaging gateway: SMPP and REST in, SMPP and HTTP out."
    )
    parser.add_argument("-c", "--config", metavar="FILE", help=CONFIG_HELP)
    parser.add_argument("--version", action="version", version=f"postern {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        module = import_module(command.module) if command.name in words else None
        if module is not None and command.adds_itself:
            module.add_arguments(commands)
            continue
        subparser = commands.add_parser(
            command.name, help=command.summary, description=command.summary
        )
        if module is not None:
            if hasattr(module, "run"):
                subparser.set_defaults(run=module.run)
            module.add_arguments(subparser)
    return parser

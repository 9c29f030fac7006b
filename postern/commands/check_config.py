"""`postern check-config`: every mistake of a configuration file at once."""

import argparse
import sys

from conf.problems import Problem, SettingsError
from postern.commands.options import add_config, add_json, config_path
from postern.commands.output import print_json
from postern.daemon import settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments but the configuration."""
    add_config(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints problems and warnings; 1 when there are problems."""
    config = config_path(args)
    problems: list[Problem] = []
    warnings: list[Problem] = []
    counts: dict[str, int] = {}
    try:
        settings = settings_of(config)
    except SettingsError as error:
        problems = error.problems
    else:
        warnings = list(settings.warnings)
        counts = {
            "accounts": len(settings.accounts),
            "providers": len(settings.providers),
            "routes": len(settings.routes),
            "rates": len(settings.rates),
        }
    if args.json:
        print_json(
            {
                "ok": not problems,
                "file": str(config),
                "problems": [problem._asdict() for problem in problems],
                "warnings": [warning._asdict() for warning in warnings],
                **counts,
            }
        )
        return 1 if problems else 0
    for problem in problems:
        print(problem, file=sys.stderr)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if problems:
        return 1
    print(f"{config}: ok, " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    return 0

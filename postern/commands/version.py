"""`postern version`."""

import argparse

from postern import __version__


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""
    parser.set_defaults(run=run)


def run(_args: argparse.Namespace) -> int:
    """Prints the version."""
    print(f"postern {__version__}")
    return 0

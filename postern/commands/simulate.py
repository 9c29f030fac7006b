"""`postern simulate`: a carrier to try a configuration against."""

import argparse

from postern.simulator import commands


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """smsc, http."""
    commands.add_arguments(parser)

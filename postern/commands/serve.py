"""`postern serve`: the gateway itself, in the foreground."""

import argparse
import errno
import os
import re
import socket
from pathlib import Path

from gateway.domain.errors import GatewayError
from gateway.runtime import log
from postern import daemon
from postern.commands.failure import REFUSED, CommandError
from postern.commands.options import add_config, config_path
from postern.commands.settings import load_settings

# How asyncio and uvloop name an address that cannot be had, somewhere in the error's text.
_ADDRESS = re.compile(r"address \('([^']+)', (\d+)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments but the configuration."""
    add_config(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs until SIGTERM or SIGINT; SIGHUP reads the configuration again."""
    config = config_path(args)
    settings = load_settings(config)
    log.configure(settings.log.level.upper())
    try:
        daemon.serve(settings)
    except GatewayError as error:
        raise CommandError(f"{config}: {error}", REFUSED) from None
    except OSError as error:
        raise CommandError(_start_failure(config, error), REFUSED) from None
    except RuntimeError as error:
        raise CommandError(str(error), REFUSED) from error
    return 0


def _start_failure(config: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    if isinstance(error, socket.gaierror):
        return f"{config}: a host name of [listen] has no address: {reason}"
    address = _ADDRESS.search(reason)
    if address is not None and error.errno:
        reason = f"cannot listen on {address[1]}:{address[2]}: {os.strerror(error.errno).lower()}"
    if error.errno == errno.EADDRINUSE:
        reason += ": stop what listens there, or change [listen]"
    where = f" ({error.filename})" if error.filename else ""
    return f"{config}: {reason}{where}"

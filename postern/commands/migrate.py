"""`postern migrate`: brings a store to this version's schema, without starting the daemon."""

import argparse
import asyncio

from gateway.domain.errors import GatewayError
from gateway.runtime.clock import LoopClock
from gateway.runtime.supervisor import Supervisor
from gateway.store.store import Store
from postern.commands.failure import REFUSED, CommandError
from postern.commands.options import add_config, add_json, config_path
from postern.commands.output import print_json
from postern.commands.settings import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments but the configuration."""
    add_config(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Applies what is missing; the daemon does the same at its start."""
    config = config_path(args)
    settings = load_settings(config)
    try:
        applied = asyncio.run(_migrate(settings.store.url.reveal(), settings.secrets.seal))
    except GatewayError as error:
        raise CommandError(f"{config}: {error}", REFUSED) from None
    if args.json:
        print_json({"applied": applied})
    else:
        for name in applied:
            print(f"applied {name}")
        if not applied:
            print("nothing to apply: the store is up to date")
    return 0


async def _migrate(url: str, seal: bytes | None) -> list[str]:
    supervisor = Supervisor(lambda _name, _error: None)
    try:
        store = await Store.open(
            url,
            clock=LoopClock(asyncio.get_running_loop()),
            supervisor=supervisor,
            seal=seal,
        )
        await store.close()
    finally:
        await supervisor.stop()
    return store.applied_migrations

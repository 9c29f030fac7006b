"""Options that several commands share, and the configuration file they lead to."""

import argparse
import os
import tomllib
from pathlib import Path

from postern.commands.failure import UNREACHABLE, CommandError, DaemonAbsentError

ENVIRONMENT = "POSTERN_CONFIG"
DEFAULT_FILES = (Path("postern.toml"), Path("postern-demo/postern.toml"))
DEFAULT_CONTROL = "postern.sock"  # conf.daemon.ListenSettings.control, read here without pydantic
CONFIG_HELP = (
    f"configuration file (default: ${ENVIRONMENT}, " + ", ".join(f"./{f}" for f in DEFAULT_FILES)
) + ")"


def add_config(parser: argparse.ArgumentParser) -> None:
    """`-c` and `--data-dir`; left alone when not given, as `-c` may stand before the command."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "-c", "--config", metavar="FILE", default=argparse.SUPPRESS, help=CONFIG_HELP
    )
    group.add_argument(
        "--data-dir",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="data directory of a demo; its postern.toml is used",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print facts as JSON")


def config_path(args: argparse.Namespace) -> Path:
    """The configuration file that was given, or the first of the usual ones that exists.

    Raises:
        CommandError: there is none.
    """
    data_directory = getattr(args, "data_dir", None)
    if data_directory is not None:
        return Path(data_directory) / "postern.toml"
    given = args.config or os.environ.get(ENVIRONMENT)
    if given:
        return Path(given)
    for path in DEFAULT_FILES:
        if path.exists():
            return path
    raise CommandError(
        f"no configuration: ${ENVIRONMENT} is not set and neither "
        f"{' nor '.join(f'./{path}' for path in DEFAULT_FILES)} is here: give one with -c FILE",
        UNREACHABLE,
    )


def control_path(config: Path) -> Path:
    """The control socket that the daemon of `config` opens.

    Reads nothing else of the file, so that an operator needs none of the secrets it names.

    Raises:
        CommandError: the file cannot be read.
        DaemonAbsentError: it switches the socket off.
    """
    try:
        tables = tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{config}: cannot be read: {error.strerror}", UNREACHABLE) from None
    except ValueError as error:
        raise CommandError(f"{config}: is not valid TOML: {error}", UNREACHABLE) from None
    listen = tables.get("listen", {})
    control = listen.get("control", DEFAULT_CONTROL) if isinstance(listen, dict) else None
    if not isinstance(control, str):
        raise CommandError(f"{config}: listen.control: must be a path", UNREACHABLE)
    if not control:
        raise DaemonAbsentError(f'{config}: listen.control is "": its daemon takes no commands')
    return config.absolute().parent / control

"""`postern demo`: the gateway on SQLite, simulated carriers beside it, credentials for every door.

The carriers are a child process that ends when our end of its pipe closes, so that a Ctrl-C drains
the gateway while they still answer, and not even kill -9 leaves them behind.
"""

import argparse
import fcntl
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.domain.errors import ConfigurationError, GatewayError
from postern import demo_config
from postern.demo_config import FIXED_PORTS, FREE_PORTS, HOST, DemoPorts

DATA_DIRECTORY = "postern-demo"
_LOCK_FILE = "demo.lock"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `postern demo`."""
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(DATA_DIRECTORY),
        metavar="DIR",
        help="store, credentials, configuration and logs (default: ./%(default)s)",
    )
    parser.add_argument(
        "--facts",
        type=Path,
        metavar="FILE",
        help="write every address and credential there as JSON once everything listens",
    )
    fixed = ", ".join(f"{name} {port}" for name, port in FIXED_PORTS._asdict().items())
    parser.add_argument(
        "--ports",
        choices=("fixed", "auto"),
        default="fixed",
        help=f"fixed: {fixed}; auto: free ones (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the demo until SIGINT or SIGTERM; 0, or 1 with one line that says why it ended."""
    # Not before it is needed: `postern --help` has nothing to do with the daemon.
    from conf.problems import SettingsError
    from postern.demo_daemon import LOG_FILE, run_demo
    from postern.simulator.process import SimulatorError

    directory: Path = args.data_dir.absolute()
    facts_file: Path | None = args.facts
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _only_one(directory), _control_socket(directory) as control:
            if facts_file is not None:
                facts_file.parent.mkdir(parents=True, exist_ok=True)
                facts_file.unlink(missing_ok=True)
            run_demo(directory, facts_file, _ports(args.ports), control)
    except (GatewayError, SettingsError, SimulatorError, OSError) as error:
        return _failed(str(error))
    except RuntimeError as error:
        return _failed(f"{error}: {directory / LOG_FILE}")
    except KeyboardInterrupt:  # before the daemon had its signal handlers
        return 128 + signal.SIGINT
    return 0


def _failed(reason: str) -> int:
    print(f"postern: {reason}", file=sys.stderr)
    return 1


def _ports(choice: str) -> DemoPorts:
    if choice == "auto":
        return FREE_PORTS
    _check_free(FIXED_PORTS)
    return FIXED_PORTS


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Keeps a second demo from rewriting the files of a running one."""
    with (directory / _LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"a demo already runs in {directory}: stop it, or choose another --data-dir"
            ) from None
        yield


@contextmanager
def _control_socket(directory: Path) -> Iterator[str]:
    """The path of the command line's socket: elsewhere when that in `directory` is too long."""
    if demo_config.fits_socket(directory):
        yield demo_config.SOCKET
    else:
        with TemporaryDirectory(prefix="postern-demo-") as spare:
            yield str(Path(spare) / demo_config.SOCKET)


def _check_free(ports: DemoPorts) -> None:
    """Names every taken port before anything starts.

    Raises:
        ConfigurationError: one is taken.
    """
    taken = [f"{port} ({name})" for name, port in ports._asdict().items() if not _is_free(port)]
    if taken:
        raise ConfigurationError(
            f"{HOST}: port {', '.join(taken)} is taken; free it, or take free ports with"
            " `postern demo --ports auto`"
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the listeners do it: a port with connections in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True

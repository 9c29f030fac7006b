"""Asks the live daemon: HTTP over its control socket."""

import argparse
import http.client
import json
import socket
from pathlib import Path
from typing import Any

from postern.commands.failure import REFUSED, UNREACHABLE, CommandError, DaemonAbsentError
from postern.commands.options import config_path, control_path

TIMEOUT_S = 30.0


class _SocketConnection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class ControlClient:
    """The daemon of one configuration file."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._path = control_path(config)

    def call(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Does one operation of `admin_api.control` and returns its facts.

        Raises:
            DaemonAbsentError: nobody answers.
            CommandError: the daemon refuses; the text is the daemon's.
        """
        connection = _SocketConnection(self._path)
        try:
            connection.request(
                "POST",
                f"/control/{operation}",
                json.dumps(arguments),
                {"Content-Type": "application/json"},
            )
            response = connection.getresponse()
            status, body = response.status, response.read()
        except (FileNotFoundError, ConnectionRefusedError):
            raise DaemonAbsentError(
                f"no daemon answers on {self._path}: start it with `postern serve -c "
                f"{self._config}`"
            ) from None
        except PermissionError:
            raise CommandError(
                f"control socket {self._path}: not allowed: run as the user of the daemon",
                UNREACHABLE,
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(
                f"control socket {self._path}: {error or type(error).__name__}: see the log of the "
                "daemon",
                UNREACHABLE,
            ) from None
        finally:
            connection.close()
        return self._facts(status, body)

    def _facts(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            facts = json.loads(body)
        except ValueError:
            facts = None
        if not isinstance(facts, dict):
            raise CommandError(
                f"control socket {self._path}: HTTP {status} without JSON: something else answers",
                UNREACHABLE,
            )
        if status != http.HTTPStatus.OK:
            raise CommandError(str(facts.get("error", f"HTTP {status}")), REFUSED)
        return facts


def daemon(args: argparse.Namespace) -> ControlClient:
    """The daemon of the configuration that the command line leads to.

    Raises:
        CommandError: there is no such configuration.
    """
    return ControlClient(config_path(args))

"""The operator's listeners: metrics and health over TCP, operations over a Unix socket.

The TCP side changes nothing and shows no customer's data, so it needs no login.  The socket has
mode 0600: who may open it may steer the daemon.
"""

import asyncio
import errno
import os
import socket
import stat
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from admin_api.control import control_routes
from admin_api.health import readiness
from admin_api.metrics import build_registry
from admin_api.operations import Operations
from gateway.runtime.metrics import Counters

DRAIN_S = 1.0
CONNECT_S = 1.0  # a daemon that is alive takes the connection at once
MOST_REQUEST_OCTETS = 1 << 20
_BACKLOG = 16


class AdminServer:
    """Both listeners.  `start` and `stop` are idempotent.

    `control_path` None opens no socket.  The composition root sets `listening` once the customers'
    listeners are up.
    """

    def __init__(
        self, operations: Operations, counters: Counters, control_path: Path | None
    ) -> None:
        self._operations = operations
        self._registry = build_registry(counters, operations)
        self._control_path = control_path
        self._runners: list[web.AppRunner] = []
        self._control: asyncio.Server | None = None
        self._port = 0
        self.listening = False

    @property
    def port(self) -> int:
        """The TCP port once started; 0 when it does not listen on TCP."""
        return self._port

    async def start(self, address: tuple[str, int] | None) -> None:
        """Begins to listen: on `address` unless it is None, and on the control socket.

        Raises:
            OSError: the address or the socket's path is taken.
        """
        if self._runners:
            return
        try:
            if self._control_path is not None:
                await self._start_control(self._control_path)
            if address is not None:
                await self._start_tcp(*address)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Closes both listeners and removes the socket."""
        self.listening = False
        control, self._control = self._control, None
        if control is not None:
            control.close()
            if self._control_path is not None:
                self._control_path.unlink(missing_ok=True)
        runners, self._runners = self._runners, []
        for runner in runners:
            await runner.cleanup()

    async def _start_tcp(self, host: str, port: int) -> None:
        runner = await self._runner(build_app(self._operations, self._registry, self))
        site = web.TCPSite(runner, host, port)
        await site.start()
        self._port = site.port

    async def _start_control(self, path: Path) -> None:
        app = web.Application(client_max_size=MOST_REQUEST_OCTETS)
        app.add_routes(control_routes(self._operations))
        listener = _listening_socket(path)
        runner = await self._runner(app)
        loop = asyncio.get_running_loop()
        self._control = await loop.create_unix_server(_factory(runner), sock=listener)

    async def _runner(self, app: web.Application) -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_S)
        await runner.setup()
        self._runners.append(runner)
        return runner


def build_app(
    operations: Operations, registry: CollectorRegistry, server: AdminServer
) -> web.Application:
    """What monitoring reads: /metrics, /healthz and /readyz."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        found = await readiness(operations, listening=server.listening)
        return web.json_response(found.facts(), status=200 if found.is_ready else 503)

    app = web.Application(client_max_size=MOST_REQUEST_OCTETS)
    app.add_routes(
        [
            web.get("/metrics", metrics),
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
        ]
    )
    return app


def _factory(runner: web.AppRunner) -> web.Server:
    if runner.server is None:
        raise RuntimeError("the runner is not set up")
    return runner.server


def _listening_socket(path: Path) -> socket.socket:
    """A bound socket only its owner may open; a file that a dead daemon left is replaced.

    Raises:
        OSError: a live daemon answers there, or the path is something else.
    """
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)  # before listen(): until then nobody can connect
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(
            error.errno, f"control socket {path}: {os.strerror(error.errno or 0)}"
        ) from None
    return listener


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, f"control socket {path}: a file that is no socket is there")
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(CONNECT_S)
    try:
        probe.connect(str(path))
    except ConnectionRefusedError:
        path.unlink()
    except OSError as error:
        raise OSError(error.errno, f"control socket {path}: {error.strerror or error}") from None
    else:
        raise OSError(errno.EADDRINUSE, f"control socket {path}: another daemon answers there")
    finally:
        probe.close()

"""A listening HTTP server around one application, with every limit of its own."""

import socket
import ssl

from aiohttp import web

IDLE_TIMEOUT_S = 75.0  # a connection between requests, or one that has not finished its headers
DRAIN_S = 5.0
BACKLOG = 512  # connections that wait to be accepted
LINGER_S = 5.0  # reading on after an answer that came before the end of the request body
MAX_LINE_OCTETS = 8190  # request line
MAX_HEADER_OCTETS = 8190  # one header field
MAX_HEADERS = 64


class HttpListener:
    """Serves `app` on one address.  `start` and `stop` are idempotent.

    `port` 0 takes a free one; `tls` None means plain HTTP.  `drain_s` is how long `stop` lets
    running requests go on.
    """

    def __init__(
        self,
        app: web.Application,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        drain_s: float = DRAIN_S,
    ) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._tls = tls
        self._idle_timeout_s = idle_timeout_s
        self._drain_s = drain_s
        self._runner: web.AppRunner | None = None
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port it listens on once bound."""
        return self._port

    def bind(self) -> None:
        """Takes the address: clients may connect from now on, and wait until `start`.

        Raises:
            OSError: the address is taken or not ours.
        """
        if self._socket is None:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            self._socket = socket.create_server(
                (self._host, self._port), family=family, backlog=BACKLOG
            )
            self._port = self._socket.getsockname()[1]

    async def start(self) -> None:
        """Binds, unless that is done, and begins to serve.

        Raises:
            OSError: the address is taken or not ours.
        """
        if self._runner is not None:
            return
        self.bind()
        runner = web.AppRunner(
            self._app,
            access_log=None,
            shutdown_timeout=self._drain_s,
            keepalive_timeout=self._idle_timeout_s,
            lingering_time=LINGER_S,
            max_line_size=MAX_LINE_OCTETS,
            max_field_size=MAX_HEADER_OCTETS,
            max_headers=MAX_HEADERS,
        )
        await runner.setup()
        if self._socket is None:
            raise RuntimeError("bind() leaves a socket")
        await web.SockSite(runner, self._socket, ssl_context=self._tls).start()
        self._runner = runner

    async def stop(self) -> None:
        """Stops accepting at once, lets running requests end for up to `drain_s`, then closes."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

"""Stands between the gateway and a simulated carrier and keeps what the gateway writes."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

LIMIT_S = 10.0


class WireTap:
    """Listens on a port of its own and connects to `target_port` for whoever comes."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._written = bytearray()
        self._sockets = [self._server]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):  # it may have ended already
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(LIMIT_S)

    @property
    def written(self) -> bytes:
        """Everything the gateway wrote so far, over all connections."""
        return bytes(self._written)

    def _run(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                gateway = self._server.accept()[0]
            except OSError:
                return
            carrier = socket.create_connection(("127.0.0.1", self._target_port), LIMIT_S)
            carrier.settimeout(None)
            self._sockets += [gateway, carrier]
            self._run(self._pump, gateway, carrier, self._written)
            self._run(self._pump, carrier, gateway, bytearray())

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        try:
            while octets := source.recv(65536):
                kept += octets
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

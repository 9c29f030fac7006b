"""An HTTP server of the customer's, for tests that block: it keeps what is posted to it."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Caught(NamedTuple):
    path: str
    headers: dict[str, str]
    octets: bytes


@contextmanager
def catching(*statuses: int) -> Iterator[tuple[str, "queue.Queue[Caught]"]]:
    """Its base URL, and the requests it gets; it answers `statuses` in their order, then 204."""
    caught: queue.Queue[Caught] = queue.Queue()
    answers = iter(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            octets = self.rfile.read(int(self.headers["Content-Length"]))
            caught.put(Caught(self.path, dict(self.headers), octets))
            self.send_response(next(answers, 204))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", caught
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

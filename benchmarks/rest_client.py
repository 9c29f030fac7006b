"""The customer's side of the path over REST: kept connections, one request at a time on each.

HTTP/1.1 written and read by hand: a full client would cost more than the gateway it measures.
Only answers with a Content-Length are understood, which is what the gateway sends.
"""

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass
from time import monotonic
from typing import cast

from benchmarks.esme import DESTINATION_PREFIX, SENDER
from benchmarks.latency import Percentiles, slots, summarize
from benchmarks.rest_api import Api, accepted, render_request

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestOptions:
    """What to send: `count` recipients, `per_request` of them in each request."""

    port: int
    token: str
    connections: int
    per_request: int
    count: int
    offset: int
    timeout_s: float
    sender: str = SENDER
    api: Api = Api.EXOSEND


@dataclass(frozen=True, slots=True, kw_only=True)
class RestReport:
    """What came back; `statuses` counts requests, `accepted` recipients."""

    accepted: int
    statuses: dict[str, int]
    unanswered: int
    started_at: float
    ended_at: float
    cpu_s: float
    response_ms: Percentiles


def parse_answer(buffer: bytes) -> tuple[int, bytes] | None:
    """Status and body of the answer in `buffer`, or None while it is not complete.

    Raises:
        ValueError: an answer without Content-Length.
    """
    head_end = buffer.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    match = _CONTENT_LENGTH.search(buffer, 0, head_end)
    if match is None:
        raise ValueError(f"an answer without Content-Length: {buffer[:head_end]!r}")
    body = buffer[head_end + 4 :]
    return None if len(body) < int(match[1]) else (int(buffer[9:12]), body)


class RestLoad:
    """The whole load; requests are numbered from 0."""

    def __init__(self, options: RestOptions) -> None:
        self.options = options
        self.requests = -(-options.count // options.per_request)
        self.response_s = slots(self.requests)
        self.statuses: Counter[int] = Counter()
        self.accepted = 0
        self.next_request = 0
        self.done = asyncio.Event()

    async def run(self) -> RestReport:
        """Sends everything and waits for the answers, each for at most `timeout_s`."""
        loop = asyncio.get_running_loop()
        links = [
            (await loop.create_connection(lambda: RestLink(self), "127.0.0.1", self.options.port))[
                1
            ]
            for _ in range(self.options.connections)
        ]
        cpu_s, started_at = time.process_time(), monotonic()
        for link in links:
            link.send_next()
        answered = -1
        while not self.done.is_set() and answered != self.statuses.total():
            answered = self.statuses.total()
            try:
                async with asyncio.timeout(self.options.timeout_s):
                    await self.done.wait()
            except TimeoutError:
                continue
        return RestReport(
            accepted=self.accepted,
            statuses={str(status): n for status, n in sorted(self.statuses.items())},
            unanswered=self.requests - self.statuses.total(),
            started_at=started_at,
            ended_at=monotonic(),
            cpu_s=time.process_time() - cpu_s,
            response_ms=summarize(self.response_s),
        )

    def answered(self, status: int, body: bytes) -> None:
        """Counts one answer."""
        self.statuses[status] += 1
        self.accepted += accepted(self.options.api, status, body)
        if self.statuses.total() == self.requests:
            self.done.set()


class RestLink(asyncio.Protocol):
    """One kept connection."""

    _transport: asyncio.Transport

    def __init__(self, load: RestLoad) -> None:
        self._load = load
        self._buffer = b""
        self._request = 0
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits for the start."""
        self._transport = cast(asyncio.Transport, transport)

    def send_next(self) -> None:
        """Takes the next request, if there is one left."""
        load = self._load
        if load.next_request == load.requests:
            return
        self._request = load.next_request
        load.next_request += 1
        options = load.options
        first = self._request * options.per_request
        last = min(first + options.per_request, options.count)
        numbers = [f"{DESTINATION_PREFIX}{options.offset + n:08d}" for n in range(first, last)]
        request = render_request(options.api, options.port, options.token, numbers, options.sender)
        self._sent_at = monotonic()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Counts an answer once it is whole, and goes on."""
        self._buffer += data
        answer = parse_answer(self._buffer)
        if answer is None:
            return
        self._buffer = b""
        self._load.response_s[self._request] = monotonic() - self._sent_at
        self._load.answered(*answer)
        self.send_next()

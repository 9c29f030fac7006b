"""Receipts of the HTTP carrier on their way to the customer's callback URL."""

import asyncio
import logging
from typing import NamedTuple

from gateway.ports import Clock
from gateway.runtime.supervisor import Supervisor
from postern.simulator.tally import Tally
from protocols.http.outgoing import AnswerLost, NotSent, OutgoingSession

log = logging.getLogger("postern.simulator.callbacks")

CALLERS = 16  # callbacks at one time
CALLBACK_TIMEOUT_S = 10.0
# Waits after the first, second ... failure; after the last try a receipt is given up.
RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
MOST_PENDING = 50_000


class Callback(NamedTuple):
    """One call; `failures` counts those before it."""

    url: str
    body: bytes
    failures: int = 0


class CallbackSender:
    """Calls back after a delay and again when the receiver does not answer with 2xx.

    `is_full` is the bound: whoever adds calls asks it first.
    """

    def __init__(self, clock: Clock, supervisor: Supervisor, tally: Tally) -> None:
        self._clock = clock
        self._supervisor = supervisor
        self._tally = tally
        self._session = OutgoingSession("postern-simulator", timeout_s=CALLBACK_TIMEOUT_S)
        self._due: asyncio.Queue[Callback] = asyncio.Queue()
        self._callers: list[asyncio.Task[None]] = []
        self.pending = 0

    @property
    def is_full(self) -> bool:
        """Whether so many calls are pending that no more may be added."""
        return self.pending >= MOST_PENDING

    def start(self) -> None:
        """Begins to call.  Idempotent."""
        if not self._callers:
            self._callers = [
                self._supervisor.spawn(self._call_all(), name=f"callback-{number}")
                for number in range(CALLERS)
            ]

    async def stop(self) -> None:
        """Stops calling; what was not called back yet is lost.  Idempotent."""
        callers, self._callers = self._callers, []
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        await self._session.close()

    def add(self, delay_s: float, callback: Callback) -> None:
        """Calls back in `delay_s`."""
        self.pending += 1
        self._clock.call_later(delay_s, self._due.put_nowait, callback)

    async def call(self, callback: Callback) -> None:
        """Calls back now; a failed call is repeated later."""
        self.pending += 1
        await self._call(callback)

    async def _call_all(self) -> None:
        while True:
            await self._call(await self._due.get())

    async def _call(self, callback: Callback) -> None:
        self._tally.receipts_sent += 1
        if await self._is_taken(callback):
            self._tally.receipts_taken += 1
            self.pending -= 1
        elif callback.failures < len(RETRY_S):
            again = callback._replace(failures=callback.failures + 1)
            self._clock.call_later(RETRY_S[callback.failures], self._due.put_nowait, again)
        else:
            self.pending -= 1
            log.warning("callback.given_up", extra={"fields": {"tries": callback.failures + 1}})

    async def _is_taken(self, callback: Callback) -> bool:
        headers = {"Content-Type": "application/json"}
        try:
            answer = await self._session.exchange("POST", callback.url, headers, callback.body)
        except (NotSent, AnswerLost):
            return False
        return 200 <= answer.status <= 299

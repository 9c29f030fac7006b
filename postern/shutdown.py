"""The two-stage stop: nothing new is taken, what is under way ends, and neither waits for ever.

The order: what was accepted is committed and answered; providers answer what they have, and what
they have not answered by the deadline is in doubt; answers and receipts are committed; customers
unbind; the rest is committed; the store closes.  Every wait has an end of its own, because any
peer, and the store as well, may be the one that does not answer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from admin_api.app import AdminServer
from postern.heart import Heart
from postern.south import South
from protocols.http.listener import HttpListener
from protocols.http.webhook import WebhookNotifier
from protocols.smpp.server import SmppServer

log = logging.getLogger("postern.shutdown")

COMMIT_S = 1.0  # for what was accepted, before the providers begin to drain
LEAST_DRAIN_S = 0.2
UNBIND_S = 1.0  # for peers to agree to the end of a connection
CLOSE_S = 1.0  # for tasks to end, then for the store to close


@dataclass(slots=True)
class Doors:
    """What listens or tells customers; None is switched off, or not open yet."""

    rest: HttpListener | None = None
    smpp: SmppServer | None = None
    admin: AdminServer | None = None
    webhooks: WebhookNotifier | None = None

    def turn_away(self) -> None:
        """Not ready any more, and no new SMPP connections; REST goes on to answer, with 503."""
        if self.admin is not None:
            self.admin.listening = False
        if self.smpp is not None:
            self.smpp.stop_listening()

    async def close(self) -> None:
        """All at the same time: each waits for peers that may not answer, up to `UNBIND_S`."""
        closing = []
        if self.rest is not None:
            closing.append(self.rest.stop())
        if self.smpp is not None:
            closing.append(self.smpp.stop(UNBIND_S))
        if self.admin is not None:
            closing.append(self.admin.stop())
        await asyncio.gather(*closing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """What a stop could not finish.

    `unwritten`: messages whose newest change is only in memory.  Nobody was told of it: no accept,
    receipt or notification is acknowledged before it is on disk.  `is_stuck`: the store did not
    close, so its threads may keep the process.
    """

    unwritten: int
    is_stuck: bool

    def __str__(self) -> str:
        if self.is_stuck and not self.unwritten:
            return "everything is on disk, but the store did not close"
        return (
            "the store took no more writes; messages whose newest state is only in memory: "
            f"{self.unwritten}.  Nobody was told of it; what a provider took may be sent again"
        )


class Shutdown:
    """One stop of one daemon."""

    def __init__(self, heart: Heart, south: South, doors: Doors) -> None:
        self._heart = heart
        self._south = south
        self._doors = doors
        self._clock = heart.clock

    async def run(self, deadline_s: float) -> Leftover | None:
        """Stops everything; None when nothing is left over.

        It takes as little as the peers allow; at most `deadline_s` and, when nobody answers, the
        limits above.
        """
        heart, now = self._heart, self._clock.monotonic
        end = now() + deadline_s
        self._doors.turn_away()
        heart.admission.stopping = heart.dispatcher.stopping = True
        await self._written_by(min(end, now() + COMMIT_S))
        await self._drain(max(LEAST_DRAIN_S, end - now() - UNBIND_S))
        await self._written_by(end)
        await self._within(3 * UNBIND_S, self._doors.close)
        is_written = await self._written_by(max(end, now()) + UNBIND_S)
        unwritten = 0 if is_written else len(heart.journal.uncommitted_keys())
        await self._within(CLOSE_S, heart.supervisor.stop)
        heart.switchboard.close()
        if heart.message_log is not None:
            heart.message_log.close()
        is_closed = await self._within(CLOSE_S, heart.store.close)
        if is_written and is_closed:
            return None
        return Leftover(unwritten=unwritten, is_stuck=not is_closed)

    async def _drain(self, deadline_s: float) -> None:
        """Providers and webhooks finish what they have begun."""
        draining = [self._south.stop(deadline_s)]
        if self._doors.webhooks is not None:
            draining.append(self._doors.webhooks.drain(deadline_s))
        await asyncio.gather(*draining)

    async def _written_by(self, end: float) -> bool:
        """Waits until everything is on disk; False when it is not by `end`."""
        return await self._within(end - self._clock.monotonic(), self._journal_idle)

    async def _journal_idle(self) -> None:
        idle = asyncio.Event()
        self._heart.journal.when_idle(idle.set)
        await idle.wait()

    async def _within(self, limit_s: float, wait: Callable[[], Awaitable[None]]) -> bool:
        try:
            async with asyncio.timeout(max(0.05, limit_s)):
                await wait()
        except TimeoutError:
            return False
        return True

"""Cancelling: ends a message that waits, in memory or on disk, and says why another cannot be.

The dispatcher decides about a live message and money and notification are the fates' affair, as for
every other end; here is how the message is found and how it is made sure that a row read from disk
is still the truth.
"""

import asyncio
from enum import Enum, auto
from typing import NamedTuple

from gateway.domain.account import Account, Credential
from gateway.domain.commit_group import StoredMessage
from gateway.domain.errors import StoreUnavailable
from gateway.domain.lifecycle import MessageState, is_final
from gateway.domain.message import Message
from gateway.flow.backlog import Backlogs
from gateway.flow.dispatcher import Dispatcher, bound_provider
from gateway.flow.journal import Journal
from gateway.flow.restore import restored
from gateway.ports import MessageStore

_TRIES = 5  # reads of a row whose newest state is on its way to disk


class CancelVerdict(Enum):
    """What became of a cancel."""

    CANCELLED = auto()
    BEING_SENT = auto()  # with a provider that has not answered, or a moment before or after
    PART_HAS_LEFT = auto()
    HAS_LEFT = auto()
    HAS_ENDED = auto()


class Cancelled(NamedTuple):
    """The verdict, and the message as it is now."""

    verdict: CancelVerdict
    message: Message


class Cancellation:
    """Finds a message wherever it waits and ends it as CANCELLED."""

    def __init__(
        self,
        store: MessageStore,
        journal: Journal,
        dispatcher: Dispatcher,
        backlogs: Backlogs,
        *,
        accounts: dict[int, Account],
        credentials: dict[int, Credential],
    ) -> None:
        self._store = store
        self._journal = journal
        self._dispatcher = dispatcher
        self._backlogs = backlogs
        self._accounts = accounts
        self._credentials = credentials

    async def cancel(self, key: int) -> Cancelled | None:
        """Ends the message if it waits; a cancellation is on disk when this returns.

        None: there is no such message.

        Raises:
            StoreUnavailable: the store takes no writes, or the row cannot be read.
        """
        if not self._journal.available:
            raise StoreUnavailable("the store does not take writes: nothing was cancelled")
        for _ in range(_TRIES):
            live = self._backlogs.live.get(key)
            if live is not None:
                return await self._cancel(live)
            with self._backlogs.watched() as unsettled:
                row = await self._store.message(key)
            if row is None:
                return None
            message = self._restored(row)
            if key not in self._backlogs.live and key not in unsettled:
                return await self._cancel(message)
            await self._committed()
        return Cancelled(CancelVerdict.BEING_SENT, message)

    async def _cancel(self, message: Message) -> Cancelled:
        if not self._dispatcher.cancel(message):
            return Cancelled(_why_not(message), message)
        await self._committed()
        return Cancelled(CancelVerdict.CANCELLED, message)

    def _restored(self, row: StoredMessage) -> Message:
        return restored(row, self._accounts, self._credentials)

    async def _committed(self) -> None:
        """Waits until everything appended so far is on disk, what only rides along as well."""
        self._journal.flush_soon()
        is_stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._journal.after_commit(_set, is_stored)
        await is_stored


def _set(token: object, _stored: bool) -> None:
    assert isinstance(token, asyncio.Future)  # noqa: S101 - made above
    if not token.done():  # whoever waited may be gone
        token.set_result(None)


def _why_not(message: Message) -> CancelVerdict:
    if is_final(message.state):
        return CancelVerdict.HAS_ENDED
    if message.state == MessageState.SENT:
        return CancelVerdict.HAS_LEFT
    if bound_provider(message) is not None:
        return CancelVerdict.PART_HAS_LEFT
    return CancelVerdict.BEING_SENT

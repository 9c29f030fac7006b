"""Sender ids: customers ask for them, the administrator approves and the provider verifies.

Every change is written first and then live in the same turn of the loop.  Changes take turns, so
that none is decided from rows that another is about to change.
"""

import asyncio
from collections.abc import Sequence
from enum import StrEnum

from gateway.domain.account import ANY_SENDER, Account
from gateway.domain.identity import Origin, SenderState, SenderVerification, StoredSender
from gateway.flow.directory import AccountDirectory
from gateway.flow.journal import Journal
from gateway.ports import Clock, SenderStore, SenderVerdict

COUNT_PAGE = 10_000  # messages counted in one step
COUNT_PAUSE_S = 0.01


class SenderDecision(StrEnum):
    """What an operator says of a sender id, for himself or in the provider's place."""

    APPROVE = "approved"
    REJECT = "rejected"
    VERIFY = "verified"
    REFUSE = "refused"


class Senders:
    """`ports.SenderIds`, and the operator's decisions."""

    def __init__(
        self, store: SenderStore, directory: AccountDirectory, journal: Journal, clock: Clock
    ) -> None:
        self._store = store
        self._directory = directory
        self._journal = journal
        self._clock = clock
        self._changing = asyncio.Lock()

    # -- ports.SenderIds -------------------------------------------------------------------------

    async def list(self, account: Account) -> Sequence[StoredSender]:
        """All of them, in the order they were made; "any sender" is none."""
        await self.count_messages()
        return [_shown(row, account) for row in await self._rows(account)]

    async def request(self, account: Account, name: str) -> StoredSender | None:
        """Asks for a new one, which waits for both stages; None: the name is taken."""
        async with self._changing:
            return await self._store.request_sender(account.id, name, self._clock.now_ms())

    async def make_default(self, account: Account, sender_id: int) -> StoredSender | SenderVerdict:
        """The one that is used when a request names none."""
        async with self._changing:
            row = await self._row(account, sender_id)
            if row is None:
                return SenderVerdict.NOT_FOUND
            if not await self._store.make_default(account.id, sender_id):
                return SenderVerdict.NOT_VERIFIED
            await self._directory.reload_senders()
        return row._replace(is_default=True)

    async def delete(self, account: Account, sender_id: int) -> SenderVerdict | None:
        """Removes one that was never used; None: done."""
        async with self._changing:
            await self.count_messages()
            row = await self._row(account, sender_id)
            if row is None:
                return SenderVerdict.NOT_FOUND
            if _is_declared(row):
                return SenderVerdict.DECLARED
            if _shown(row, account).is_default:
                return SenderVerdict.IS_DEFAULT
            if row.message_count or not await self._delete_unused(account, row):
                return SenderVerdict.HAS_MESSAGES
        return None

    async def _delete_unused(self, account: Account, row: StoredSender) -> bool:
        """False when a message was accepted with it after all."""
        # Out of memory first: what is accepted with it from now on would not be counted.
        account.senders.discard(row.name)
        is_deleted = False
        try:
            await self._committed()
            await self.count_messages()
            is_deleted = await self._store.delete_sender(row.id)
        finally:
            if row.may_send and not is_deleted:
                account.senders.add(row.name)
        return is_deleted

    async def _committed(self) -> None:
        """Waits until everything accepted so far is on disk."""
        self._journal.require_store()
        on_disk: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._journal.after_commit(_tell, on_disk)
        await on_disk

    # -- the operator ----------------------------------------------------------------------------

    async def decide(
        self, account: Account, name: str, decision: SenderDecision, reason: str
    ) -> StoredSender | SenderVerdict:
        """Moves a sender to its next stage, or back; one that nobody asked for may be approved.

        Returns the row as it is now; or NOT_FOUND, DECLARED (an approved sender of the file is
        taken out there) or NOT_VERIFIED (the provider has no say before it is approved).
        """
        async with self._changing:
            known = await self._named(account, name)
            if known is None and decision != SenderDecision.APPROVE:
                return SenderVerdict.NOT_FOUND
            stages = _stages(known, decision)
            if isinstance(stages, SenderVerdict):
                return stages
            state, verification = stages
            if known is None or not _is_declared(known):
                await self._store.set_sender(
                    account.id, name, state, verification, reason, Origin.STORE,
                    self._clock.now_ms(),
                )  # fmt: skip
                await self._directory.reload_senders()
            row = await self._named(account, name)
        return SenderVerdict.NOT_FOUND if row is None else _shown(row, account)

    # -- counting --------------------------------------------------------------------------------

    async def count_messages(self) -> None:
        """Counts what was accepted since the last time, in small steps.  Raises StoreUnavailable.

        Retention asks for it too: what is purged can no longer be counted.
        """
        while await self._store.count_messages(COUNT_PAGE) == COUNT_PAGE:
            await self._clock.sleep(COUNT_PAUSE_S)

    # -- rows ------------------------------------------------------------------------------------

    async def _rows(self, account: Account) -> Sequence[StoredSender]:
        rows = await self._store.load_senders(account.id)
        return [row for row in rows if row.name != ANY_SENDER]

    async def _row(self, account: Account, sender_id: int) -> StoredSender | None:
        return next((row for row in await self._rows(account) if row.id == sender_id), None)

    async def _named(self, account: Account, name: str) -> StoredSender | None:
        rows = await self._store.load_senders(account.id)
        return next((row for row in rows if row.name == name), None)


def _tell(token: object, _is_stored: bool) -> None:
    assert isinstance(token, asyncio.Future)  # noqa: S101 - made above
    if not token.done():  # whoever waited may be gone
        token.set_result(None)


def _shown(row: StoredSender, account: Account) -> StoredSender:
    """`is_default` as it counts: the file's first sender is the default while none was chosen."""
    return row._replace(is_default=row.may_send and row.name == account.default_sender)


def _is_declared(row: StoredSender) -> bool:
    return row.origin == Origin.FILE and row.state == SenderState.APPROVED


def _stages(
    known: StoredSender | None, decision: SenderDecision
) -> tuple[SenderState, SenderVerification] | SenderVerdict:
    """Both stages after `decision`.

    What a customer asks for waits for the provider's word; a sender of the operator's own making
    needs none.
    """
    if known is None:
        return SenderState.APPROVED, SenderVerification.VERIFIED
    if _is_declared(known) and decision in (SenderDecision.REJECT, SenderDecision.REFUSE):
        return SenderVerdict.DECLARED
    if decision == SenderDecision.APPROVE:
        return SenderState.APPROVED, known.verification
    if decision == SenderDecision.REJECT:
        return SenderState.REJECTED, known.verification
    if known.state != SenderState.APPROVED:
        return SenderVerdict.NOT_VERIFIED
    if decision == SenderDecision.VERIFY:
        return SenderState.APPROVED, SenderVerification.VERIFIED
    return SenderState.APPROVED, SenderVerification.REJECTED

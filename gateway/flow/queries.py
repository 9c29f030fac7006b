"""What doors may ask: one message, one stored answer.  Never another tenant's."""

from gateway.domain.account import Account
from gateway.domain.commit_group import StoredMessage
from gateway.domain.message import IdempotencyKey, Message, StoredAnswer
from gateway.flow.backlog import Backlogs
from gateway.ports import Clock, MessageStore

IDEMPOTENCY_KEEP_MS = 24 * 3_600_000


class Queries:
    """`ports.MessageReader`: memory when it is newer, else the store's readers."""

    def __init__(self, store: MessageStore, backlogs: Backlogs, clock: Clock) -> None:
        self._store = store
        self._backlogs = backlogs
        self._clock = clock

    async def message(self, account: Account, key: int) -> Message | StoredMessage | None:
        """One message of `account`, or None: unknown and other tenants' look the same."""
        live = self._backlogs.live.get(key)
        if live is not None:
            return live if live.account is account else None
        row = await self._store.message(key)
        return row if row is not None and row.account_id == account.id else None

    async def stored_answer(self, account: Account, key: IdempotencyKey) -> StoredAnswer | None:
        """The answer already given for this idempotency key within 24 hours, or None."""
        since_ms = self._clock.now_ms() - IDEMPOTENCY_KEEP_MS
        return await self._store.stored_answer(account.id, key, since_ms)

"""Charges for what is no message, such as number queries: reserved in memory, then committed."""

import asyncio

from gateway.domain.account import Account, Door
from gateway.domain.charge import Charge
from gateway.domain.commit_group import LedgerKind
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.keys import KeyMaker
from gateway.flow.journal import Journal
from gateway.ports import Clock

RETRY_S = 1.0  # what is given back while the store is away


class Charges:
    """`ports.Charges`."""

    def __init__(self, journal: Journal, keys: KeyMaker, clock: Clock) -> None:
        self._journal = journal
        self._keys = keys
        self._clock = clock

    async def charge(
        self, account: Account, door: Door, amount_micros: int, note: str
    ) -> Refusal | None:
        """Takes `amount_micros` (0 or more) from `account`; None once that is on disk."""
        if not amount_micros:
            return None
        refusal = self._journal.refusal()
        if refusal is not None:
            return refusal
        if account.available_micros - amount_micros < account.limit_micros:
            return Refusal(RefusalCode.NO_CREDIT, "the available amount is too low")
        return await self._move(account, door, -amount_micros, note)

    async def give_back(self, account: Account, door: Door, amount_micros: int, note: str) -> None:
        """Returns `amount_micros` (0 or more) to `account`; ends when that is on disk.

        While the store is away the account does without and this tries again: memory never has more
        than the store will confirm.
        """
        while amount_micros and await self._move(account, door, amount_micros, note) is not None:
            await self._clock.sleep(RETRY_S)

    async def _move(
        self, account: Account, door: Door, amount_micros: int, note: str
    ) -> Refusal | None:
        """Moves the signed amount; a Refusal says that memory and store are as before."""
        account.balance_micros += amount_micros
        decided: asyncio.Future[Charge | Refusal] = asyncio.get_running_loop().create_future()
        charge = Charge(
            self._keys.next(self._clock.now_ms()), account, door, LedgerKind.FEE, amount_micros,
            note=note,
        )  # fmt: skip
        self._journal.accept_charge(charge, _tell, decided)
        # Shielded: whoever asked may go away, the money has moved all the same.
        result = await asyncio.shield(decided)
        return result if isinstance(result, Refusal) else None


def _tell(decided: "asyncio.Future[Charge | Refusal]", result: Charge | Refusal) -> None:
    if not decided.done():
        decided.set_result(result)

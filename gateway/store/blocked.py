"""Blocked recipients: numbers that nobody, or one account, may not send to."""

# ruff: noqa: S608 - the only thing put into a statement is its placeholders

from collections.abc import Collection, Iterator
from itertools import islice

from gateway.store.engine import Engine, placeholders

_AT_ONCE = 200  # rows in one statement


class Blocked:
    """`ports.BlockedStore`.  account_id 0 stands for every account."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def page(self, after: tuple[int, int], limit: int) -> list[tuple[int, int]]:
        """Entries past `after`: (account id or 0, number), in that order."""
        rows = await self._engine.fetch(
            "SELECT account_id, recipient FROM blocked WHERE (account_id, recipient) > (?, ?)"
            " ORDER BY account_id, recipient LIMIT ?",
            *after,
            limit,
        )
        return [(account_id, recipient) for account_id, recipient in rows]

    async def block(self, account_id: int, numbers: Collection[int]) -> None:
        """Adds these; those that are there stay."""
        async with self._engine.transaction() as transaction:
            for some in _slices(numbers):
                pairs = [value for number in some for value in (account_id, number)]
                await transaction.execute(
                    "INSERT INTO blocked (account_id, recipient) VALUES"
                    f" {', '.join(['(?, ?)'] * len(some))}"
                    " ON CONFLICT (account_id, recipient) DO NOTHING",
                    *pairs,
                )

    async def unblock(self, account_id: int, numbers: Collection[int]) -> None:
        """Removes these."""
        async with self._engine.transaction() as transaction:
            for some in _slices(numbers):
                await transaction.execute(
                    "DELETE FROM blocked WHERE account_id = ?"
                    f" AND recipient IN ({placeholders(len(some))})",
                    account_id,
                    *some,
                )


def _slices(numbers: Collection[int]) -> Iterator[list[int]]:
    rest = iter(numbers)
    while some := list(islice(rest, _AT_ONCE)):
        yield some

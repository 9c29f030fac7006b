"""The operator's verbs on the blocklist of a live daemon."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from admin_api.operations import OperationRefusedError
from gateway.domain.account import Account, NumberCheck
from gateway.flow.blocking import Blocking
from gateway.policy.blocklist import EVERYBODY
from gateway.policy.numbering import NumberPlan, is_region
from gateway.ports import Clock

READ_AT_ONCE = 200  # numbers between two turns of the loop

Facts = dict[str, object]
Change = Callable[[int, set[int]], Awaitable[int]]


class BlockOperations:
    """Reads numbers as customers write them, and changes or lists the blocklist.

    `account` None stands for every account.
    """

    def __init__(self, blocking: Blocking, numbers: NumberPlan, clock: Clock) -> None:
        self._blocking = blocking
        self._numbers = numbers
        self._clock = clock

    async def block(self, account: Account | None, numbers: Sequence[str], region: str) -> Facts:
        """Adds to the list; what is no possible number is named and changes nothing."""
        return await self._change(self._blocking.block, account, numbers, region)

    async def unblock(self, account: Account | None, numbers: Sequence[str], region: str) -> Facts:
        """Takes out of the list."""
        return await self._change(self._blocking.unblock, account, numbers, region)

    async def _change(
        self, change: Change, account: Account | None, numbers: Sequence[str], region: str
    ) -> Facts:
        if region and not is_region(region):
            raise OperationRefusedError(f"region {region!r}: must be an ISO 3166 code, such as LV")
        if not region and account is not None:
            region = account.region
        read, invalid = await self._read(numbers, region)
        changed = await change(EVERYBODY if account is None else account.id, read)
        return {
            "account": None if account is None else account.name,
            "numbers": len(numbers),
            "changed": changed,
            "invalid": invalid,
        }

    async def _read(self, numbers: Sequence[str], region: str) -> tuple[set[int], list[str]]:
        read: set[int] = set()
        invalid: list[str] = []
        for position, number in enumerate(numbers):
            if position % READ_AT_ONCE == READ_AT_ONCE - 1:
                await self._clock.sleep(0)
            digits = self._numbers.normalise(number.strip(), region)
            if digits is None or not self._numbers.accepts(digits, NumberCheck.POSSIBLE):
                invalid.append(number)
            else:
                read.add(int(digits))
        return read, invalid

    async def page(
        self, account: Account | None, after: str, limit: int, names: Mapping[int, str]
    ) -> Facts:
        """Entries of `account`, or every entry; those that hold for all accounts come first."""
        start = _position(after) if after else (-1 if account is None else account.id, 0)
        rows = await self._blocking.page(start, limit)
        is_full = len(rows) == limit
        entries = [row for row in rows if account is None or row[0] == account.id]
        is_last = not is_full or len(entries) < len(rows)
        return {
            "size": self._blocking.blocklist.size,
            "entries": [
                {
                    "account": None if id == EVERYBODY else names.get(id, f"account {id}"),
                    "number": f"+{number}",
                }
                for id, number in entries
            ],
            "next_after": None if is_last else f"{rows[-1][0]}-{rows[-1][1]}",
        }


def _position(after: str) -> tuple[int, int]:
    account_id, _, number = after.partition("-")
    try:
        return int(account_id), int(number)
    except ValueError:
        raise OperationRefusedError(
            f"after {after!r}: must be the next_after of an earlier page"
        ) from None

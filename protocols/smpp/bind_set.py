"""The binds that a provider keeps, and how they change without a gap.

A keeper is the task that keeps one bind alive.  When the settings of the sessions change, the binds
of before leave only once all new ones stand: make before break.  An SMSC that has no place for both
refuses a new one; then one of the old gives up its place for it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from protocols.smpp.constants import CommandId


class Bind(Protocol):
    """A connection that is to be a bind, or is one."""

    @property
    def is_bound(self) -> bool:
        """Whether its session stands."""

    def let_go(self) -> None:
        """Takes no more parts, and unbinds once those it carries are answered."""


class Keeper:
    """One bind of kind `command_id`.

    `link` is its connection, None while there is none.  `is_retired`: the bind is not made again
    when it ends.
    """

    __slots__ = ("command_id", "is_retired", "link", "task")

    task: asyncio.Task[None]

    def __init__(self, command_id: CommandId) -> None:
        self.command_id = command_id
        self.is_retired = False
        self.link: Bind | None = None

    @property
    def is_bound(self) -> bool:
        """Whether its session stands."""
        return self.link is not None and self.link.is_bound


class BindSet:
    """The keepers of one provider.

    `keep(keeper)` keeps the bind until it is retired.
    """

    def __init__(
        self,
        name: str,
        *,
        keep: Callable[[Keeper], Coroutine[Any, Any, None]],
        spawn: Callable[..., asyncio.Task[None]],
    ) -> None:
        self._name = name
        self._keep = keep
        self._spawn = spawn
        self._current: list[Keeper] = []
        self._leaving: list[Keeper] = []  # with the settings of before, still at work

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """Those of all keepers that were not let go."""
        return [keeper.task for keeper in (*self._current, *self._leaving)]

    def want(self, kinds: Sequence[CommandId], count: int) -> None:
        """Keeps `count` binds of each kind: more at once, surplus ones as their answers come."""
        for command_id in kinds:
            kept = [keeper for keeper in self._current if keeper.command_id == command_id]
            kept.sort(key=lambda keeper: not keeper.is_bound)  # those that stand stay
            for surplus in kept[count:]:
                self._current.remove(surplus)
                self._retire(surplus)
            for number in range(len(kept), count):
                self._add(command_id, number)

    def renew(self) -> None:
        """The settings of the sessions changed: `want` is to follow, and makes new binds."""
        before, self._current = self._current, []
        for keeper in before:
            if keeper.is_bound:
                keeper.is_retired = True
                self._leaving.append(keeper)
            else:
                self._retire(keeper)

    def stands(self) -> bool:
        """A bind was accepted.  True when the last one was, and those of before leave."""
        if not self._leaving or not all(keeper.is_bound for keeper in self._current):
            return False
        leaving, self._leaving = self._leaving, []
        for keeper in leaving:
            self._retire(keeper)
        return True

    def make_place(self) -> None:
        """The SMSC has no place for a new bind: one of before leaves, if there is any."""
        if self._leaving:
            self._retire(self._leaving.pop())

    def ended(self, keeper: Keeper) -> None:
        """A retired keeper is done."""
        if keeper in self._leaving:
            self._leaving.remove(keeper)

    def _add(self, command_id: CommandId, number: int) -> None:
        keeper = Keeper(command_id)
        self._current.append(keeper)
        keeper.task = self._spawn(
            self._keep(keeper), name=f"bind-{self._name}-{command_id.name.lower()}-{number}"
        )

    def _retire(self, keeper: Keeper) -> None:
        keeper.is_retired = True
        if keeper.link is None:
            keeper.task.cancel()  # it waits, or connects
        else:
            keeper.link.let_go()

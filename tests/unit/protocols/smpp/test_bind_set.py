import asyncio
from collections.abc import AsyncIterator

import pytest

from protocols.smpp.bind_set import BindSet, Keeper
from protocols.smpp.constants import CommandId
from tests.support.clock import settle
from tests.support.smpp_peers import Tasks

TRX, TX, RX = (
    CommandId.BIND_TRANSCEIVER,
    CommandId.BIND_TRANSMITTER,
    CommandId.BIND_RECEIVER,
)


class Session:
    """A bind, or what is to become one."""

    def __init__(self) -> None:
        self.is_bound = False
        self.was_let_go = False
        self.ended = asyncio.Event()

    def let_go(self) -> None:
        self.was_let_go = True


class Pool:
    """A BindSet whose keepers wait for their sessions' end."""

    def __init__(self) -> None:
        self.tasks = Tasks()
        self.kept: list[Keeper] = []  # every keeper that ever began, in that order
        self.set = BindSet("carrier", keep=self._keep, spawn=self.tasks.spawn)

    async def _keep(self, keeper: Keeper) -> None:
        self.kept.append(keeper)
        session = Session()
        keeper.link = session
        await session.ended.wait()
        keeper.link = None
        self.set.ended(keeper)

    def session(self, number: int) -> Session:
        link = self.kept[number].link
        assert isinstance(link, Session)
        return link

    def bind(self, *numbers: int) -> bool:
        """These binds are accepted; whether that was the last one."""
        is_renewed = False
        for number in numbers:
            self.session(number).is_bound = True
            is_renewed = self.set.stands()
        return is_renewed

    def let_go(self) -> list[int]:
        """Numbers of the keepers whose sessions were told to leave."""
        return [n for n in range(len(self.kept)) if self.session(n).was_let_go]


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    made = Pool()
    yield made
    await made.tasks.check()


async def wanting(pool: Pool, count: int, *kinds: CommandId) -> None:
    pool.set.want(kinds or (TRX,), count)
    await settle()


async def test_as_many_of_each_kind_as_wanted(pool: Pool) -> None:
    await wanting(pool, 2, TX, RX)
    assert [keeper.command_id for keeper in pool.kept] == [TX, TX, RX, RX]
    await wanting(pool, 2, TX, RX)
    assert len(pool.kept) == len(pool.set.tasks) == 4


async def test_more_leaves_those_that_stand_alone(pool: Pool) -> None:
    await wanting(pool, 1)
    pool.bind(0)
    await wanting(pool, 3)
    assert len(pool.kept) == 3
    assert pool.let_go() == []


async def test_fewer_keeps_those_that_stand(pool: Pool) -> None:
    await wanting(pool, 3)
    pool.bind(1)
    await wanting(pool, 1)
    assert pool.let_go() == [0, 2]
    assert pool.kept[0].is_retired
    assert not pool.kept[1].is_retired
    assert len(pool.set.tasks) == 1


async def test_a_surplus_keeper_that_only_waits_ends_at_once(pool: Pool) -> None:
    await wanting(pool, 2)
    pool.kept[1].link = None  # between two attempts
    pool.bind(0)
    await wanting(pool, 1)
    assert pool.kept[1].task.cancelled()


async def test_those_of_before_leave_when_all_new_ones_stand(pool: Pool) -> None:
    await wanting(pool, 2)
    pool.bind(0, 1)
    pool.set.renew()
    await wanting(pool, 2)
    assert len(pool.kept) == 4
    assert not pool.bind(2)
    assert pool.let_go() == []
    assert pool.bind(3)
    assert pool.let_go() == [0, 1]
    assert not pool.set.stands()  # once


async def test_those_of_before_that_do_not_stand_are_not_waited_for(pool: Pool) -> None:
    await wanting(pool, 2)
    pool.bind(0)
    pool.set.renew()
    assert pool.let_go() == [1]


async def test_renewing_twice_keeps_the_ones_that_stand(pool: Pool) -> None:
    await wanting(pool, 1)
    pool.bind(0)
    pool.set.renew()
    await wanting(pool, 1)
    pool.set.renew()
    await wanting(pool, 1)
    assert pool.let_go() == [1]
    assert pool.bind(2)
    assert pool.let_go() == [0, 1]


async def test_one_of_before_makes_place_for_a_refused_one(pool: Pool) -> None:
    await wanting(pool, 2)
    pool.bind(0, 1)
    pool.set.make_place()
    assert pool.let_go() == []  # nothing is being renewed
    pool.set.renew()
    await wanting(pool, 2)
    pool.set.make_place()
    assert pool.let_go() == [1]
    pool.set.make_place()
    assert pool.let_go() == [0, 1]
    pool.set.make_place()


async def test_one_of_before_that_ended_by_itself_is_forgotten(pool: Pool) -> None:
    await wanting(pool, 1)
    pool.bind(0)
    pool.set.renew()
    await wanting(pool, 1)
    session = pool.session(0)
    session.ended.set()
    await settle()
    assert len(pool.set.tasks) == 1
    assert not pool.bind(1)  # nobody left to let go
    assert not session.was_let_go

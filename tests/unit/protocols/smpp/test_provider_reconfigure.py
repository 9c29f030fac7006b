"""Other options for a provider that runs: binds stay, or new ones stand before the old ones leave."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.outcome import Sent, Unknown
from protocols.smpp.constants import CommandId, CommandStatus
from protocols.smpp.provider import CREDENTIAL_RETRY_S, SmppProvider, SmppProviderOptions
from protocols.smpp.session import Timers
from tests.support.clock import settle
from tests.support.smpp_peers import (
    ScriptedSmsc,
    SmppSink,
    SmscEnd,
    SocketClock,
    Tasks,
    eventually,
)
from tests.support.upstream import make_message

RECEIPT = b"id:7 sub:001 dlvrd:001 submit date:2609211200 done date:2609211201 stat:DELIVRD err:000 text:x"
RETRY_S = 1.0  # more than the first wait after a refused bind


class WatchingSink(SmppSink):
    """Notes whether the provider was ever down."""

    provider: SmppProvider

    def __init__(self) -> None:
        super().__init__()
        self.was_up = False
        self.went_down = False

    def room_changed(self) -> None:
        super().room_changed()
        is_up = self.provider.is_up()
        self.went_down = self.went_down or (self.was_up and not is_up)
        self.was_up = is_up


class South:
    """A provider on its way from one carrier to another, or from one set of options to the next."""

    def __init__(self, smsc: ScriptedSmsc, **options: Any) -> None:
        self.smsc = smsc
        self.sink = WatchingSink()
        self.clock = SocketClock()
        self.tasks = Tasks()
        settings: dict[str, Any] = {
            "name": "carrier", "host": "127.0.0.1", "port": smsc.port, "system_id": "gw",
            "password": "secret", "timers": Timers(enquire_link_s=0, inactivity_s=0),
        }  # fmt: skip
        self.provider = self.sink.provider = SmppProvider(
            SmppProviderOptions(**{**settings, **options}),
            self.sink,
            clock=self.clock,
            spawn=self.tasks.spawn,
            draw=lambda: 0.0,
        )

    async def bound(self, count: int = 1, smsc: ScriptedSmsc | None = None) -> list[SmscEnd]:
        """The next `count` connections, bound on both sides."""
        wanted = len(self.provider._transmitters) + count
        ends = [await (smsc or self.smsc).bound() for _ in range(count)]
        await eventually(lambda: len(self.provider._transmitters) >= wanted)
        return ends

    def change(self, **changes: Any) -> None:
        self.provider.reconfigure(replace(self.provider._wanted, **changes))

    async def elapse(self, seconds: float) -> None:
        await settle()
        self.clock.advance(seconds)
        await settle()

    async def sent(self, end: SmscEnd) -> None:
        """The next submit_sm on this connection is answered, and the answer is heard."""
        count = len(self.sink.outcomes)
        sequence_number, _ = await end.submit_sm()
        end.answer_submit(sequence_number)
        await eventually(lambda: len(self.sink.outcomes) > count)
        assert isinstance(self.sink.outcomes[-1][2], Sent)

    async def leaves(self, end: SmscEnd) -> None:
        """The provider unbinds this connection and closes it."""
        await self.elapse(0.1)
        await end.expect_unbind()
        assert await end.read() is None


@asynccontextmanager
async def reaching(**options: Any) -> AsyncIterator[South]:
    """A started provider; afterwards no task may have died."""
    smsc = ScriptedSmsc()
    await smsc.start()
    south = South(smsc, **options)
    await south.provider.start()
    try:
        yield south
    finally:
        await south.tasks.check()
        for link in list(south.provider._links):
            link.abort("the test ends")
        await eventually(lambda: not south.provider._links)
        await smsc.stop()


@pytest.fixture
async def other() -> AsyncIterator[ScriptedSmsc]:
    """Another carrier."""
    smsc = ScriptedSmsc()
    await smsc.start()
    yield smsc
    await smsc.stop()


# --- the same sessions --------------------------------------------------------------------------


async def test_windows_timeouts_and_timers_change_where_they_are() -> None:
    async with reaching(window=5) as south:
        await south.bound()
        timers = Timers(enquire_link_s=7, inactivity_s=0)
        south.change(window=50, response_timeout_s=3.0, timers=timers, id_mode="hex_to_dec")
        assert south.provider.room() == 50
        (link,) = south.provider._links
        assert link.session.timers is timers
        south.provider.submit(make_message(), 0)
        await south.elapse(3.5)
        await eventually(lambda: south.sink.outcomes)
        assert isinstance(south.sink.outcomes[0][2], Unknown)
        south.change(window=2)
        assert south.provider.room() == 2
        assert south.smsc.is_quiet
        assert not south.sink.went_down


async def test_a_message_is_encoded_as_the_options_say_when_it_leaves() -> None:
    async with reaching() as south:
        (end,) = await south.bound()
        south.provider.submit(make_message(key=1), 0)
        assert (await end.submit_sm())[1].dest_addr_ton == 1
        south.change(dest_ton=2, dest_npi=8)
        south.provider.submit(make_message(key=2), 0)
        _, sm = await end.submit_sm()
        assert (sm.dest_addr_ton, sm.dest_addr_npi) == (2, 8)
        assert south.smsc.is_quiet


async def test_a_connection_that_is_being_made_takes_the_new_options() -> None:
    async with reaching(window=5) as south:
        end = await south.smsc.connection()
        south.change(window=9)
        await end.accept_bind()
        await eventually(lambda: south.provider.room() == 9)


async def test_long_texts_go_another_way_once_nothing_is_outstanding() -> None:
    async with reaching() as south:
        (end,) = await south.bound()
        message = make_message("x" * 200)
        south.provider.submit(message, 0)
        south.provider.submit(message, 1)
        first, _ = await end.submit_sm()
        second, _ = await end.submit_sm()
        south.change(concatenation="payload", window=7)
        assert not south.provider.whole_text
        assert south.provider.room() == 0
        assert south.provider.is_up()
        end.answer_submit(first)
        await south.elapse(0.1)
        assert not south.provider.whole_text
        end.answer_submit(second)
        await eventually(lambda: len(south.sink.outcomes) == 2)
        changes = south.sink.room_changes
        await south.elapse(0.1)
        assert south.provider.whole_text
        assert south.provider.room() == 7
        assert south.sink.room_changes > changes
        assert south.smsc.is_quiet


async def test_a_change_of_mind_while_waiting_counts() -> None:
    async with reaching() as south:
        (end,) = await south.bound()
        south.provider.submit(make_message(), 0)
        sequence_number, _ = await end.submit_sm()
        south.change(concatenation="payload")
        south.change(concatenation="sar", window=3)
        assert south.provider.room() == 2
        end.answer_submit(sequence_number)
        await eventually(lambda: south.sink.outcomes)
        await south.elapse(0.1)
        assert not south.provider.whole_text
        assert south.provider.room() == 3


# --- more and fewer binds -----------------------------------------------------------------------


async def test_more_binds_join_the_one_that_stands() -> None:
    async with reaching() as south:
        await south.bound()
        south.change(binds=3)
        await south.bound(2)
        assert south.provider.room() == 30
        assert not south.sink.went_down


async def test_surplus_binds_leave_after_their_answers() -> None:
    async with reaching(binds=2) as south:
        ends = {}
        for end in await south.bound(2):
            south.provider.submit(make_message(recipient=f"3712000000{len(ends)}"), 0)
            ends[end] = None
        requests = {end: await end.submit_sm() for end in ends}
        south.change(binds=1)
        (kept,) = south.provider._transmitters
        ((message, _),) = kept.window.pending.values()
        assert not isinstance(message, tuple)
        stays = next(
            e for e, (_, sm) in requests.items() if sm.destination_addr == message.recipient
        )
        (goes,) = set(ends) - {stays}

        await south.elapse(1.0)
        goes.answer_submit(requests[goes][0])
        await eventually(lambda: south.sink.outcomes)
        await south.leaves(goes)
        stays.answer_submit(requests[stays][0])
        await eventually(lambda: len(south.sink.outcomes) == 2)
        assert all(isinstance(outcome, Sent) for _, _, outcome in south.sink.outcomes)
        await south.elapse(60.0)
        assert south.smsc.is_quiet
        assert south.provider.room() == 10


async def test_a_surplus_bind_that_waits_for_its_next_try_is_forgotten() -> None:
    async with reaching(binds=2) as south:
        await south.bound()
        refused = await south.smsc.connection()
        await refused.accept_bind(CommandStatus.RSYSERR)
        assert await refused.read() is None
        await settle()
        south.change(binds=1)
        await south.elapse(60.0)
        assert south.smsc.is_quiet
        assert south.provider.room() == 10


# --- other sessions -----------------------------------------------------------------------------


async def test_another_address_is_bound_before_the_old_bind_leaves(other: ScriptedSmsc) -> None:
    async with reaching() as south:
        (old,) = await south.bound()
        south.provider.submit(make_message(key=1), 0)
        first, _ = await old.submit_sm()
        south.change(port=other.port)
        new = await other.connection()
        south.provider.submit(make_message(key=2), 0)  # the old bind still carries
        second, _ = await old.submit_sm()
        await new.accept_bind()
        await eventually(lambda: len(south.provider._links) == 2 and south.provider.room() == 10)
        south.provider.submit(make_message(key=3), 0)
        await south.sent(new)

        # Receipts and answers of the old one count to its end.
        assert await old.deliver_status(RECEIPT) == 0
        old.answer_submit(first)
        old.answer_submit(second)
        await eventually(lambda: len(south.sink.outcomes) == 3)
        await south.leaves(old)
        assert all(isinstance(outcome, Sent) for _, _, outcome in south.sink.outcomes)
        assert not south.sink.went_down
        await south.elapse(60.0)
        assert south.smsc.is_quiet
        assert other.is_quiet


@pytest.mark.parametrize(
    "change",
    [{"system_id": "gw2"}, {"password": "fresh"}, {"system_type": "OTHER"}],
    ids=["system_id", "password", "system_type"],
)
async def test_another_credential_is_bound_before_the_old_bind_leaves(
    change: dict[str, str],
) -> None:
    async with reaching() as south:
        (old,) = await south.bound()
        south.change(**change)
        new = await south.smsc.connection()
        wanted = south.provider.options
        assert (await new.accept_bind())[1:] == (wanted.system_id, wanted.password)
        await eventually(lambda: len(south.provider._links) == 2)
        await south.leaves(old)
        south.provider.submit(make_message(), 0)
        await south.sent(new)
        assert not south.sink.went_down


async def test_a_pair_of_binds_replaces_a_transceiver() -> None:
    async with reaching() as south:
        (old,) = await south.bound()
        south.change(bind_mode="transmitter+receiver")
        kinds = set()
        for _ in range(2):
            new = await south.smsc.connection()
            assert len(south.provider._transmitters) >= 1
            kinds.add((await new.accept_bind())[0])
        assert kinds == {CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER}
        await eventually(lambda: sum(link.is_bound for link in south.provider._links) == 2)
        await south.leaves(old)
        assert not south.sink.went_down


@pytest.mark.parametrize("status", [CommandStatus.RINVPASWD, CommandStatus.RSYSERR])
async def test_the_old_bind_carries_on_while_the_new_one_is_refused(status: CommandStatus) -> None:
    async with reaching() as south:
        (old,) = await south.bound()
        south.change(password="mistyped")
        await (await south.smsc.connection()).accept_bind(status)
        await eventually(lambda: south.provider._last_error.startswith("bind refused"))
        south.provider.submit(make_message(), 0)
        await south.sent(old)
        south.change(password="secret")  # the mistake is mended: at once, not at the next try
        await south.smsc.bound()
        await eventually(lambda: len(south.provider._links) == 2)
        await south.leaves(old)
        assert not south.sink.went_down
        await south.elapse(2 * CREDENTIAL_RETRY_S)
        assert south.smsc.is_quiet


@pytest.mark.parametrize("status", [CommandStatus.RALYBND, CommandStatus.RBINDFAIL])
async def test_an_old_bind_gives_up_its_place_when_there_is_none_for_both(
    status: CommandStatus,
) -> None:
    async with reaching(binds=2) as south:
        olds = await south.bound(2)
        for key in (1, 2):
            south.provider.submit(make_message(key=key), 0)
        numbers = [(await end.submit_sm())[0] for end in olds]
        south.change(password="fresh")
        new = await south.smsc.bound()
        refused = await south.smsc.connection()
        await refused.accept_bind(status)
        assert await refused.read() is None
        await eventually(lambda: len(south.provider._transmitters) == 2)
        assert len(south.provider._links) == 3  # one of them takes no more
        for end, number in zip(olds, numbers, strict=True):
            end.answer_submit(number)
        await eventually(lambda: len(south.sink.outcomes) == 2)
        await south.elapse(RETRY_S)
        await south.smsc.bound()
        await eventually(lambda: len(south.provider._transmitters) == 2)
        for old in olds:
            await south.leaves(old)
        for key in (3, 4):
            south.provider.submit(make_message(key=key), 0)
        await south.sent(new)
        assert not south.sink.went_down


async def test_an_old_bind_that_breaks_is_not_made_again(other: ScriptedSmsc) -> None:
    async with reaching() as south:
        (old,) = await south.bound()
        south.change(port=other.port)
        await other.connection()  # silent so far
        await old.close()
        await eventually(lambda: not south.provider.is_up())
        await south.elapse(5.0)
        assert south.smsc.is_quiet


async def test_a_provider_that_stops_leaves_all_its_binds(other: ScriptedSmsc) -> None:
    async with reaching() as south:
        (old,) = await south.bound()
        south.change(port=other.port)
        await other.connection()
        stopping = south.tasks.spawn(south.provider.stop(2.0), "stop")
        await settle()
        south.change(port=south.smsc.port, binds=5)  # too late
        await old.expect_unbind()
        assert await old.read() is None
        await south.clock.advance_async(3.0)
        await stopping
        assert not south.provider._links
        await south.elapse(60.0)
        assert south.smsc.is_quiet
        assert other.is_quiet

"""What a reload changes for customers that are bound: at once, and without an end to their binds."""

import asyncio

import pytest

from gateway.domain.account import Credential
from gateway.domain.lifecycle import MessageState
from protocols.smpp.codec import decode_message_id, decode_sm, encode_deliver_sm_resp, encode_header
from protocols.smpp.constants import CommandId, CommandStatus
from tests.support.clock import settle
from tests.support.esme import bound, connect
from tests.support.smpp_peers import North, eventually, serving

TO = "37120000001"


def answer_unbind(sequence_number: int) -> bytes:
    return encode_header(CommandId.UNBIND_RESP, 0, sequence_number)


async def test_a_wider_window_lets_in_what_waited() -> None:
    async with serving() as north:
        north.credential.window = 1
        async with bound(north.port) as esme:
            for _ in range(6):
                esme.write_submit(TO)
            await eventually(lambda: len(north.submitter.waiting) >= 2)
            await settle(100)
            assert len(north.submitter.waiting) == 2
            north.credential.window = 10
            north.submitter.answer()
            await eventually(lambda: len(north.submitter.waiting) == 5)


async def test_a_narrower_window_counts_for_the_next_message() -> None:
    async with serving() as north, bound(north.port) as esme:
        esme.write_submit(TO)
        await eventually(lambda: len(north.submitter.waiting) == 1)
        north.credential.window = 1
        for _ in range(3):
            esme.write_submit(TO)
        await eventually(lambda: len(north.submitter.waiting) == 2)
        await settle(100)
        assert len(north.submitter.waiting) == 2


async def test_fewer_binds_refuse_the_next_and_keep_those_that_stand() -> None:
    async with serving() as north, bound(north.port) as first, bound(north.port) as second:
        north.credential.max_binds = 1
        async with connect(north.port) as third:
            assert await third.bind() == CommandStatus.RBINDFAIL
        north.submitter.answers_at_once = True
        for esme in (first, second):
            assert (await esme.submit(TO))[0] == 0


@pytest.mark.parametrize("id_format", ["hex", "decimal", "uuid"])
async def test_a_receipt_has_the_id_that_was_told_whatever_the_form_is_now(id_format: str) -> None:
    async with serving() as north, bound(north.port) as esme:
        north.credential.message_id_format = id_format
        esme.write_submit(TO)
        await eventually(lambda: north.submitter.waiting)
        north.credential.message_id_format = "decimal" if id_format == "hex" else "hex"
        message = north.submitter.answer()
        told = decode_message_id((await esme.expect(CommandId.SUBMIT_SM_RESP)).body)
        message.state = MessageState.DELIVERED
        assert north.server.notify(message)
        sm = decode_sm((await esme.expect(CommandId.DELIVER_SM)).body)
        assert sm.short_message.startswith(b"id:" + told.encode() + b" ")
        message = await north.fate(esme)
        assert north.server.message_id(message, north.credential) != told.encode()


async def test_a_message_from_before_the_form_was_kept_has_that_of_now() -> None:
    async with serving() as north, bound(north.port) as esme:
        message = await north.fate(esme)
        message.door_note &= (1 << 33) - 1
        north.credential.message_id_format = "decimal"
        assert north.server.message_id(message, north.credential) == b"%d" % message.key


class SlowDirectory:
    """A directory whose password check takes until it is told to go on."""

    def __init__(self, north: North) -> None:
        self._directory = north.directory
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    def smpp(self, system_id: str) -> Credential | None:
        return self._directory.smpp(system_id)

    async def check_password(self, credential: Credential, password: str) -> bool:
        self.asked.set()
        await self.go_on.wait()
        return await self._directory.check_password(credential, password)


async def test_a_credential_that_is_disabled_while_it_is_checked_does_not_bind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as north, connect(north.port) as esme:
        slow = SlowDirectory(north)
        monkeypatch.setattr(north.server, "directory", slow)
        binding = north.tasks.spawn(esme.bind(), "bind")
        await slow.asked.wait()
        del north.directory.system_ids["esme"]
        north.server.drop(north.credential)  # nothing to drop yet
        slow.go_on.set()
        assert await binding == CommandStatus.RINVSYSID


async def test_a_dropped_link_waits_for_the_answers_of_both_sides() -> None:
    async with serving() as north, bound(north.port) as esme:
        message = await north.fate(esme)
        submit = esme.write_submit(TO)
        await eventually(lambda: north.submitter.waiting)
        assert north.server.notify(message)
        deliver = await esme.expect(CommandId.DELIVER_SM)
        north.server.drop(north.credential)
        unbind = await esme.expect(CommandId.UNBIND)
        esme.write(answer_unbind(unbind.sequence_number))
        north.submitter.answer()
        assert (await esme.expect(CommandId.SUBMIT_SM_RESP)).sequence_number == submit
        await settle(100)
        assert north.server.links
        esme.write(encode_deliver_sm_resp(deliver.sequence_number, 0))
        assert await esme.read() is None
        assert north.notifications.done == [message]
        assert not north.notifications.again


async def test_a_customer_that_unbinds_need_not_answer_our_receipts() -> None:
    async with serving() as north, bound(north.port) as esme:
        message = await north.fate(esme)
        assert north.server.notify(message)
        await esme.expect(CommandId.DELIVER_SM)
        assert (await esme.request(CommandId.UNBIND)).command_status == 0
        assert await esme.read() is None
        await eventually(lambda: north.notifications.again == [(message, 0.0)])

"""Who may bind to the server, how often, and what a refused bind costs."""

import asyncio
import socket
import struct

import pytest

from protocols.smpp.codec import decode_tlvs, encode_bind, encode_header
from protocols.smpp.constants import RESP, CommandId, CommandStatus, Tag
from protocols.smpp.server import MOST_BIND_TRIES, ServerOptions, _address_allowed
from tests.support.esme import PASSWORD, Esme, bound, connect
from tests.support.smpp_peers import eventually, serving

BINDS = [CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER, CommandId.BIND_TRANSCEIVER]


async def passes(esme: Esme) -> None:
    """The session lives, and nothing else came before this answer."""
    sequence_number = esme.next_sequence()
    esme.write(encode_header(CommandId.ENQUIRE_LINK, 0, sequence_number))
    pdu = await esme.read()
    assert pdu is not None
    assert pdu[:3] == (CommandId.ENQUIRE_LINK_RESP, 0, sequence_number)


@pytest.mark.parametrize("command_id", BINDS)
async def test_the_three_binds(command_id: CommandId) -> None:
    async with serving() as north, connect(north.port) as esme:
        sequence_number = esme.next_sequence()
        esme.write(encode_bind(command_id, sequence_number, "esme", PASSWORD, ""))
        pdu = await esme.expect(command_id | RESP)

        assert (pdu.command_status, pdu.sequence_number) == (0, sequence_number)
        system_id, tlvs = pdu.body.split(b"\0", 1)
        assert system_id == b"postern"
        assert decode_tlvs(tlvs) == [(Tag.SC_INTERFACE_VERSION, b"\x34")]
        assert (await esme.request(CommandId.UNBIND)).command_status == 0
        assert await esme.read() is None


@pytest.mark.parametrize("interface_version", [0x33, 0x00])
async def test_an_older_peer_gets_no_tlv_in_its_bind_resp(interface_version: int) -> None:
    async with serving() as north, connect(north.port) as esme:
        esme.write(
            encode_bind(CommandId.BIND_TRANSCEIVER, 1, "esme", PASSWORD, "", interface_version)
        )
        assert (await esme.expect(CommandId.BIND_TRANSCEIVER_RESP)).body == b"postern\0"


@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [
        ("esme", "wrong", CommandStatus.RINVPASWD),
        ("esme", "", CommandStatus.RINVPASWD),
        ("nobody", PASSWORD, CommandStatus.RINVSYSID),
        ("", "", CommandStatus.RINVSYSID),
        ("x" * 300, PASSWORD, CommandStatus.RINVSYSID),
    ],
)
async def test_a_refused_bind_may_be_tried_again(
    system_id: str, password: str, status: CommandStatus
) -> None:
    async with serving() as north, connect(north.port) as esme:
        assert await esme.bind(system_id=system_id, password=password) == status
        assert await esme.bind() == 0
        await passes(esme)


async def test_after_some_refused_binds_the_connection_ends() -> None:
    async with serving() as north, connect(north.port) as esme:
        for _ in range(MOST_BIND_TRIES):
            assert await esme.bind(password="wrong") == CommandStatus.RINVPASWD
        assert await esme.read() is None


async def test_pipelined_guesses_are_not_checked_after_the_last_try() -> None:
    async with serving() as north, connect(north.port) as esme:
        checks = 0
        check_password = north.directory.check_password

        async def counted(credential: object, password: str) -> bool:
            nonlocal checks
            checks += 1
            return await check_password(credential, password)  # type: ignore[arg-type]

        north.directory.check_password = counted  # type: ignore[method-assign]
        guesses = [
            encode_bind(CommandId.BIND_TRANSCEIVER, n, "esme", f"guess-{n}", "")
            for n in range(1, 50)
        ]
        esme.write(b"".join(guesses))
        for _ in range(MOST_BIND_TRIES):
            pdu = await esme.read()
            assert pdu is not None
            assert pdu.command_status == CommandStatus.RINVPASWD
        assert await esme.read() is None
        assert checks == MOST_BIND_TRIES


async def test_a_second_bind_on_a_bound_session_is_refused() -> None:
    async with serving() as north, bound(north.port) as esme:
        assert await esme.bind(CommandId.BIND_RECEIVER) == CommandStatus.RALYBND
        await passes(esme)


async def test_the_bind_cap_counts_bound_links_only() -> None:
    async with serving() as north:
        north.credential.max_binds = 2
        async with bound(north.port) as first, bound(north.port), connect(north.port) as third:
            assert await third.bind() == CommandStatus.RBINDFAIL
            await first.request(CommandId.UNBIND)
            assert await third.bind() == 0


async def test_the_binds_of_others_do_not_count() -> None:
    async with serving() as north:
        north.credential.max_binds = 1
        north.add("other")
        async with bound(north.port), connect(north.port) as other:
            assert await other.bind(system_id="other") == 0


async def test_fifty_binds_of_one_system_id() -> None:
    async with serving() as north:
        north.credential.max_binds = 50
        esmes = [Esme(*await asyncio.open_connection("127.0.0.1", north.port)) for _ in range(50)]
        assert [await esme.bind() for esme in esmes] == [0] * 50
        assert len(north.server.connections()) == 50
        for esme in esmes:
            await esme.close()
        await eventually(lambda: not north.server.connections())


async def test_connections_over_the_limit_are_closed() -> None:
    async with serving(ServerOptions(max_connections=1)) as north:
        async with bound(north.port) as first, connect(north.port) as second:
            assert await second.read() is None
            await passes(first)
        async with bound(north.port):
            pass


@pytest.mark.parametrize(
    ("peer", "networks", "allowed"),
    [
        ("192.0.2.7:4000", (), True),
        ("192.0.2.7:4000", ("192.0.2.0/24",), True),
        ("192.0.2.7:4000", ("198.51.100.0/24", "192.0.2.7"), True),
        ("192.0.2.7:4000", ("198.51.100.0/24", "2001:db8::/32"), False),
        ("2001:db8::7:4000", ("2001:db8::/32",), True),
        ("::ffff:192.0.2.7:4000", ("192.0.2.0/24",), True),
        ("?", ("0.0.0.0/0",), False),
        ("?", (), True),
    ],
)
def test_the_address_list(peer: str, networks: tuple[str, ...], allowed: bool) -> None:
    assert _address_allowed(peer, networks) is allowed


async def test_a_bind_from_an_address_that_is_not_allowed() -> None:
    async with serving() as north, connect(north.port) as esme:
        north.credential.ip_allow = ("198.51.100.0/24",)
        assert await esme.bind() == CommandStatus.RBINDFAIL
        north.credential.ip_allow = ("127.0.0.0/8",)
        assert await esme.bind() == 0


async def test_a_peer_that_vanishes_after_its_bind_harms_nobody() -> None:
    async with serving() as north:
        north.credential.ip_allow = ("127.0.0.0/8",)
        with socket.create_connection(("127.0.0.1", north.port)) as peer:
            peer.sendall(encode_bind(CommandId.BIND_TRANSCEIVER, 1, "esme", PASSWORD, ""))
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        async with bound(north.port) as esme:  # the tasks are checked at the end
            await passes(esme)
        await eventually(lambda: not north.server.links)

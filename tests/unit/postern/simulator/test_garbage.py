import pytest

from postern.simulator.garbage import (
    HTTP_KINDS,
    SMPP_KINDS,
    Garbage,
    http_garbage,
    smpp_garbage,
)
from protocols.smpp.codec import FrameError, encode_submit_sm_resp, frame
from protocols.smpp.constants import RESP, CommandId


def framed(kind: Garbage) -> list[tuple[int, int, int, bytes]]:
    pdus, rest = frame(smpp_garbage(kind, 7, b"77"))
    assert not rest
    return pdus


def test_an_unknown_command() -> None:
    [(command_id, _, sequence_number, _)] = framed(Garbage.COMMAND)
    assert command_id not in set(CommandId)
    assert not command_id & RESP
    assert sequence_number == 7


@pytest.mark.parametrize("kind", [Garbage.STRAY, Garbage.SEQUENCE])
def test_a_response_to_nothing(kind: Garbage) -> None:
    [(command_id, command_status, sequence_number, body)] = framed(kind)
    assert (command_id, command_status, body) == (CommandId.SUBMIT_SM_RESP, 0, b"77\0")
    assert sequence_number != 7


@pytest.mark.parametrize("kind", [Garbage.LENGTH, Garbage.TEXT])
def test_what_cannot_be_framed(kind: Garbage) -> None:
    with pytest.raises(FrameError):
        frame(smpp_garbage(kind, 7, b"77"))


def test_half_an_answer() -> None:
    answer = encode_submit_sm_resp(7, 0, b"77")
    assert frame(smpp_garbage(Garbage.HALF, 7, b"77")) == ([], answer[: len(answer) // 2])


def test_noise_in_the_body_of_an_answer() -> None:
    [(command_id, command_status, sequence_number, body)] = framed(Garbage.BODY)
    assert (command_id, command_status, sequence_number) == (CommandId.SUBMIT_SM_RESP, 0, 7)
    assert len(body) == 60_000


def test_http_garbage_says_nothing_that_could_be_read_as_an_answer() -> None:
    for kind in HTTP_KINDS:
        garbage = http_garbage(kind)
        assert garbage.raw or garbage.location or b"<" in garbage.body or len(garbage.body) > 10**6


def test_every_kind_is_for_some_wire_and_for_no_other() -> None:
    assert {*SMPP_KINDS, *HTTP_KINDS} == set(Garbage)
    for kind in set(Garbage) - set(SMPP_KINDS):
        with pytest.raises(ValueError, match=f"{kind} is no garbage of SMPP"):
            smpp_garbage(kind, 7, b"77")
    for kind in set(Garbage) - set(HTTP_KINDS):
        with pytest.raises(ValueError, match=f"{kind} is no garbage of HTTP"):
            http_garbage(kind)

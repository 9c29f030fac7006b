"""The tables against smpplib 2.2.4, typed in by somebody else from the same standard."""

from smpplib import command_codes, consts

from protocols.smpp.constants import RESP, CommandId, CommandStatus, Npi, Tag, Ton, WireState


def test_every_command_status_of_the_standard_is_there_with_its_name() -> None:
    theirs = {
        name.removeprefix("SMPP_ESME_"): value
        for name, value in vars(consts).items()
        if name.startswith("SMPP_ESME_")
    }

    assert {status.name: status.value for status in CommandStatus} == theirs


def test_every_command_id_is_there() -> None:
    ours = {command_id.name.lower(): command_id.value for command_id in CommandId}

    assert ours == command_codes.commands


def test_every_response_is_its_request_with_the_response_bit() -> None:
    for command_id in CommandId:
        if command_id.name.endswith("_RESP"):
            assert command_id == CommandId[command_id.name.removesuffix("_RESP")] | RESP


def test_every_tag_of_the_standard_is_there() -> None:
    assert {tag.name.lower(): tag.value for tag in Tag} == consts.OPTIONAL_PARAMS


def test_numbering_values() -> None:
    assert [ton.value for ton in Ton] == list(range(7))
    assert {npi.value for npi in Npi} == {
        value for name, value in vars(consts).items() if name.startswith("SMPP_NPI_")
    }


def test_message_states_count_from_enroute() -> None:
    assert [state.value for state in WireState] == list(range(1, 9))

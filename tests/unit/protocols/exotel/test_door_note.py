import pytest

from protocols.exotel.contract import SMS_TYPES
from protocols.exotel.door_note import has_callback, sms_type, write_door_note


@pytest.mark.parametrize("word", SMS_TYPES)
@pytest.mark.parametrize("callback", [False, True])
def test_both_are_read_back(word: str, callback: bool) -> None:
    note = write_door_note(word, has_callback=callback)
    assert (sms_type(note), has_callback(note)) == (word, callback)


def test_a_message_without_either_has_no_note() -> None:
    assert write_door_note("", has_callback=False) == 0

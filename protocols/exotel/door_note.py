"""The number the door keeps with a message: whether its end is told, and its SmsType.

bit 0       it has a StatusCallback, which stands in its door text
bits 1, 2   index in `contract.SMS_TYPES`
"""

from protocols.exotel.contract import SMS_TYPES

_HAS_CALLBACK = 1
_SMS_TYPE_SHIFT = 1


def write_door_note(sms_type: str, *, has_callback: bool) -> int:
    """The note of a new message."""
    return SMS_TYPES.index(sms_type) << _SMS_TYPE_SHIFT | has_callback


def has_callback(note: int) -> bool:
    """Whether a status callback is owed at the end."""
    return bool(note & _HAS_CALLBACK)


def sms_type(note: int) -> str:
    """The SmsType it was sent with; empty = none."""
    return SMS_TYPES[note >> _SMS_TYPE_SHIFT & 3]

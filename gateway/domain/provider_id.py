"""The id a provider gave a message, and the other ways in which it may write that id later.

Providers answer a submit with one spelling and send the receipt with another: in upper case, with
leading zeros, in decimal instead of hexadecimal.  Case and zeros never make two ids out of one, so
they are forgiven; the base is a setting of the provider, because a decimal id may well be another
message's hexadecimal one.
"""

import re

# What a store keeps and finds by index; a longer id is cut, the same way wherever it stands.
MOST_ID_CHARACTERS = 255

AS_IS, HEX_TO_DEC, DEC_TO_HEX = "as_is", "hex_to_dec", "dec_to_hex"
_REVERSE = {AS_IS: AS_IS, HEX_TO_DEC: DEC_TO_HEX, DEC_TO_HEX: HEX_TO_DEC}

_MOST_DIGITS = 64  # of a number; SMPP v3.4 4.4.2 has room for no more
# Short numbers are written alike in either base by chance.
_FEWEST_TELLING_DIGITS = 6
_DECIMAL = re.compile("[0-9]+")
_HEXADECIMAL = re.compile("(?:0[xX])?[0-9A-Fa-f]+")
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def canonical_id(provider_message_id: str) -> str:
    """The form that all spellings of an id share: ASCII lower case, no leading zeros.

    The store has the same rule in its indexes (`ltrim(lower(id), '0')`).  An id of zeros alone is
    empty in this form.
    """
    if provider_message_id.isascii():
        return provider_message_id.lower().lstrip("0")
    return provider_message_id.translate(_LOWER).lstrip("0")


def receipted_id(provider_message_id: str, id_mode: str) -> str:
    """The id as the answer wrote it, from the id as the receipt writes it.

    `id_mode`: "as_is"; "hex_to_dec" (the answer is hex, the receipt decimal); "dec_to_hex" (the
    other way round).  An id that is no number of its base, or over 64 digits, stays as it is.
    """
    if len(provider_message_id) > _MOST_DIGITS:
        return provider_message_id
    if id_mode == HEX_TO_DEC and _DECIMAL.fullmatch(provider_message_id):
        return f"{int(provider_message_id):x}"
    if id_mode == DEC_TO_HEX and _HEXADECIMAL.fullmatch(provider_message_id):
        return str(int(provider_message_id, 16))
    return provider_message_id


def read_again(receipted: str, id_mode_before: str, id_mode: str) -> str:
    """What `receipted_id` would have made with another `id_mode`, leading zeros aside."""
    return receipted_id(receipted_id(receipted, _REVERSE[id_mode_before]), id_mode)


def other_readings(receipted: str, id_mode: str) -> dict[str, str]:
    """What an id that was read by `id_mode` would be by the other settings: reading -> setting.

    Only readings that tell something: another number than `receipted`, and not a short one.
    """
    if len(receipted) < _FEWEST_TELLING_DIGITS:
        return {}
    readings = {read_again(receipted, id_mode, mode): mode for mode in _REVERSE if mode != id_mode}
    same = canonical_id(receipted)
    return {
        reading: mode
        for reading, mode in readings.items()
        if len(reading) >= _FEWEST_TELLING_DIGITS and canonical_id(reading) != same
    }

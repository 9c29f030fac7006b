"""Numbers and senders as Exotel shows them (3.1), and back to E.164 digits."""

_INDIA = "91"
_INDIAN_DIGITS = 12  # country code included


def show_recipient(digits: str) -> str:
    """``09876543210`` for an Indian number, ``0037120000001`` for any other."""
    if len(digits) == _INDIAN_DIGITS and digits.startswith(_INDIA):
        return "0" + digits[len(_INDIA) :]
    return "00" + digits


def international(number: str) -> str:
    """An Indian number in national form, ``09876543210``, with country code; others as they are.

    For accounts without a region, whose numbers the heart takes for international ones.
    """
    is_national = len(number) == _INDIAN_DIGITS - 1 and number[0] == "0" and number[1] != "0"
    return _INDIA + number[1:] if is_national and number.isdecimal() else number


def read_recipient(shown: str) -> str:
    """E.164 digits of a number as shown, or written with "+"; "" when it is neither."""
    digits = shown.strip()
    if digits.startswith("+"):
        digits = digits[1:]
    elif digits.startswith("00"):
        digits = digits[2:]
    elif digits.startswith("0"):
        digits = _INDIA + digits[1:]
    return digits if digits.isascii() and digits.isdecimal() else ""


def show_sender(sender: str) -> str:
    """The part after the slash is a sender ID; a number stands alone."""
    return sender if sender.removeprefix("+").isdecimal() else "/" + sender

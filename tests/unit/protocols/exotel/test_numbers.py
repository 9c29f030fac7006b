import pytest

from protocols.exotel.numbers import international, read_recipient, show_recipient, show_sender


@pytest.mark.parametrize(
    ("digits", "shown"),
    [
        ("919876543210", "09876543210"),
        ("37120000001", "0037120000001"),
        ("9198765432101", "009198765432101"),  # no Indian number has so many digits
        ("12025550123", "0012025550123"),
    ],
)
def test_recipients_are_shown_and_read_back(digits: str, shown: str) -> None:
    assert show_recipient(digits) == shown
    assert read_recipient(shown) == digits


@pytest.mark.parametrize(
    ("shown", "digits"),
    [("+37120000001", "37120000001"), (" 09876543210 ", "919876543210"), ("919876543210",) * 2]
    + [(text, "") for text in ("", "0XXXXX43210", "abc", "+", "०९८७")],
)
def test_other_spellings(shown: str, digits: str) -> None:
    assert read_recipient(shown) == digits


@pytest.mark.parametrize(
    ("sender", "shown"),
    [("EXOTEL", "/EXOTEL"), ("08012345678", "08012345678"), ("+37120", "+37120"), ("A1", "/A1")],
)
def test_senders(sender: str, shown: str) -> None:
    assert show_sender(sender) == shown


@pytest.mark.parametrize(
    ("written", "digits"),
    [("09876543210", "919876543210")]
    + [(text,) * 2 for text in ("9876543210", "0037120000001", "+919876543210", "0987654321", "")],
)
def test_the_national_form_is_indian(written: str, digits: str) -> None:
    assert international(written) == digits

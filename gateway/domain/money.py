"""Money as integer micro-units (1 EUR = 1,000,000): parse, render.  Never a float."""

from decimal import Decimal, InvalidOperation

MICROS = 1_000_000
_LIMIT = 9_000_000_000_000 * MICROS  # keeps every sum inside 63 bits


def parse_amount(text: str) -> int:
    """Micro-units of a decimal such as ``"0.035"``: at most 6 decimals, magnitude below 9e12.

    Raises:
        ValueError: not a plain decimal number, too precise, or too large.
    """
    try:
        value = Decimal(text) * MICROS
    except InvalidOperation:
        raise ValueError(f"not a decimal number: {text!r}") from None
    if not value.is_finite() or abs(value) > _LIMIT:
        raise ValueError(f"amount out of range: {text!r}")
    micros = int(value)
    if micros != value:
        raise ValueError(f"more than 6 decimals: {text!r}")
    return micros


def format_amount(micros: int) -> str:
    """Shortest decimal of `micros`: ``35000`` is ``"0.035"``, ``1000000`` is ``"1"``."""
    sign = "-" if micros < 0 else ""
    whole, fraction = divmod(abs(micros), MICROS)
    return f"{sign}{whole}.{fraction:06d}".rstrip("0").rstrip(".") if fraction else f"{sign}{whole}"

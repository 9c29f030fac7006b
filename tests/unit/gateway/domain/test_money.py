import pytest

from gateway.domain.money import format_amount, parse_amount


@pytest.mark.parametrize(
    ("text", "micros"),
    [("0.035", 35_000), ("1", 1_000_000), ("-0.000001", -1), ("0", 0), ("1e2", 100_000_000)],
)
def test_a_decimal_becomes_micros(text: str, micros: int) -> None:
    assert parse_amount(text) == micros


@pytest.mark.parametrize("text", ["", "x", "0.0000001", "nan", "inf", "1e13", "-9000000000001"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"decimal|out of range"):
        parse_amount(text)


@pytest.mark.parametrize(
    ("micros", "text"),
    [(35_000, "0.035"), (1_000_000, "1"), (10_000_000, "10"), (-1, "-0.000001"), (0, "0"), (-2_500_000, "-2.5")],
)  # fmt: skip
def test_the_shortest_decimal_is_shown(micros: int, text: str) -> None:
    assert format_amount(micros) == text
    assert parse_amount(text) == micros

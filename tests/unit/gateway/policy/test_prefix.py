import pytest

from gateway.policy.prefix import PrefixTable

TABLE = PrefixTable({"": 0, "3": 1, "371": 2, "3712": 3})


@pytest.mark.parametrize(
    ("digits", "value"),
    [("37129", 3), ("3713", 2), ("37", 1), ("3", 1), ("41", 0), ("", 0)],
)
def test_the_longest_prefix_wins(digits: str, value: int) -> None:
    assert TABLE.longest(digits) == value


def test_all_prefixes_come_longest_first() -> None:
    assert list(TABLE.matches("371299")) == [3, 2, 1, 0]
    assert list(TABLE.matches("41")) == [0]


def test_without_a_match_there_is_none() -> None:
    assert PrefixTable({"371": 1}).longest("37") is None
    assert list(PrefixTable[int]({}).matches("371")) == []

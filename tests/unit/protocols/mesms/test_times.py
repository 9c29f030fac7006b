import pytest

from protocols.mesms.times import parse_time, render_time

TEN_IN_THAILAND = 1_780_282_800_000  # 2026-06-01T03:00:00Z


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-01T10:00:00+07:00",
        "2026-06-01T10:00:00",
        "2026-06-01T10:00",
        "2026-06-01 10:00:00",
        "2026-06-01T03:00:00Z",
        "2026-06-01t03:00:00z",
        "2026-06-01T10:00:00.000+0700",
        "2026-06-01T10:00:00,000+07",
        "2026-05-31T20:00:00-07:00",
    ],
)
def test_one_moment_in_its_spellings(text: str) -> None:
    assert parse_time(text) == TEN_IN_THAILAND


def test_fractions_of_a_second() -> None:
    assert parse_time("2026-06-01T10:00:00.250+07:00") == TEN_IN_THAILAND + 250


@pytest.mark.parametrize(
    "text",
    [
        "", "tomorrow", "2026-06-01", "2026-06-31T10:00:00", "2026-06-01T25:00:00",
        "2026-06-01T10:00:00+99:00", "2026-W23-1T10:00:00", "20260601T100000", "1780282800",
        "2026-06-01T10:00:00+07:00 ", "\uff12026-06-01T10:00:00",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_time(text)


def test_times_are_shown_in_thai_time_and_whole_seconds() -> None:
    assert render_time(TEN_IN_THAILAND + 999) == "2026-06-01T10:00:00+07:00"

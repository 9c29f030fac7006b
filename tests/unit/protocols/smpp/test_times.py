"""Times of SMPP v3.4 7.1.1."""

from datetime import UTC, datetime

import pytest

from protocols.smpp.times import decode_time, encode_relative

NOW = datetime(2026, 1, 31, 12, 0, 0, 250_000, UTC)


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("261120123045000+", datetime(2026, 11, 20, 12, 30, 45, tzinfo=UTC)),
        ("261120123045700+", datetime(2026, 11, 20, 12, 30, 45, 700_000, UTC)),
        # 4 quarter hours ahead of UTC: the clock there shows one hour more.
        ("261120123045004+", datetime(2026, 11, 20, 11, 30, 45, tzinfo=UTC)),
        ("261120123045020-", datetime(2026, 11, 20, 17, 30, 45, tzinfo=UTC)),
        ("260101000000048+", datetime(2025, 12, 31, 12, 0, 0, tzinfo=UTC)),
        ("991231235959000+", datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("240229000000000+", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_absolute_times(text: str, moment: datetime) -> None:
    assert decode_time(text, ms(NOW)) == ms(moment)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("000000000000000R", NOW),
        ("000000000130000R", NOW.replace(minute=1, second=30)),
        ("000001020000000R", datetime(2026, 2, 1, 14, 0, 0, 250_000, UTC)),
        # A month from the 31st of January ends with February.
        ("000100000000000R", datetime(2026, 2, 28, 12, 0, 0, 250_000, UTC)),
        ("020100000000000R", datetime(2028, 2, 29, 12, 0, 0, 250_000, UTC)),
        ("001200000000000R", datetime(2027, 1, 31, 12, 0, 0, 250_000, UTC)),
        ("000099000000000R", datetime(2026, 5, 10, 12, 0, 0, 250_000, UTC)),
    ],
)
def test_relative_times_count_from_now(text: str, moment: datetime) -> None:
    assert decode_time(text, ms(NOW)) == ms(moment)


def test_the_empty_string_is_the_default_of_the_smsc() -> None:
    assert decode_time("", ms(NOW)) == 0


@pytest.mark.parametrize(
    "text",
    [
        "261120123045000",
        "261120123045000+ ",
        "261320123045000+",
        "260230000000000+",
        "261120243045000+",
        "261120123045049+",
        "2611201230450000",
        "tomorrow morning",
        "٢61120123045000+",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_time(text, ms(NOW))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, b"000000000000000R"),
        (59, b"000000000059000R"),
        (3 * 86_400 + 2 * 3600 + 61, b"000003020101000R"),
        (30 * 86_400, b"000030000000000R"),
        (31 * 86_400, b"000101000000000R"),
        (400 * 86_400, b"010105000000000R"),
    ],
)
def test_a_period_is_written_in_calendar_fields(seconds: int, text: bytes) -> None:
    assert encode_relative(seconds) == text


@pytest.mark.parametrize("seconds", [-1, 100 * 365 * 86_400])
def test_a_period_that_does_not_fit_is_not_written(seconds: int) -> None:
    with pytest.raises(ValueError, match=str(seconds)):
        encode_relative(seconds)

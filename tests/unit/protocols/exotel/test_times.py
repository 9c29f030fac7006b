import pytest

from protocols.exotel.times import EPOCH, read_time, write_time


def test_times_are_indian_without_a_zone() -> None:
    assert write_time(1_777_701_031_999) == "2026-05-02 11:20:31"


def test_the_epoch_stands_for_an_unset_time() -> None:
    assert write_time(0) == EPOCH
    assert read_time(EPOCH) == 0


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-05-02 11:20:31", 1_777_701_031_000),
        (" 2026-05-02 11:20:31 ", 1_777_701_031_000),
        ("2026-05-02T11:20:31+05:30", 1_777_701_031_000),
        ("2026-05-02T05:50:31Z", 1_777_701_031_000),
        ("1960-01-01 00:00:00", 0),
        ("0001-01-01 00:00:00", 0),
        ("", 0),
        ("yesterday", 0),
        ("1777701031", 0),
    ],
)
def test_reading(text: str, at_ms: int) -> None:
    assert read_time(text) == at_ms


def test_what_is_written_is_read_back() -> None:
    for at_ms in (1_777_701_031_000, 1_000, 4_102_444_800_000):
        assert read_time(write_time(at_ms)) == at_ms

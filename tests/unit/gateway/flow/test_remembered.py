import pytest

from gateway.flow import remembered
from gateway.flow.remembered import GENERATION_S, Remembered


def test_what_is_remembered_is_found_until_its_generation_is_the_older_and_over() -> None:
    ids = Remembered()
    ids.age(1000.0)
    ids["a"] = 1
    ids.age(1000.0 + GENERATION_S - 1)
    ids["b"] = 2
    ids.age(1000.0 + GENERATION_S)
    ids["c"] = 3
    assert ("a" in ids, "b" in ids, "c" in ids) == (True, True, True)
    assert (ids["a"], ids["c"], len(ids)) == (1, 3, 3)
    ids.age(1000.0 + 2 * GENERATION_S)
    assert ("a" in ids, "b" in ids, "c" in ids) == (False, False, True)
    with pytest.raises(KeyError):
        ids["a"]


def test_the_newest_word_counts() -> None:
    ids = Remembered()
    ids["a"] = 1
    ids.age(GENERATION_S)
    ids["a"] = 0
    assert (ids["a"], len(ids)) == (0, 1)


def test_a_full_generation_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST_IN_GENERATION", 10)
    ids = Remembered()
    for n in range(95):
        ids[str(n)] = n
    assert len(ids) == 15
    assert "80" in ids
    assert "79" not in ids

import pytest
from phonenumbers import is_possible_number, parse

from benchmarks.soak.numbers import MOST, PERIOD, Area, digits, is_magic, number_of, recipient
from postern.simulator.behaviour import MAGIC_NUMBERS

SOME = [0, 1, 4, 5, PERIOD - 1, PERIOD, 123_456, MOST - 1]


@pytest.mark.parametrize("number", SOME)
@pytest.mark.parametrize("area", Area)
def test_a_recipient_leads_back_to_its_number(number, area):
    text = recipient(number, area)
    assert text.startswith(area.prefix)
    assert text.endswith(digits(number))
    assert number_of(text) == number_of("+" + text) == number


@pytest.mark.parametrize("number", SOME)
def test_a_recipient_is_a_possible_number(number):
    assert is_possible_number(parse("+" + recipient(number, Area.SMSC)))


def test_one_number_of_each_magic_ending_comes_in_a_period():
    endings = [recipient(number, Area.HTTP)[-4:] for number in range(PERIOD)]
    assert {ending for ending in endings if ending in MAGIC_NUMBERS} == set(MAGIC_NUMBERS)
    assert sum(map(is_magic, range(PERIOD))) == len(MAGIC_NUMBERS)
    assert all(is_magic(n) == (endings[n] in MAGIC_NUMBERS) for n in range(PERIOD))


@pytest.mark.parametrize("stranger", ["4670000001", "491", "", "491500000000011"])
def test_other_numbers_are_told_apart(stranger):
    with pytest.raises(ValueError, match="no recipient"):
        number_of(stranger)

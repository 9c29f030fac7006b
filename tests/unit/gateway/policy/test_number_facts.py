import pytest

from gateway.domain.lookup import NumberKind, NumberRecord
from gateway.policy.number_facts import NumberFacts

FACTS = NumberFacts()


@pytest.mark.parametrize(
    ("number", "record"),
    [
        (
            "37129200000",
            NumberRecord(
                "37129200000", "Latvia", "LV", "371", NumberKind.MOBILE, "LMT", "247", "01"
            ),
        ),
        (
            "491711234567",
            NumberRecord(
                "491711234567", "Germany", "DE", "49", NumberKind.MOBILE, "T-Mobile", "262", "01"
            ),
        ),
        ("4930123456", NumberRecord("4930123456", "Germany", "DE", "49", NumberKind.FIXED)),
        (
            "12345678900",
            NumberRecord("12345678900", "United States of America", "US", "1", NumberKind.FIXED),
        ),
        (
            "18005550100",
            NumberRecord("18005550100", "United States of America", "US", "1", NumberKind.SERVICE),
        ),
    ],
)
def test_numbers(number: str, record: NumberRecord) -> None:
    assert FACTS.record(number) == record


def test_a_number_of_a_country_with_several_mccs_has_none_without_its_operator() -> None:
    record = FACTS.record("919811012345")
    assert record is not None
    assert (record.region, record.kind, record.mcc, record.mnc) == ("IN", NumberKind.MOBILE, "", "")


def test_a_code_that_is_no_countrys() -> None:
    record = FACTS.record("881612345678")  # satellite
    assert record is not None
    assert (record.country, record.region, record.country_code) == ("", "", "881")


@pytest.mark.parametrize(
    "number", ["999123456789", "12345678", "37100000000", "1", "", "4900000000000", "441"]
)
def test_numbers_that_no_plan_has(number: str) -> None:
    assert FACTS.record(number) is None


@pytest.mark.parametrize(
    ("number", "country"),
    [("37129200000", "Latvia"), ("881612345678", ""), ("999123456789", ""), ("0", "")],
)
def test_countries(number: str, country: str) -> None:
    assert FACTS.country(number) == country

from typing import Any

from gateway.domain.declared import RateSpec
from gateway.policy.pricing import Tariff

NOW = 1_000_000


def rate(prefix: str, price: int, **fields: Any) -> RateSpec:
    return RateSpec(
        channel=fields.pop("channel", "sms"), prefix=prefix, price_micros=price, **fields
    )


def test_the_longest_prefix_prices() -> None:
    tariff = Tariff([rate("", 1), rate("371", 2), rate("37129", 3)], NOW)
    assert [tariff.price_micros("sms", "EUR", n) for n in ("41", "37120", "371291")] == [1, 2, 3]


def test_a_price_of_zero_is_a_price() -> None:
    assert Tariff([rate("", 5), rate("371", 0)], NOW).price_micros("sms", "EUR", "371") == 0


def test_currency_and_channel_must_fit() -> None:
    tariff = Tariff([rate("", 1), rate("", 2, currency="USD"), rate("", 3, channel="email")], NOW)
    assert tariff.price_micros("sms", "EUR", "1") == 1
    assert tariff.price_micros("sms", "USD", "1") == 2
    assert tariff.price_micros("sms", "CREDIT", "1") is None


def test_without_a_covering_rate_there_is_none() -> None:
    assert Tariff([rate("371", 1)], NOW).price_micros("sms", "EUR", "41") is None


def test_of_several_dates_the_newest_that_has_come_counts() -> None:
    rates = [
        rate("", 3, valid_from_ms=NOW),
        rate("", 1),
        rate("", 9, valid_from_ms=NOW + 5),
        rate("", 2, valid_from_ms=5),
    ]
    tariff = Tariff(rates, NOW)
    assert tariff.price_micros("sms", "EUR", "1") == 3
    assert tariff.next_change_ms == NOW + 5
    later = Tariff(rates, NOW + 5)
    assert (later.price_micros("sms", "EUR", "1"), later.next_change_ms) == (9, None)


def test_of_two_from_the_same_moment_the_later_declared_counts() -> None:
    assert Tariff([rate("", 1), rate("", 2)], NOW).price_micros("sms", "EUR", "1") == 2


def test_a_rate_that_has_not_come_covers_nothing_yet() -> None:
    tariff = Tariff([rate("", 1, valid_from_ms=NOW + 2), rate("", 2, valid_from_ms=NOW + 1)], NOW)
    assert tariff.price_micros("sms", "EUR", "1") is None
    assert tariff.next_change_ms == NOW + 1


def test_whether_anything_is_sold() -> None:
    tariff = Tariff([rate("371", 5)], NOW)
    assert tariff.has_rates("sms", "EUR")
    assert not tariff.has_rates("sms", "USD")
    assert not tariff.has_rates("hlr", "EUR")

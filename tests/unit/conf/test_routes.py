import pytest

from gateway.domain.declared import RateSpec, RouteSpec

HEAD = "".join(
    f'[[provider]]\nname = "{name}"\nwire = "smpp"\nhost = "h"\nsystem_id = "s"\npassword = "p"\n'
    for name in ("a", "b", "c")
)


def test_routes_become_tiers(load_text) -> None:
    routes = (
        load_text(
            HEAD
            + """
        [[account]]
        name = "acme"
        [[route]]
        providers = ["a", "b"]
        [[route]]
        name = "Latvia"
        channel = "sms"
        prefix = "371"
        account = "acme"
        sender = "ACME"
        tiers = [["a", { provider = "b", weight = 3 }], [{ provider = "c" }]]
        [[route]]
        prefix = "1"
        providers = ["c"]
        """
        )
        .declared()
        .routes
    )
    assert routes == (
        RouteSpec(name="route-1", channel="sms", prefix="", tiers=((("a", 1), ("b", 1)),)),
        RouteSpec(
            name="Latvia",
            channel="sms",
            prefix="371",
            tiers=((("a", 1), ("b", 3)), (("c", 1),)),
            account="acme",
            sender="ACME",
        ),
        RouteSpec(name="route-3", channel="sms", prefix="1", tiers=((("c", 1),),)),
    )


@pytest.mark.parametrize(
    ("lines", "key", "reason"),
    [
        ("", "", "must have either providers or tiers"),
        ('providers = ["a"]\ntiers = [["b"]]', "", "must have either providers or tiers"),
        ("providers = []", ".providers", "must not be empty"),
        ("tiers = []", ".tiers", "must not be empty"),
        ('tiers = [["a"], []]', ".tiers[1]", "must not be empty"),
        ('tiers = ["a"]', ".tiers[0]", "must be an array"),
        ("tiers = [[3]]", ".tiers[0][0]", "must be a table"),
        (
            'tiers = [[{ provider = "a", weight = 0 }]]',
            ".tiers[0][0].weight",
            "must be greater than or equal to 1",
        ),
        (
            'tiers = [[{ provider = "a", wight = 2 }]]',
            ".tiers[0][0].wight",
            "is not a known key; did you mean weight?",
        ),
        (
            'providers = ["a"]\nprefix = "+371"',
            ".prefix",
            'must be the first digits of E.164 numbers, without "+", or ""',
        ),
        ('providers = ["a"]\nchannel = "fax"', ".channel", "must be 'sms'"),
        (
            'providers = ["a"]\nchannel = "hlr"',
            ".channel",
            "hlr is no message and has no route; only a [[rate]] can have it",
        ),
    ],
)
def test_names_what_is_wrong_with_a_route(problems_in, lines: str, key: str, reason: str) -> None:
    assert problems_in(HEAD + "[[route]]\n" + lines) == {f"route[0]{key}": reason}


def test_rates_become_micro_units(load_text) -> None:
    assert load_text(
        """
        [[rate]]
        price = "0.035"
        [[rate]]
        channel = "sms"
        prefix = "371"
        price = "0"
        currency = "USD"
        valid_from = 2026-01-01T02:00:00+02:00
        """
    ).declared().rates == (
        RateSpec(channel="sms", prefix="", price_micros=35_000),
        RateSpec(
            channel="sms",
            prefix="371",
            price_micros=0,
            currency="USD",
            valid_from_ms=1_767_225_600_000,
        ),
    )


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ("", "price"),
        ('price = "-1"', "price"),
        ('price = "1"\nprefix = "x"', "prefix"),
        ('price = "1"\ncurrency = "eur"', "currency"),
        ('price = "1"\nvalid_from = "2026-01-01"', "valid_from"),
    ],
)
def test_names_what_is_wrong_with_a_rate(problems_in, lines: str, key: str) -> None:
    assert list(problems_in("[[rate]]\n" + lines)) == [f"rate[0].{key}"]


@pytest.mark.parametrize("channel", ["hlr", "nv"])
def test_queries_of_numbers_have_rates(load_text, channel: str) -> None:
    [rate] = load_text(f'[[rate]]\nchannel = "{channel}"\nprice = "0.005"').declared().rates
    assert rate == RateSpec(channel=channel, prefix="", price_micros=5_000)


def test_a_price_of_queries_is_none_of_messages(load_text) -> None:
    settings = load_text('[[account]]\nname = "a"\n[[rate]]\nchannel = "hlr"\nprice = "1"')
    assert [problem.key for problem in settings.warnings] == ["account[0].currency"]

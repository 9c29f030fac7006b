def provider(name: str) -> str:
    return (
        f'[[provider]]\nname = "{name}"\nwire = "smpp"\nhost = "h"\nsystem_id = "s"\n'
        'password = "p"\n'
    )


def test_names_and_secrets_are_unique(problems_in) -> None:
    assert problems_in(
        """
        [[account]]
        name = "a"
        senders = ["A", "B", "A"]
        [[account.token]]
        secret = "t"
        name = "one"
        [[account.token]]
        secret = "u"
        name = "one"
        [[account.webhook]]
        url = "https://a.example"
        secret = "k"
        [[account.webhook]]
        url = "https://a.example"
        secret = "l"
        [[account]]
        name = "a"
        senders = ["A"]
        [[account.token]]
        secret = { env = "T" }
        name = "one"
        [[account.smpp]]
        system_id = "s"
        password = "p"
        [[account.smpp]]
        system_id = "s"
        password = "p"
        """
        + provider("p")
        + provider("p")
        + '[[route]]\nname = "r"\nproviders = ["p", "p"]\n'
        + '[[route]]\nname = "r"\ntiers = [["p"], [{ provider = "p" }]]\n',
        environ={"T": "t"},
    ) == {
        "account[0].senders[2]": "'A' already stands at account[0].senders[0]",
        "account[0].token[1].name": "'one' already stands at account[0].token[0].name",
        "account[0].webhook[1].url": (
            "'https://a.example' already stands at account[0].webhook[0].url"
        ),
        "account[1].name": "'a' already stands at account[0].name",
        "account[1].token[0].secret": "the same secret already stands at account[0].token[0].secret",
        "account[1].smpp[1].system_id": "'s' already stands at account[1].smpp[0].system_id",
        "provider[1].name": "'p' already stands at provider[0].name",
        "route[0].providers[1]": "'p' already stands at route[0].providers[0]",
        "route[1].name": "'r' already stands at route[0].name",
        "route[1].tiers[1][0].provider": "'p' already stands at route[1].tiers[0][0]",
    }


def test_unnamed_tokens_are_not_the_same(load_text) -> None:
    assert load_text(
        '[[account]]\nname = "a"\n[[account.token]]\nsecret = "t"\n[[account.token]]\nsecret = "u"'
    )


def test_a_rate_stands_once_for_each_moment(load_text, problems_in) -> None:
    rates = '[[rate]]\nprice = "1"\n[[rate]]\nprice = "2"\n'
    assert problems_in(rates) == {
        "rate[1]": (
            "a price for the same channel, prefix, currency and valid_from already stands at rate[0]"
        )
    }
    for other in ('prefix = "1"', 'currency = "USD"', "valid_from = 2026-01-01"):
        assert load_text(rates + other)


def test_an_object_with_a_mistake_still_counts_by_its_name(problems_in) -> None:
    broken = provider("p").replace('host = "h"', "host = 3")
    assert problems_in(
        '[[account]]\nname = "a"\ncharge = "never"\n'
        + broken
        + '[[route]]\naccount = "a"\nproviders = ["p"]\n'
    ).keys() == {"account[0].charge", "provider[0].host"}


def test_tables_of_the_wrong_shape_hide_nothing(problems_in) -> None:
    assert problems_in(
        'account = [1, { name = 3 }, { name = "a", token = 3, smpp = [[1]], senders = "x" }]\n'
        + provider("p")
        + '[[route]]\nproviders = "p"\ntiers = 3\naccount = "b"\n'
    ) == {
        "account": "must be an array of tables: [[account]]",
        "route[0].providers": "must be an array",
        "route[0].tiers": "must be an array",
        "route[0].account": "there is no [[account]] named 'b'",
    }


def test_warns_of_what_is_hardly_meant(load_text) -> None:
    settings = load_text(
        '[[account]]\nname = "a"\ncurrency = "USD"\n[[account]]\nname = "b"\n'
        '[[rate]]\nprice = "1"\n' + provider("p") + provider("q") + '[[route]]\nproviders = ["q"]\n'
    )
    assert [(warning.key, warning.reason) for warning in settings.warnings] == [
        (
            "account[0].currency",
            "no [[rate]] is in USD: every message of this account is refused",
        ),
        ("provider[0].name", "no [[route]] names the provider 'p'"),
    ]

from pathlib import Path

import pytest

from conf.http_provider import HttpProviderSettings
from conf.problems import Problem, SettingsError
from conf.providers import SmppProviderSettings
from conf.settings import load
from gateway.domain.account import ChargeAt, NumberCheck
from gateway.domain.declared import (
    AccountSpec,
    Declared,
    ProviderSpec,
    RateSpec,
    RouteSpec,
    SmppCredentialSpec,
    TokenSpec,
)

# The file promised to the outside, word for word.
PROMISED = """
[listen]
http = "127.0.0.1:8080"
smpp = "127.0.0.1:2775"
admin = "127.0.0.1:9090"                  # metrics and health
[store]
url = "sqlite:///./postern.db"            # or postgresql://user:secret@host/db
[[account]]
name = "acme"
currency = "EUR"
credit = "100000.00"                      # opening balance, applied once
requests_per_min = 60                     # REST, all doors
senders = ["ACME"]
  [[account.token]]
  secret = "token-acme"                   # or { env = "X" } or { file = "path" }
  [[account.smpp]]
  system_id = "acme"
  password = "secret"
  max_binds = 10
  window = 1000
  rate = 0                                # parts per second; 0 = no limit
[[provider]]
name = "carrier"
wire = "smpp"
host = "127.0.0.1"
port = 2776
system_id = "gw"
password = "secret"
binds = 1
window = 100
rate = 0
[[route]]
channel = "sms"
prefix = ""
providers = ["carrier"]
[[rate]]
channel = "sms"
prefix = ""
price = "0.035"
"""


def test_declares_the_objects_of_the_promised_file(load_text) -> None:
    assert load_text(PROMISED).declared() == Declared(
        accounts=(
            AccountSpec(
                name="acme",
                credit_micros=100_000_000_000,
                requests_per_min=60,
                senders=("ACME",),
                tokens=(TokenSpec(secret="token-acme"),),
                smpp=(SmppCredentialSpec(system_id="acme", password="secret"),),
            ),
        ),
        providers=(ProviderSpec(name="carrier", wire="smpp", id_mode="as_is"),),
        routes=(RouteSpec(name="route-1", channel="sms", prefix="", tiers=((("carrier", 1),),)),),
        rates=(RateSpec(channel="sms", prefix="", price_micros=35_000),),
    )


def test_the_defaults_are_those_of_the_heart(load_text) -> None:
    (account,) = load_text('[[account]]\nname = "a"').declared().accounts
    assert account == AccountSpec(name="a")
    assert (account.charge_at, account.number_check) == (ChargeAt.ACCEPT, NumberCheck.POSSIBLE)


def test_places_of_the_promised_file(load_text, tmp_path: Path) -> None:
    settings = load_text(PROMISED)
    assert settings.listen.http == ("127.0.0.1", 8080)
    assert settings.listen.control == tmp_path / "postern.sock"
    assert settings.listen.tls is None
    assert settings.store.url.reveal() == f"sqlite:///{tmp_path}/postern.db"
    assert settings.warnings == ()
    (provider,) = settings.providers
    assert isinstance(provider, SmppProviderSettings)
    assert (provider.host, provider.port, provider.binds) == ("127.0.0.1", 2776, 1)


def test_an_empty_file_is_all_defaults_and_listens_nowhere(load_text) -> None:
    settings = load_text("")
    assert (settings.listen.http, settings.listen.smpp, settings.listen.admin) == (None,) * 3
    assert settings.declared() == Declared()
    assert settings.queue.validity_s == 172_800
    assert settings.trusted_proxies == ()


def test_relative_paths_count_from_the_file_not_from_where_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "postern.toml").write_text('[log]\nmessage_log = "m.log"')
    monkeypatch.chdir(tmp_path)
    settings = load("etc/postern.toml", environ={})
    assert settings.file == tmp_path / "etc" / "postern.toml"
    assert settings.log.message_log == tmp_path / "etc" / "m.log"


def test_providers_without_retry_take_that_of_the_queue(load_text) -> None:
    settings = load_text(
        PROMISED.replace("[[account]]", "[queue]\nretry = [1, 2]\n[[account]]", 1)
        + '[[provider]]\nname = "b"\nwire = "smpp"\nhost = "h"\nsystem_id = "s"\n'
        + 'password = "p"\nretry = []\n'
    )
    assert [p.retry_s for p in settings.declared().providers] == [(1, 2), ()]


def test_names_every_problem_at_once(problems_in) -> None:
    assert problems_in(
        """
        colour = "blue"
        trusted_proxies = ["localhost"]
        [listen]
        http = "8080"
        [queue]
        max_redy = 1
        [[account]]
        name = "a"
        [[account.smpp]]
        system_id = "s"
        password = "x"
        [[account.smpp]]
        system_id = "s"
        password = "y"
        window = "100"
        [[provider]]
        name = "p"
        wire = "carrier pigeon"
        [[route]]
        account = "b"
        providers = ["p", "q"]
        [[rate]]
        price = 0.035
        """
    ) == {
        "colour": "is not a known key",
        "trusted_proxies[0]": "must be an IP address or a network such as 10.0.0.0/8",
        "listen.http": (
            'must be "host:port", such as "127.0.0.1:8080", "0.0.0.0:8080" or "[::1]:8080"'
        ),
        "queue.max_redy": "is not a known key; did you mean max_ready?",
        "account[0].smpp[1].window": "must be a valid integer",
        "account[0].smpp[1].system_id": "'s' already stands at account[0].smpp[0].system_id",
        "provider[0].wire": "must be one of smpp, http, exosend, exotel, mesms, easysendsms",
        "route[0].account": "there is no [[account]] named 'b'",
        "route[0].providers[1]": "there is no [[provider]] named 'q'",
        "rate[0].price": 'must be an amount as text, such as "0.035"',
    }


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("account = 3", "account", "must be an array of tables: [[account]]"),
        ("route = [1]", "route", "must be an array of tables: [[route]]"),
        ('[provider]\nname = "x"', "provider", "must be an array of tables: [[provider]]"),
        ("listen = 3", "listen", "must be a table"),
        ("[[listen]]", "listen", "must be a table"),
        (
            "[[provider]]",
            "provider[0].wire",
            "must be one of smpp, http, exosend, exotel, mesms, easysendsms",
        ),
        (
            "[[provider]]\nwire = []",
            "provider[0].wire",
            "must be one of smpp, http, exosend, exotel, mesms, easysendsms",
        ),
    ],
)
def test_names_tables_of_the_wrong_shape(problems_in, text: str, key: str, reason: str) -> None:
    assert problems_in(text) == {key: reason}


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"[listen\n", "is not valid TOML: "),
        (b"a = 1\na = 2\n", "is not valid TOML: "),
        (b"a = " + b"[" * 10_000, "is nested too deeply"),
        (b"a = '\xff'\n", "is not UTF-8 text"),
    ],
)
def test_names_a_file_that_is_no_toml(tmp_path: Path, octets: bytes, reason: str) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(octets)
    with pytest.raises(SettingsError) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert (problem.file, problem.key) == (str(file), "")
    assert problem.reason.startswith(reason)


def test_names_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(SettingsError, match="cannot be read: ") as caught:
            load(path)
        assert caught.value.problems[0].file == str(path)


HTTP_PROVIDER = """
[[provider]]
name = "p"
wire = "http"
url = "https://carrier.example/{nobody}"
"""


def test_mistakes_in_templates_are_reported_with_all_others(problems_in) -> None:
    def check(provider: HttpProviderSettings) -> list[tuple[str, str]]:
        return [("url", f"unknown placeholder in {provider.name}")]

    assert problems_in(HTTP_PROVIDER + '[[route]]\nproviders = ["q"]', check_template=check) == {
        "provider[0].url": "unknown placeholder in p",
        "route[0].providers[0]": "there is no [[provider]] named 'q'",
    }


def test_templates_are_only_checked_where_there_are_some(load_text) -> None:
    checked = []

    def check(provider: HttpProviderSettings) -> list[tuple[str, str]]:
        checked.append(provider.name)
        return []

    load_text(PROMISED + HTTP_PROVIDER, check_template=check)
    assert checked == ["p"]


def test_warns_of_every_secret_that_anybody_may_read(load_text, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    secret.chmod(0o644)
    key = tmp_path / "key"
    key.write_text("0" * 64)
    key.chmod(0o604)
    settings = load_text(
        PROMISED.replace('"token-acme"', '{ file = "secret" }')
        + HTTP_PROVIDER.replace("{nobody}", "")
        + 'secrets = { KEY = { file = "secret" } }\n'
        + '[secrets]\nkey_file = "key"\n'
        + '[[route]]\nname = "b"\nproviders = ["p"]\n'
    )
    file = str(tmp_path / "postern.toml")
    reason = f"every user of this machine can read {secret}: chmod 600 it"
    assert settings.warnings == (
        Problem(
            file, "secrets.key_file", f"every user of this machine can read {key}: chmod 600 it"
        ),
        Problem(file, "account[0].token[0].secret", reason),
        Problem(file, "provider[1].secrets.KEY", reason),
    )
    secret.chmod(0o600)
    key.chmod(0o600)
    assert load(tmp_path / "postern.toml", environ={}).warnings == ()


def test_no_secret_is_shown(load_text, problems_in) -> None:
    text = (
        PROMISED.replace("sqlite:///./postern.db", "postgresql://u:hidden-1@h/db")
        .replace('"secret"', '"hidden-2"')
        .replace("token-acme", "hidden-3")
        + HTTP_PROVIDER.replace("{nobody}", "hidden-4")
        + 'headers = { A = "hidden-5" }\nquery = { a = "hidden-6" }\nsecrets = { A = "hidden-7" }\n'
        + 'fields = { a = "hidden-8" }\ntext = "hidden-9"\n'
        + '[[provider.errors]]\nclass = "refused"\n'
        + '[provider.receipt]\nid = "i"\nstate = "s"\nstates = {}\ntoken = "hidden-10"\n'
    )
    settings = load_text(text)
    assert "hidden-" not in repr(settings)
    assert "hidden-" not in str(settings)
    broken = (
        text.replace("postgresql:", "mysql:")
        .replace('"hidden-2"', '"hidden-2\\u0000"')
        .replace("max_binds = 10", "max_binds = 0")
        .replace('secret = "hidden-3"', 'secret = { env = "hidden-3", x = 1 }')
        + '[[account]]\nname = "b"\n'
        + '[[account.token]]\nsecret = "hidden-11"\n[[account.token]]\nsecret = "hidden-11"\n'
    )
    problems = problems_in(broken)
    assert len(problems) == 6
    assert problems["account[1].token[1].secret"] == (
        "the same secret already stands at account[1].token[0].secret"
    )
    assert not [reason for reason in problems.values() if "hidden-" in reason]

import pytest

URL = 'url = "https://hlr.example.com/v1?number={to}"\n'


def test_nothing_is_asked_by_default(load_text) -> None:
    settings = load_text("").hlr
    assert (settings.url, settings.timeout_s, settings.window, settings.cache_s) == (
        None, 10, 20, 3600,
    )  # fmt: skip
    assert settings.states.live == ("live",)
    assert settings.fields.mccmnc == "mccmnc"


def test_a_connector(load_text) -> None:
    settings = load_text(
        """
        [hlr]
        url = "https://hlr.example.com/v1/{to_plus}?key={secret.KEY}"
        headers = { Authorization = "Bearer {secret.KEY}" }
        secrets = { KEY = { env = "HLR_KEY" } }
        cache_s = 0
        [hlr.fields]
        state = "data.0.status"
        [hlr.states]
        live = ["ACTIVE", "OK"]
        """,
        environ={"HLR_KEY": "s3cret"},
    ).hlr
    assert settings.secrets["KEY"].reveal() == "s3cret"
    assert settings.fields.state == "data.0.status"
    assert settings.states.live == ("ACTIVE", "OK")
    assert "hlr.example.com" not in repr(settings)


@pytest.mark.parametrize(
    ("lines", "key", "reason"),
    [
        ('url = "https://hlr.example.com/"', "", "url must hold {to} or {to_plus}, the number that is asked about"),
        ('url = "ftp://x/{to}"', ".url", "must be a URL that starts with http:// or https:// and names a host"),
        (URL + 'headers = { X = "{text}" }', "", "unknown placeholder {text}; known are {to}, {to_plus}, {secret.NAME}"),
        (URL + 'headers = { X = "{secret.KEY}" }', "", "unknown secret in {secret.KEY}: declare it under secrets"),
        (URL + 'headers = { X = "{" }', "", "holds a brace that is no placeholder's"),
        (URL + "window = 0", ".window", "must be greater than or equal to 1"),
        ('fields = { state = "a..b" }', ".fields.state", "must match pattern '^[^.]+(\\.[^.]+)*$'"),
    ],
)  # fmt: skip
def test_mistakes(problems_in, lines: str, key: str, reason: str) -> None:
    problems = problems_in("[hlr]\n" + lines)
    assert list(problems) == [f"hlr{key}"]
    assert problems[f"hlr{key}"].endswith(reason)

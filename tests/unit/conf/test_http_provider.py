import pytest

from conf.http_provider import HttpProviderSettings

PROVIDER = """
[[provider]]
name = "h"
wire = "http"
url = "https://api.example/{to}"
"""


def load_provider(load_text, text: str) -> HttpProviderSettings:
    (provider,) = load_text(text, environ={"KEY": "k"}).providers
    assert isinstance(provider, HttpProviderSettings)
    return provider


def test_every_key_is_kept_as_written(load_text) -> None:
    provider = load_provider(
        load_text,
        PROVIDER
        + """
        method = "PUT"
        window = 5
        timeout_s = 7
        headers = { X-Key = "{secret.KEY}" }
        query = { ref = "{message_id}" }
        body = "json"
        fields = { to = ["{to}"], deep = { n = "{parts}", flag = true, f = 1.5 } }
        text = "t"
        secrets = { KEY = { env = "KEY" } }
        split = "gateway"
        success = { status = "2xx", path = "ok", equals = [true, 0, "yes"] }
        id = { path = "data.0.id" }
        [[provider.errors]]
        status = [429, "5xx"]
        class = "throttled"
        [[provider.errors]]
        path = "code"
        equals = 17
        text = "x"
        class = "refused_everywhere"
        """.replace("equals = 17", "equals = [17]")
        + """
        [provider.receipt]
        id = "i"
        state = "s"
        error = "e"
        at = "t"
        format = "form"
        token = "tok"
        many = "m"
        states = { delivered = ["D", 1], failed = [], sent = [false] }
        answer = { status = 204, body = "" }
        """,
    )
    assert (provider.method, provider.window, provider.timeout_s) == ("PUT", 5, 7)
    assert provider.url == "https://api.example/{to}"
    assert provider.headers == {"X-Key": "{secret.KEY}"}
    assert provider.query == {"ref": "{message_id}"}
    assert provider.fields == {"to": ["{to}"], "deep": {"n": "{parts}", "flag": True, "f": 1.5}}
    assert (provider.body, provider.text, provider.split) == ("json", "t", "gateway")
    assert {name: secret.reveal() for name, secret in provider.secrets.items()} == {"KEY": "k"}
    assert provider.success.model_dump() == {
        "status": ("2xx",), "path": "ok", "equals": (True, 0, "yes"),
    }  # fmt: skip
    assert provider.id is not None
    assert provider.id.model_dump() == {"path": "data.0.id", "header": "", "regex": ""}
    assert [rule.model_dump() for rule in provider.errors] == [
        {
            "status": (429, "5xx"), "path": "", "equals": (), "text": "",
            "error_class": "throttled",
        },
        {
            "status": (), "path": "code", "equals": (17,), "text": "x",
            "error_class": "refused_everywhere",
        },
    ]  # fmt: skip
    receipt = provider.receipt
    assert receipt is not None
    assert receipt.token.reveal() == "tok"
    assert receipt.model_dump(exclude={"token"}) == {
        "id": "i", "state": "s", "error": "e", "at": "t", "format": "form", "many": "m",
        "states": {
            "delivered": ("D", 1), "failed": (), "rejected": (), "expired": (), "unknown": (),
            "sent": (False,),
        },
        "answer": {"status": 204, "body": ""},
    }  # fmt: skip


def test_little_is_needed(load_text) -> None:
    provider = load_provider(load_text, PROVIDER)
    assert (provider.method, provider.body, provider.split) == ("POST", "json", "provider")
    assert provider.success.status == (200, 201, 202)
    assert (provider.id, provider.receipt, provider.errors) == (None, None, ())


@pytest.mark.parametrize(
    ("line", "key", "reason"),
    [
        ('method = "DELETE"', "method", "must be 'GET', 'POST', 'PUT' or 'PATCH'"),
        ('body = "xml"', "body", "must be 'json', 'form', 'text' or 'none'"),
        ("headers = { A = 1 }", "headers.A", "must be a valid string"),
        ("fields = []", "fields", "must be a table"),
        (
            "success = { status = [2.5] }",
            "success.status[0]",
            'must be an HTTP status such as 202, or a class such as "5xx"',
        ),
        (
            "success = { equals = [[]] }",
            "success.equals[0]",
            "must be a text, a number, true or false",
        ),
        ("id = 'x'", "id", "must be a table"),
        ("[[provider.errors]]", "errors[0].class", "is missing"),
        ("host = 'x'", "host", "is not a known key"),
    ],
)
def test_names_what_is_wrong(problems_in, line: str, key: str, reason: str) -> None:
    assert problems_in(PROVIDER + line) == {f"provider[0].{key}": reason}

import shlex
from collections.abc import Mapping

import pytest

from protocols.http.docs_curl import credential_variables, curl_command
from protocols.http.openapi import FORM, JSON, MULTIPART, Answer, Endpoint, Parameter, string

BEARER = {"type": "http", "scheme": "bearer"}
BASIC = {"type": "http", "scheme": "basic"}
KEY = {"type": "apiKey", "in": "header", "name": "x-api-key"}


def endpoint(method: str = "post", path: str = "/v1/send") -> Endpoint:
    return Endpoint(
        method=method,  # type: ignore[arg-type]
        path=path,
        operation_id="x",
        summary="X",
        parameters=[
            Parameter("id", "path", string(example="a b/c"), "Whose."),
            Parameter("bare", "path", string(), "Whose."),
            Parameter("q", "query", string(), "What."),
        ],
        answers={200: Answer(description="Done.")},
    )


def words(command: str) -> list[str]:
    return shlex.split(command.replace("\\\n", " "))


@pytest.mark.parametrize(
    ("security", "credentials", "variables"),
    [
        (BEARER, ["-H", "Authorization: Bearer $TOKEN"], ("TOKEN",)),
        (BASIC, ["-u", "$API_KEY:$API_TOKEN"], ("API_KEY", "API_TOKEN")),
        (KEY, ["-H", "x-api-key: $API_KEY"], ("API_KEY",)),
    ],
)
def test_credentials_are_shell_variables(
    security: Mapping[str, object], credentials: list[str], variables: tuple[str, ...]
) -> None:
    assert words(curl_command(endpoint("get"), security)) == [
        "curl", "$BASE/v1/send", *credentials,
    ]  # fmt: skip
    assert credential_variables(security) == variables


def test_parameters_of_the_path_are_filled_and_quoted() -> None:
    command = curl_command(endpoint("get", "/v1/{id}/x/{bare}.json"), KEY)
    assert words(command)[1] == "$BASE/v1/a%20b%2Fc/x/ID.json"


@pytest.mark.parametrize(
    ("method", "has_body", "named"),
    [
        ("get", False, []),
        ("post", False, ["-X", "POST"]),
        ("post", True, []),
        ("put", True, ["-X", "PUT"]),
        ("patch", False, ["-X", "PATCH"]),
        ("delete", False, ["-X", "DELETE"]),
    ],
)
def test_a_verb_is_named_where_curl_would_take_another(
    method: str, has_body: bool, named: list[str]
) -> None:
    command = curl_command(endpoint(method), KEY, JSON if has_body else None, {})
    assert words(command)[2 : 2 + len(named)] == named
    assert ("-X" in command) is bool(named)


def test_json_is_one_quoted_word() -> None:
    command = words(curl_command(endpoint(), KEY, JSON, {"text": "it's “ä”"}))
    assert command[-4:] == ["-H", f"Content-Type: {JSON}", "-d", '{"text": "it\'s “ä”"}']


@pytest.mark.parametrize(
    ("media_type", "option"), [(FORM, "--data-urlencode"), (MULTIPART, "--form-string")]
)
def test_form_fields_are_quoted_and_lists_repeated(media_type: str, option: str) -> None:
    example = {"To[]": ["+1", "+2"], "Body": "it's @home"}
    command = words(curl_command(endpoint(), KEY, media_type, example))
    assert command[-6:] == [option, "To[]=+1", option, "To[]=+2", option, "Body=it's @home"]

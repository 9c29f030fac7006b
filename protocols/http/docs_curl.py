"""A request as a `curl` command that can be pasted into a shell.

The gateway's address and the credentials are shell variables: $BASE, and what `credentials` names.
"""

import json
import shlex
from collections.abc import Mapping
from urllib.parse import quote

from protocols.http.openapi import JSON, MULTIPART, Endpoint, Schema

_INDENT = " \\\n  "


def curl_command(
    endpoint: Endpoint,
    security: Mapping[str, object],
    media_type: str | None = None,
    example: object = None,
) -> str:
    """The command for `endpoint`, with `example` as its body in `media_type`."""
    words = [f'curl "$BASE{_path(endpoint)}"']
    if endpoint.method != "get" and (media_type is None or endpoint.method != "post"):
        words.append(f"-X {endpoint.method.upper()}")
    words.append(_credentials(security))
    if media_type is not None:
        words.extend(_body(media_type, example))
    return _INDENT.join(words)


def credential_variables(security: Mapping[str, object]) -> tuple[str, ...]:
    """The shell variables its commands use, besides $BASE."""
    match security:
        case {"scheme": "basic"}:
            return ("API_KEY", "API_TOKEN")
        case {"scheme": "bearer"}:
            return ("TOKEN",)
        case _:
            return ("API_KEY",)


def _credentials(security: Mapping[str, object]) -> str:
    match security:
        case {"scheme": "basic"}:
            return '-u "$API_KEY:$API_TOKEN"'
        case {"scheme": "bearer"}:
            return '-H "Authorization: Bearer $TOKEN"'
        case _:
            return f'-H "{security["name"]}: $API_KEY"'


def _path(endpoint: Endpoint) -> str:
    """The path with the examples of its parameters."""
    path = endpoint.path
    for parameter in endpoint.parameters:
        if parameter.location == "path":
            path = path.replace(f"{{{parameter.name}}}", quote(_sample(parameter.schema), safe=""))
    return path


def _sample(schema: Schema) -> str:
    examples = schema.get("examples")
    return str(examples[0]) if isinstance(examples, list) and examples else "ID"


def _body(media_type: str, example: object) -> list[str]:
    if media_type == JSON:
        text = json.dumps(example, ensure_ascii=False)
        return [f"-H 'Content-Type: {JSON}'", f"-d {shlex.quote(text)}"]
    option = "--form-string" if media_type == MULTIPART else "--data-urlencode"
    fields = example if isinstance(example, dict) else {}
    return [
        f"{option} {shlex.quote(f'{name}={item}')}"
        for name, value in fields.items()
        for item in (value if isinstance(value, list) else [value])
    ]

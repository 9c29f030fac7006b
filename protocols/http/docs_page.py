"""The API's documentation as HTML: an index of all vendors, and a page for each.

Made on the server, once, from the same description as the OpenAPI document.  The pages load nothing
and run nothing: one style sheet, inline, whose digest the content security policy names.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from html import escape
from itertools import groupby
from re import sub

from protocols.http.docs_curl import credential_variables, curl_command
from protocols.http.docs_fields import Field, alternatives, fields_of, limits, type_words
from protocols.http.openapi import (
    Answer,
    DoorDescription,
    Endpoint,
    Header,
    Media,
    Parameter,
    Schema,
    Webhook,
)

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --faint: #8882; --link: #0b62c4; }
@media (prefers-color-scheme: dark) { :root { --link: #7ab7ff; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }
a { color: var(--link); }
nav { border-bottom: 1px solid var(--line); padding-bottom: .5rem; }
nav a { margin-right: 1rem; }
section { border-top: 1px solid var(--line); margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid var(--faint); }
th { font-size: .85rem; }
code, pre { font: .9em/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--faint); padding: .6rem; overflow-x: auto; overflow-wrap: normal; }
details { margin: .4rem 0; }
summary { cursor: pointer; }
.method { display: inline-block; min-width: 4rem; font-weight: bold; }
"""
_DIGEST = b64encode(sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


def render_index(doors: Sequence[DoorDescription]) -> str:
    """The index: every vendor with its endpoints."""
    listed = "".join(
        f'<section id="{escape(door.tag)}"><h2><a href="/docs/{escape(door.tag)}">'
        f"{escape(door.title)}</a></h2>{_prose(door.description)}{_contents(door)}</section>"
        for door in doors
    )
    intro = (
        _prose("One API per vendor, each at its own path prefix. The same in a form for programs:")
        + '<p><a href="/openapi.json">openapi.json</a> (OpenAPI 3.1)</p>'
    )
    return _page("API", doors, f"<h1>API</h1>{intro}{listed}")


def render_door(door: DoorDescription, doors: Sequence[DoorDescription]) -> str:
    """One vendor's page; `doors` are those its navigation names."""
    variables = ", ".join(f"`${name}`" for name in credential_variables(door.security))
    how = (
        "In the commands below `$BASE` is the address of the gateway, such as"
        f" `https://gateway.example`, and {variables} your credentials."
    )
    parts = [
        f"<h1>{escape(door.title)}</h1>",
        _prose(door.description),
        _prose(how),
        _contents(door),
        *(_endpoint(endpoint, door) for endpoint in door.endpoints),
        *(_webhook(webhook, door) for webhook in door.webhooks),
    ]
    return _page(door.title, doors, "".join(parts))


# --- parts of a page ----------------------------------------------------------------------------


def _page(title: str, doors: Sequence[DoorDescription], main: str) -> str:
    links = "".join(
        f'<a href="/docs/{escape(door.tag)}">{escape(door.title)}</a>' for door in doors
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - Postern</title><style>{_STYLE}</style></head>"
        f'<body><nav><a href="/docs">Index</a>{links}</nav><main>{main}</main></body></html>\n'
    )


def _contents(door: DoorDescription) -> str:
    page = f"/docs/{door.tag}"
    rows = [
        [
            f'<span class="method">{endpoint.method.upper()}</span>'
            f'<a href="{escape(page)}#{escape(endpoint.operation_id)}">'
            f"<code>{escape(endpoint.path)}</code></a>",
            _inline(endpoint.summary),
        ]
        for endpoint in door.endpoints
    ]
    rows += [
        [
            '<span class="method">to you</span>'
            f'<a href="{escape(page)}#{escape(webhook.name)}">{escape(webhook.name)}</a>',
            _inline(webhook.summary),
        ]
        for webhook in door.webhooks
    ]
    return _table(("Endpoint", "What it does"), rows)


def _endpoint(endpoint: Endpoint, door: DoorDescription) -> str:
    parts = [
        f'<section id="{escape(endpoint.operation_id)}"><h2>{_inline(endpoint.summary)}</h2>',
        f'<p><span class="method">{endpoint.method.upper()}</span>'
        f"<code>{escape(endpoint.path)}</code></p>",
        _prose(endpoint.description),
        _parameters(endpoint.parameters),
    ]
    if endpoint.body:
        parts.append(f"<h3>Request body</h3>{_requests(endpoint.body, door.schemas)}")
    parts.append(f"<h3>Example</h3>{_commands(endpoint, door.security)}<h3>Answers</h3>")
    parts.extend(
        _answer(status, answer, door.schemas) for status, answer in sorted(endpoint.answers.items())
    )
    return "".join(parts) + "</section>"


def _webhook(webhook: Webhook, door: DoorDescription) -> str:
    examples = "".join(
        f"<h3>Example, <code>{escape(media_type)}</code></h3>{_examples(media)}"
        for media_type, media in webhook.body.items()
    )
    return (
        f'<section id="{escape(webhook.name)}"><h2>{_inline(webhook.summary)}</h2>'
        '<p><span class="method">POST</span>to your address</p>'
        f"{_prose(webhook.description)}<h3>Request body</h3>"
        f"{_requests(webhook.body, door.schemas)}{examples}</section>"
    )


def _parameters(parameters: Sequence[Parameter]) -> str:
    if not parameters:
        return ""
    rows = [
        [
            f"<code>{escape(parameter.name)}</code>",
            parameter.location,
            _inline(type_words(parameter.schema, {})),
            "yes" if parameter.required or parameter.location == "path" else "no",
            _inline(_with_limits(parameter.description, parameter.schema)),
        ]
        for parameter in parameters
    ]
    return "<h3>Parameters</h3>" + _table(("Name", "In", "Type", "Required", "Meaning"), rows)


def _requests(content: Mapping[str, Media], schemas: Mapping[str, Schema]) -> str:
    """The fields of each encoding; encodings with the same fields share one table."""
    tables = [
        (media_type, _shapes(media.schema, schemas, "Required"))
        for media_type, media in content.items()
    ]
    parts = []
    for table, group in groupby(tables, key=lambda item: item[1]):
        names = ", ".join(f"<code>{escape(media_type)}</code>" for media_type, _ in group)
        parts.append(f"<p>{names}</p>{table}")
    return "".join(parts)


def _answer(status: int, answer: Answer, schemas: Mapping[str, Schema]) -> str:
    # What a caller reads first is open: the answer to a request that went well.
    state = " open" if status < 300 else ""
    bodies = "".join(
        f"<p><code>{escape(media_type)}</code></p>"
        f"{_shapes(media.schema, schemas, 'Always there')}{_examples(media)}"
        for media_type, media in answer.content.items()
    )
    return (
        f"<details{state}><summary><strong>{status}</strong> {_inline(answer.description)}"
        f"</summary>{_headers(answer.headers)}{bodies}</details>"
    )


def _headers(headers: Mapping[str, Header]) -> str:
    if not headers:
        return ""
    rows = [
        [
            f"<code>{escape(name)}</code>",
            _inline(type_words(header.schema, {})),
            _inline(header.description),
        ]
        for name, header in headers.items()
    ]
    return _table(("Header", "Type", "Meaning"), rows)


def _shapes(schema: Schema, schemas: Mapping[str, Schema], presence: str) -> str:
    """A table for each form of a body; `presence` is the title over "yes" and "no"."""
    shapes = alternatives(schema, schemas)
    tables = []
    for number, shape in enumerate(shapes, 1):
        title = f"<p><em>Form {number} of {len(shapes)}.</em></p>" if len(shapes) > 1 else ""
        description = _prose(str(shape.get("description", "")))
        tables.append(title + description + _fields(fields_of(shape, schemas), presence))
    return "".join(tables)


def _fields(fields: Iterable[Field], presence: str) -> str:
    rows = [
        [
            f"<code>{escape(field.path)}</code>",
            _inline(field.kind),
            "yes" if field.is_required else "no",
            _inline(field.text),
        ]
        for field in fields
    ]
    return _table(("Field", "Type", presence, "Meaning"), rows)


def _examples(media: Media) -> str:
    return "".join(f"<pre>{escape(_text(value))}</pre>" for value in media.examples.values())


def _commands(endpoint: Endpoint, security: Mapping[str, object]) -> str:
    """One command per example of each encoding; the first one open."""
    if not endpoint.body:
        return f"<pre>{escape(curl_command(endpoint, security))}</pre>"
    parts: list[str] = []
    for media_type, media in endpoint.body.items():
        for name, example in media.examples.items():
            command = escape(curl_command(endpoint, security, media_type, example))
            state = "" if parts else " open"
            parts.append(
                f"<details{state}><summary><code>{escape(media_type)}</code>, {escape(name)}"
                f"</summary><pre>{command}</pre></details>"
            )
    return "".join(parts)


# --- text ---------------------------------------------------------------------------------------


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`rows` are HTML already."""
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _prose(text: str) -> str:
    return f"<p>{_inline(text)}</p>" if text else ""


def _inline(text: str) -> str:
    """Escaped text; what stands between back-quotes is code."""
    return sub("`([^`]*)`", r"<code>\1</code>", escape(text))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _with_limits(description: str, schema: Schema) -> str:
    said = limits(schema)
    return f"{description} ({said})" if said else description

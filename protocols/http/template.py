"""The meaning of a `[[provider]] wire = "http"` block.

Message -> request, answer -> outcome, callback -> receipts.  Pure: no socket, no clock.  An HTTP
carrier is added with configuration alone; this module compiles that configuration once and is then
asked for every message.  The pieces stand beside it: texts and placeholders in `template_text`,
answers in `template_answer`, receipts in `template_receipt`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlencode

from yarl import URL

from gateway.domain.message import Message
from gateway.domain.outcome import Outcome
from gateway.domain.sms_text import Alphabet
from protocols.http.dialect import ReceiptsRead
from protocols.http.template_answer import AnswerReader, ErrorSpec, IdSpec, SuccessSpec
from protocols.http.template_problems import TemplateProblems
from protocols.http.template_receipt import ReceiptReader, ReceiptSpec
from protocols.http.template_text import (
    EMPTY_TEXT,
    Escape,
    TemplateText,
    TemplateTree,
    Values,
    as_written,
    one_line,
    percent_encoded,
)

METHODS = ("GET", "POST", "PUT", "PATCH")
CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain; charset=utf-8",
    "none": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSpec:
    """The block as plain values.

    `url`, and every string in `headers`, `query`, `fields` and `text`, is a template text (see
    `template_text.PLACEHOLDERS`).  Before its path, `url` may hold secrets only:
    ``https://user:{secret.PASSWORD}@host/`` is HTTP basic authentication.  `body` says what is
    sent: "json" (`fields`, nested), "form" (`fields`, flat), "text" or "none".  `split`: "provider"
    sends the whole text in one request, "gateway" one request per part.  `receipt` None: the
    provider sends no receipts.
    """

    # Templates may hold a key in clear, so none is shown by repr.
    url: str = field(repr=False)
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str = "json"
    fields: Mapping[str, object] = field(default_factory=dict, repr=False)
    text: str = field(default="", repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    success: SuccessSpec = field(default_factory=SuccessSpec)
    id: IdSpec | None = None
    errors: tuple[ErrorSpec, ...] = ()
    split: str = "provider"
    receipt: ReceiptSpec | None = None


class HttpRequest(NamedTuple):
    """A request ready to send.  `url` is fully encoded; `body` is None when there is none."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


class HttpTemplate:
    """A compiled block.

    Raises:
        TemplateError: the block has mistakes; every one is named with its key.
    """

    __slots__ = (
        "_answers", "_body", "_fields", "_headers", "_method", "_query", "_receipts", "_text",
        "_url", "needs_callback_url", "origin", "receipt", "whole_text",
    )  # fmt: skip

    def __init__(self, spec: TemplateSpec) -> None:
        problems = TemplateProblems()
        _check_shape(spec, problems)

        def text(key: str, source: str, escape: Escape = as_written) -> TemplateText:
            return problems.attempt(key, EMPTY_TEXT, TemplateText, source, spec.secrets, escape)

        self._method = spec.method
        self._body = spec.body
        self._url = text("url", spec.url, percent_encoded)
        self.origin = problems.attempt("url", "", _origin, spec.url, spec.secrets)
        self._query = [
            (percent_encoded(name), text(f"query.{name}", value, percent_encoded))
            for name, value in spec.query.items()
        ]
        self._headers = {
            name: text(f"headers.{name}", value, one_line) for name, value in spec.headers.items()
        }
        if CONTENT_TYPES.get(spec.body) and not any(
            n.lower() == "content-type" for n in self._headers
        ):
            self._headers["Content-Type"] = TemplateText(CONTENT_TYPES[spec.body], {}, as_written)
        self._fields = TemplateTree(spec.fields, spec.secrets, problems)
        self._text = text("text", spec.text)
        self._answers = AnswerReader(spec.success, spec.id, spec.errors, problems)
        self.receipt = spec.receipt
        self._receipts = ReceiptReader(spec.receipt, problems) if spec.receipt else None
        self.whole_text = spec.split == "provider"
        self.needs_callback_url = self._uses("callback_url")
        if self.needs_callback_url and spec.receipt is None:
            problems.add("receipt", "missing, but {callback_url} is used: how would it be read?")
        problems.raise_any()

    def build_request(
        self, message: Message, part: int, now_ms: int, callback_url: str
    ) -> HttpRequest:
        """The request for `part` (from 0) of `message`, or for all of it when `whole_text`.

        Raises:
            ValueError: the message has octets instead of text.
        """
        values = self._values(message, part, now_ms, callback_url)
        url = self._url.render(values)
        if self._query:
            pairs = "&".join(f"{name}={value.render(values)}" for name, value in self._query)
            url += ("&" if "?" in url else "?") + pairs
        headers = {name: value.render(values) for name, value in self._headers.items()}
        return HttpRequest(self._method, url, headers, self._render_body(values))

    def read_answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
        """The outcome of an answered request.  Never raises."""
        return self._answers.read(status, headers, body)

    def read_receipts(self, query: str, body: bytes) -> ReceiptsRead:
        """The receipts of a callback, from its raw query string and its body.  Never raises."""
        if self._receipts is None:
            return ReceiptsRead([], 1)
        return self._receipts.read(query, body)

    def _values(self, message: Message, part: int, now_ms: int, callback_url: str) -> Values:
        if self.whole_text or message.part_count == 1:
            text = message.text
        else:
            text = message.part_texts()[part]
        if text is None:
            raise ValueError("an HTTP template carries text only")
        left_ms = message.expires_at_ms - now_ms
        return {
            "to": message.recipient,
            "to_plus": f"+{message.recipient}",
            "from": message.sender,
            "text": text,
            "message_id": f"{message.key:016x}",
            "parts": message.part_count,
            "part": part + 1,
            "alphabet": "gsm" if message.alphabet == Alphabet.GSM7 else "ucs2",
            "validity_s": max(1, left_ms // 1000),
            "callback_url": callback_url,
        }

    def _render_body(self, values: Values) -> bytes | None:
        if self._body == "json":
            fields = self._fields.render(values)
            return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        if self._body == "form":
            fields = self._fields.render(values)
            return urlencode({name: _form_text(value) for name, value in fields.items()}).encode()
        if self._body == "text":
            return self._text.render(values).encode()
        return None

    def _uses(self, name: str) -> bool:
        texts = [
            self._url,
            self._text,
            *self._headers.values(),
            *(value for _, value in self._query),
        ]
        return self._fields.uses(name) or any(text.uses(name) for text in texts)


_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2
_FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding", "connection"})
_URL_START = re.compile(r"https?://[^/?]*")
_URL_TEXT = re.compile(r"[!-~]+")
_SECRET = re.compile(r"\{secret\.[^{}]*\}")


def _check_shape(spec: TemplateSpec, problems: TemplateProblems) -> None:
    """What the keys must be to each other, before any text is compiled."""
    if spec.method not in METHODS:
        problems.add("method", f"{spec.method!r} is not one of {', '.join(METHODS)}")
    if spec.body not in CONTENT_TYPES:
        problems.add("body", f"{spec.body!r} is not one of {', '.join(CONTENT_TYPES)}")
    elif spec.method == "GET" and spec.body != "none":
        problems.add("body", 'a GET request has none; set body = "none" and use query')
    if spec.split not in ("provider", "gateway"):
        problems.add("split", f'{spec.split!r} is not "provider" or "gateway"')
    if spec.fields and spec.body not in ("json", "form"):
        problems.add("fields", f'would not be sent with body = "{spec.body}"')
    if spec.text and spec.body != "text":
        problems.add("text", f'would not be sent with body = "{spec.body}"')
    if spec.body == "form":
        for name, value in spec.fields.items():
            if isinstance(value, (Mapping, list, tuple)):
                problems.add(f"fields.{name}", "a form is flat; write text or a number")
    for name, value in spec.headers.items():
        if _HEADER_NAME.fullmatch(name) is None or name.lower() in _FRAMING_HEADERS:
            problems.add(f"headers.{name}", "not a header field that can be set")
        if one_line(value) != value:
            problems.add(f"headers.{name}", "holds a control character")


def _origin(source: str, secrets: Mapping[str, str]) -> str:
    """Scheme, host and port of the template URL `source`, without secrets, for people to read.

    Raises:
        ValueError: not an absolute HTTP URL, or its host depends on the message.
    """
    start = _URL_START.match(source)
    if start is None:
        raise ValueError('must begin with "http://" or "https://"')
    if _URL_TEXT.fullmatch(source) is None:
        raise ValueError("holds a space or a character outside ASCII; write it percent-encoded")
    if "#" in source:
        raise ValueError('has a fragment; write "%23" for a "#"')
    if "{" in _SECRET.sub("", start[0]):
        raise ValueError("only {secret.NAME} may stand before the path")
    url = URL(TemplateText(start[0], secrets, percent_encoded).render({}), encoded=True)
    if not url.host:
        raise ValueError("names no host")
    return str(url.origin())


def _form_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

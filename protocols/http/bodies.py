"""Request bodies as plain Python values, whatever their content type.

JSON, `application/x-www-form-urlencoded` and `multipart/form-data` all end as one dict, the latter
two through PHP's bracket names (``a[b]=``, ``a[]=``, ``a[0][b]=``).  A body that cannot be read is
the empty dict: the vendor's own validation then says what is missing.  This module knows no vendor
and no rule; values are untrusted and keep U+0000 and lone surrogates for the contract to refuse.
"""

import asyncio
import json
import math
import re
from collections.abc import Collection, Iterable
from urllib.parse import parse_qsl

from aiohttp import web

BODY_TIMEOUT_S = 30.0  # for the whole body, so that a slow client cannot hold a handler for ever
MAX_DEPTH = 64  # nested containers; PHP's max_input_nesting_level
MAX_FORM_FIELDS = 5_000

_BRACKET_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_BRACKET_KEY = re.compile(r"\[([^\[\]]*)\]")
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;,]{1,70}))', re.IGNORECASE)
# A backslash escapes the next character (RFC 9110 5.6.4), except for clients to which it is a
# character like any other: their names may end in one.
_QUOTED = r'"((?:[^"\\\r\n]|\\.)*|[^"\r\n]*)"'
_PART_NAME = re.compile(r";[ \t]*name=" + _QUOTED, re.IGNORECASE)
_PART_FILENAME = re.compile(r";[ \t]*filename=" + _QUOTED, re.IGNORECASE)


class UploadedFile:
    """A file part of a multipart body; as text it is its name."""

    __slots__ = ("content", "filename")

    def __init__(self, filename: str, content: bytes) -> None:
        self.filename = filename
        self.content = content

    def __str__(self) -> str:
        return self.filename


async def read_body(request: web.Request, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """The whole body, at most the application's `client_max_size` octets.

    Raises:
        TimeoutError: the client did not send it within `timeout_s`.
        aiohttp.web.HTTPRequestEntityTooLarge: it is longer than allowed.
        aiohttp.web.RequestPayloadError: its framing or compression is broken.
    """
    if request.content.is_eof():  # a small body came together with the headers: nothing to wait for
        return await request.read()
    async with asyncio.timeout(timeout_s):
        return await request.read()


def parse_fields(
    body: bytes, content_type: str, repeatable: Collection[str] = ()
) -> dict[str, object]:
    """The fields of `body`; empty when it cannot be read as `content_type` says.

    Anything that is neither of the two form types is read as JSON.  A JSON array becomes a dict
    with the keys "0", "1", ...; a JSON scalar has no fields.
    """
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            return _parse_urlencoded(body, repeatable)
        if kind == "multipart/form-data":
            return _parse_multipart(body, content_type, repeatable)
        return _parse_json(body)
    except (ValueError, RecursionError):
        return {}


def _finite_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


# Made once: json.loads with hooks would build a decoder for every call.
_JSON = json.JSONDecoder(parse_float=_finite_float, parse_constant=_no_constant)


def _parse_json(body: bytes) -> dict[str, object]:
    value: object = _JSON.decode(body.decode())
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        return {}
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}
    return {}


def _is_deeper(value: object, depth: int) -> bool:
    """Whether `value` nests more than `depth` containers; level by level, without recursion."""
    level = [value]
    for _ in range(depth):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return False
        level = below
    return any(isinstance(item, (dict, list)) for item in level)


# --- forms --------------------------------------------------------------------------------------


def _parse_urlencoded(body: bytes, repeatable: Collection[str]) -> dict[str, object]:
    # surrogateescape: octets that are not UTF-8 become lone surrogates, which the contract refuses
    # with the name of the field.
    return nest_fields(
        parse_qsl(
            body.decode("utf-8", "surrogateescape"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=MAX_FORM_FIELDS,
        ),
        repeatable,
    )


def _parse_multipart(
    body: bytes, content_type: str, repeatable: Collection[str]
) -> dict[str, object]:
    """RFC 7578: parts between boundary lines, no transfer encoding."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise ValueError("multipart without a boundary")
    delimiter = b"\r\n--" + (boundary[1] or boundary[2]).encode("utf-8", "surrogateescape")
    sections = (b"\r\n" + body).split(delimiter, MAX_FORM_FIELDS + 1)
    if len(sections) > MAX_FORM_FIELDS + 1:
        raise ValueError("too many parts")
    fields: list[tuple[str, object]] = []
    for section in sections[1:]:
        if section.startswith(b"--"):
            break
        # The rest of the boundary line holds at most padding and stays before the first header.
        header, gap, content = section.partition(b"\r\n\r\n")
        text = header.decode("utf-8", "surrogateescape")
        name = _PART_NAME.search(text)
        if not gap or name is None:
            raise ValueError("part without a name")
        filename = _PART_FILENAME.search(text)
        if filename is not None:
            fields.append((name[1], UploadedFile(filename[1], content)))
        else:
            fields.append((name[1], content.decode("utf-8", "surrogateescape")))
    return nest_fields(fields, repeatable)


class _PhpArray:
    """An ordered map under construction that also counts like a list."""

    __slots__ = ("items", "next_index")

    def __init__(self) -> None:
        self.items: dict[str, object] = {}
        self.next_index = 0

    def put(self, key: str, value: object) -> None:
        """Sets `key`; an empty key takes the next free number."""
        if not key:
            key = str(self.next_index)
        if key.isascii() and key.isdecimal() and len(key) < 10:
            self.next_index = max(self.next_index, int(key) + 1)
        self.items[key] = value

    def gather(self, key: str, value: object) -> None:
        """Sets `key`, or puts `value` behind what it has already."""
        if key not in self.items:
            self.items[key] = value
            return
        found = self.items[key]
        if not isinstance(found, _PhpArray):
            first, found = found, _PhpArray()
            found.put("", first)
            self.items[key] = found
        found.put("", value)

    def child(self, key: str) -> "_PhpArray":
        """The array under `key`, made when there is none."""
        found = self.items.get(key) if key else None
        if not isinstance(found, _PhpArray):
            found = _PhpArray()
            self.put(key, found)
        return found

    def plain(self) -> dict[str, object] | list[object]:
        """A list when the keys are 0, 1, 2, ... in order, else a dict."""
        values = [v.plain() if isinstance(v, _PhpArray) else v for v in self.items.values()]
        if all(key == str(index) for index, key in enumerate(self.items)):
            return values
        return dict(zip(self.items, values, strict=True))


def nest_fields(
    fields: Iterable[tuple[str, object]], repeatable: Collection[str] = ()
) -> dict[str, object]:
    """Form fields with PHP's bracket names as nested values; the last of equal names wins.

    Those of a `repeatable` name become a list, also without brackets, when there are several.
    A name whose brackets do not match is taken as it is; one nested deeper than MAX_DEPTH is left
    out, as PHP does.
    """
    root = _PhpArray()
    for name, value in fields:
        if name in repeatable:
            root.gather(name, value)
            continue
        parsed = _BRACKET_NAME.fullmatch(name)
        if parsed is None or not parsed[2]:
            root.put(name or "_", value)
            continue
        keys = [parsed[1], *_BRACKET_KEY.findall(parsed[2])]
        if len(keys) > MAX_DEPTH:
            continue
        array = root
        for key in keys[:-1]:
            array = array.child(key)
        array.put(keys[-1], value)
    plain = root.plain()
    return plain if isinstance(plain, dict) else {str(i): item for i, item in enumerate(plain)}

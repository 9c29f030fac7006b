import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from protocols.http.bodies import (
    MAX_DEPTH,
    MAX_FORM_FIELDS,
    UploadedFile,
    nest_fields,
    parse_fields,
    read_body,
)

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = 'multipart/form-data; boundary="XyZ"'


def multipart(*parts: tuple[str, bytes]) -> bytes:
    body = b"".join(
        b"--XyZ\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), content)
        for head, content in parts
    )
    return body + b"--XyZ--\r\n"


def test_json_object() -> None:
    assert parse_fields(b'{"a": [1, {"b": "x"}], "c": 1.5}', JSON) == {
        "a": [1, {"b": "x"}],
        "c": 1.5,
    }


def test_a_body_without_content_type_is_json() -> None:
    assert parse_fields(b'{"a": 1}', "") == {"a": 1}


def test_json_array_becomes_numbered_fields() -> None:
    assert parse_fields(b'["x", "y"]', JSON) == {"0": "x", "1": "y"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'"scalar"',
        b"17",
        b"null",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a": 1} trailing',
        b"[" * 100_000,
        b'{"a":' * 20_000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    ],
    ids=lambda body: repr(body[:16]),
)
def test_unreadable_json_has_no_fields(body: bytes) -> None:
    assert parse_fields(body, JSON) == {}


def test_nesting_up_to_the_limit_is_read() -> None:
    body = b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    assert "a" in parse_fields(body, JSON)


def test_many_shallow_containers_are_not_deep() -> None:
    assert len(parse_fields(b"[" + b"[]," * 500 + b"[]]", JSON)) == 501


def test_unstorable_characters_are_left_for_the_contract() -> None:
    assert parse_fields(b'{"a": "\\ud800", "b": "\\u0000"}', JSON) == {"a": "\ud800", "b": "\x00"}


def test_urlencoded_with_php_brackets() -> None:
    body = b"recipients[]=%2B3701&recipients[]=%2B3702&message=two+words&a[b][c]=1&a[b][d]=2"
    assert parse_fields(body, FORM) == {
        "recipients": ["+3701", "+3702"],
        "message": "two words",
        "a": {"b": {"c": "1", "d": "2"}},
    }


def test_urlencoded_octets_that_are_not_utf8_become_lone_surrogates() -> None:
    assert parse_fields(b"a=%FF&b=\xff", FORM) == {"a": "\udcff", "b": "\udcff"}


def test_too_many_form_fields_are_unreadable() -> None:
    assert parse_fields(b"a=1&" * (MAX_FORM_FIELDS + 1), FORM) == {}
    assert parse_fields(multipart(*[('name="a[]"', b"")] * (MAX_FORM_FIELDS + 1)), MULTIPART) == {}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a[0][b]", "a[0][c]", "a[1][b]"], {"a": [{"b": 0, "c": 1}, {"b": 2}]}),
        (["a[]", "a[]"], {"a": [0, 1]}),
        (["a[5]", "a[]"], {"a": {"5": 0, "6": 1}}),
        (["a[1]", "a[0]"], {"a": {"1": 0, "0": 1}}),
        (["a", "a"], {"a": 1}),
        (["a", "a[b]"], {"a": {"b": 1}}),
        (["a[b]", "a"], {"a": 1}),
        (["a[b", "c]d"], {"a[b": 0, "c]d": 1}),
        (["[x]"], {"[x]": 0}),
        ([""], {"_": 0}),
        (["0", "1"], {"0": 0, "1": 1}),
        (["a" + "[x]" * MAX_DEPTH], {}),
    ],
)
def test_bracket_names(names: list[str], expected: dict[str, object]) -> None:
    assert nest_fields((name, index) for index, name in enumerate(names)) == expected


def test_a_repeatable_name_gathers_its_values() -> None:
    def read(body: bytes) -> object:
        return parse_fields(body, FORM, {"To"})

    assert read(b"To=1&Body=a&Body=b") == {"To": "1", "Body": "b"}
    assert read(b"To=1&To=2&To=3") == {"To": ["1", "2", "3"]}
    assert read(b"To[]=1&To=2") == {"To": ["1", "2"]}
    assert read(b"To[a]=1&To=2") == {"To": {"a": "1", "0": "2"}}
    body = multipart(*(('name="To"', number) for number in (b"1", b"2")))
    assert parse_fields(body, MULTIPART, {"To"}) == {"To": ["1", "2"]}


def test_a_name_may_end_in_a_backslash() -> None:
    body = multipart(('name="a\\"', b"1"), ('name="b"', b"2"), (r'name="c\"d"', b"3"))
    assert parse_fields(body, MULTIPART) == {"a\\": "1", "b": "2", r"c\"d": "3"}


def test_multipart_fields_and_files() -> None:
    body = multipart(
        ('name="message"', "Grüße\r\nzwei".encode()),
        ('name="recipients[]"', b"+3701"),
        ('name="recipients[]"', b"+3702"),
        ('name="file"; filename="a.csv"', b"x,y\r\n"),
    )
    fields = parse_fields(body, MULTIPART)
    upload = fields.pop("file")
    assert fields == {"message": "Grüße\r\nzwei", "recipients": ["+3701", "+3702"]}
    assert isinstance(upload, UploadedFile)
    assert (upload.filename, upload.content, str(upload)) == ("a.csv", b"x,y\r\n", "a.csv")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--XyZ\r\n\r\n\r\n--XyZ--", MULTIPART),
        (b"--XyZ\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XyZ--", MULTIPART),
        (b"--XyZ\r\nno end of headers", MULTIPART),
        (b"anything", "multipart/form-data"),
        (b"", MULTIPART),
    ],
)
def test_unreadable_multipart_has_no_fields(body: bytes, content_type: str) -> None:
    assert parse_fields(body, content_type) == {}


async def test_a_body_that_does_not_come_times_out() -> None:
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.Response:
        try:
            await read_body(request, timeout_s=0.01)
        except TimeoutError:
            outcome.set_result("timed out")
        else:
            outcome.set_result("read")
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    async with TestClient(TestServer(app)) as client:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        assert await outcome == "timed out"
        writer.close()
        await reader.read()
        await writer.wait_closed()

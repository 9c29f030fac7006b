import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.runtime import log

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def logged() -> Iterator[Lines]:
    """Everything at DEBUG, as lines; the loggers are as before afterwards."""
    root, server = logging.getLogger(), logging.getLogger("aiohttp.server")
    before = root.handlers[:], root.level, server.filters[:]
    stream = io.StringIO()
    log.configure("DEBUG", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level, server.filters[:] = before
    for name in ("aiohttp.access", "aiosqlite"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_a_record_is_one_json_line_with_its_fields(logged: Lines) -> None:
    logging.getLogger("postern.door").info("door.opened", extra={"fields": {"peer": "a\nb"}})
    [line] = logged()
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info", "logger": "postern.door", "event": "door.opened", "peer": "a\nb",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["password", "Secret", "token", "text", "authorization"])
def test_secret_fields_are_never_shown(logged: Lines, name: str) -> None:
    logging.getLogger("postern.door").info("door.opened", extra={"fields": {name: "hush"}})
    assert logged()[0][name] == "[redacted]"


def test_an_exception_shows_its_traceback(logged: Lines) -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("postern.door").exception("door.jammed")
    assert "ValueError: odd" in logged()[0]["error"]


def test_a_request_that_is_no_http_shows_nothing_of_itself(logged: Lines) -> None:
    try:
        raise ValueError("b'Authorization: Bearer hush'")
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling request")
    [line] = logged()
    assert line["event"] == "Error handling request"
    assert "error" not in line


def test_libraries_do_not_log_customers_data(logged: Lines) -> None:
    logging.getLogger("aiosqlite").debug("executing INSERT hush")
    logging.getLogger("aiohttp.access").info("GET /hush")
    assert logged() == []

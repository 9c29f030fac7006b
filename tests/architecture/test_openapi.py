"""The API's document against the doors: the same paths, the same statuses, the same shapes."""

import json
import re
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.domain.errors import Refusal, RefusalCode
from postern.api_document import API_DOORS
from protocols.easysendsms.errors import Endpoint as EasySendEndpoint
from protocols.easysendsms.mapping import refused as easysendsms_refused
from protocols.easysendsms.server import EasySendDoor
from protocols.exosend.mapping import refused_send as exosend_refused
from protocols.exosend.server import ExoSendDoor
from protocols.exotel.mapping import REFUSALS as EXOTEL_REFUSALS
from protocols.exotel.server import ExotelDoor
from protocols.http.app import RestDoor
from protocols.mesms.mapping import refused as mesms_refused
from protocols.mesms.server import MesmsDoor
from tests.support.api_document import (
    DOCUMENT,
    Operation,
    operation_at,
    operations,
    problems,
    read_body,
    validator,
)

VECTORS = Path(__file__).parents[1] / "vectors"
DOORS: dict[str, type[RestDoor]] = {
    "exosend": ExoSendDoor,
    "exotel": ExotelDoor,
    "mesms": MesmsDoor,
    "easysendsms": EasySendDoor,
}
# Requests for what is no operation: unknown paths and verbs, a browser's question.
STATUSES_WITHOUT_OPERATION = {204, 400, 403, 404, 405}


def door_of(tag: str) -> RestDoor:
    """A door whose heart is of no account: only its routes are looked at."""
    door = DOORS[tag]
    return door(**{name: MagicMock() for name in signature(door).parameters})


async def resolved(app: web.Application, method: str, path: str) -> web.AbstractRoute:
    match = await app.router.resolve(make_mocked_request(method, path))
    assert match.http_exception is None, f"{method} {path}: {match.http_exception}"
    return match.route


def test_every_door_is_described() -> None:
    assert [door.tag for door in API_DOORS] == list(DOORS)
    described = {(door.tag, door_of(door.tag).prefix) for door in API_DOORS}
    for tag, prefix in described:
        assert all(each.path.startswith(prefix) for each in operations(tag))


@pytest.mark.parametrize("tag", DOORS)
async def test_operations_are_the_routes_of_the_door(tag: str) -> None:
    app = web.Application()
    app.add_routes(door_of(tag).routes())
    reached = {
        await resolved(app, each.method.upper(), re.sub(r"\{[^}]+\}", "acme1", each.path))
        for each in operations(tag)
    }
    served = {route for route in app.router.routes() if route.method != "HEAD"}
    assert [repr(route) for route in served - reached] == [], "not documented"


REFUSED = {
    "exosend": lambda code: exosend_refused(Refusal(code)).status,
    "exotel": lambda code: EXOTEL_REFUSALS[code].fault.status,
    "mesms": lambda code: mesms_refused(Refusal(code)).status,
    "easysendsms": lambda code: easysendsms_refused(Refusal(code), EasySendEndpoint.SEND).status,
}


def sends(tag: str) -> list[Operation]:
    """The operations of a vendor that send messages."""
    names = ("/sms/send", "/sms/send-bulk", "/sms/send.json", "/sms/bulksend", "/sms/bulksend.json")
    return [each for each in operations(tag) if each.path.lower().endswith(names)]


@pytest.mark.parametrize("tag", DOORS)
def test_every_refusal_of_a_send_is_documented(tag: str) -> None:
    assert sends(tag)
    for operation in sends(tag):
        missing = {
            code: status
            for code in RefusalCode
            if str(status := REFUSED[tag](code)) not in operation.described["responses"]
        }
        assert missing == {}, str(operation)


# --- golden files -------------------------------------------------------------------------------


class Golden:
    """A request and its answer, whatever the file's form."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            file: dict[str, Any] = json.loads(text)
            self.method, self.path = file["request"]["method"], file["request"]["path"]
            self.status, self.headers = file["status"], file.get("headers", {})
            self.body = self._octets(file.get("body"))
            return
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        self.method, self.path = lines[0].split(" ")
        answer = lines[lines.index("---") + 1 :]
        self.status = int(answer.pop(0))
        end = answer.index("") if "" in answer else len(answer)
        self.headers = dict(line.split(": ", 1) for line in answer[:end])
        self.body = "\n".join(answer[end + 1 :]).encode()

    @staticmethod
    def _octets(body: Any) -> bytes:
        """A body as written: text in lines, or JSON."""
        if body is None:
            return b""
        if isinstance(body, list) and body and str(body[0]).startswith("<?xml"):
            body = "\n".join(body)
        return body.encode() if isinstance(body, str) else json.dumps(body).encode()

    def answer_headers(self, operation: Operation) -> dict[str, str]:
        """As on the wire: most files leave out what every answer has."""
        described = operation.described["responses"].get(str(self.status), {})
        media_types = list(described.get("content", {})) or ["application/json"]
        return {"Content-Type": media_types[0], **self.headers}


def golden_files() -> list[Path]:
    return sorted(
        path
        for tag in DOORS
        for kind in ("http", "json")
        for path in (VECTORS / tag).glob(f"*.{kind}")
    )


def golden_id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def test_every_door_has_golden_files() -> None:
    assert {path.parent.name for path in golden_files()} == set(DOORS)


@pytest.mark.parametrize("path", golden_files(), ids=golden_id)
def test_a_golden_answer_is_as_documented(path: Path) -> None:
    golden = Golden(path)
    operation = operation_at(golden.method, golden.path)
    if operation is None:
        assert golden.status in STATUSES_WITHOUT_OPERATION, f"{golden.method} {golden.path}"
        return
    found = problems(operation, golden.status, golden.answer_headers(operation), golden.body)
    # A file names the headers it is about; whether the others are there, the door's tests say.
    assert [problem for problem in found if ": no header " not in problem] == []


def test_every_documented_status_is_a_number_that_means_something() -> None:
    for operation in operations():
        statuses = {int(status) for status in operation.described["responses"]}
        assert {200, 201} & statuses, str(operation)
        assert {401, 429, 500, 503} <= statuses, str(operation)
        assert (413 in statuses) >= ("requestBody" in operation.described), str(operation)


def test_references_lead_somewhere() -> None:
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(DOCUMENT)))
    assert names == set(DOCUMENT["components"]["schemas"])


# --- the document by itself ---------------------------------------------------------------------


def bodies() -> list[tuple[str, str, dict[str, Any]]]:
    """Every body of the document: where it stands, its media type, and what is said of it."""
    found = []
    for operation in operations():
        parts = {"request": operation.described.get("requestBody", {}).get("content", {})}
        for status, answer in operation.described["responses"].items():
            parts[status] = answer.get("content", {})
        for part, content in parts.items():
            found += [(f"{operation} {part}", kind, media) for kind, media in content.items()]
    for name, item in DOCUMENT["webhooks"].items():
        content = item["post"]["requestBody"]["content"]
        found += [(name, kind, media) for kind, media in content.items()]
    return found


@pytest.mark.parametrize(
    ("where", "media_type", "media"), bodies(), ids=[f"{b[0]} {b[1]}" for b in bodies()]
)
def test_a_body_has_examples_that_fit_its_schema(
    where: str, media_type: str, media: dict[str, Any]
) -> None:
    schema = media["schema"]
    assert media["examples"], where
    for name, example in media["examples"].items():
        value = example["value"]
        if media_type == "application/xml":
            value = read_body(value.encode(), media_type, schema)
        errors = [error.message for error in validator(schema).iter_errors(value)]
        assert errors == [], f"{where} {name}"


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object schema inside `schema`, with its place; what only refines another is none."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from objects(item, f"{path}/{index}")
    elif isinstance(schema, dict):
        kind = schema.get("type")
        if kind == "object" or (isinstance(kind, list) and "object" in kind and len(kind) == 2):
            yield path, schema
        for key, value in schema.items():
            if key not in ("examples", "allOf"):
                yield from objects(value, f"{path}/{key}")


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_object_we_answer_names_its_fields(name: str) -> None:
    for path, schema in objects(DOCUMENT["components"]["schemas"][name], name):
        keyed_by_data = isinstance(schema.get("additionalProperties"), dict)
        assert keyed_by_data or (
            schema["properties"] and schema["additionalProperties"] is False
        ), path


def test_every_field_has_a_type() -> None:
    for where, _, media in bodies():
        for path, schema in objects(media["schema"], where):
            for name, field in schema.get("properties", {}).items():
                assert {"type", "anyOf", "enum", "$ref"} & set(field), f"{path}/{name}"


def test_unknown_fields_of_requests_pass() -> None:
    for operation in operations():
        for media in operation.described.get("requestBody", {}).get("content", {}).values():
            assert "additionalProperties" not in media["schema"], str(operation)


def test_names_are_unique_and_said_once() -> None:
    ids = [operation.described["operationId"] for operation in operations()]
    assert len(set(ids)) == len(ids)
    assert all(operation.described["summary"] for operation in operations())


@pytest.mark.parametrize("tag", DOORS)
def test_every_send_takes_an_idempotency_key(tag: str) -> None:
    for operation in sends(tag):
        names = {parameter["name"] for parameter in operation.described["parameters"]}
        assert "Idempotency-Key" in names, str(operation)
        assert {"409", "422"} <= set(operation.described["responses"]), str(operation)


def test_every_limit_tells_when_to_come_again() -> None:
    for operation in operations():
        answer = operation.described["responses"]["429"]
        assert answer["headers"]["Retry-After"]["required"], str(operation)

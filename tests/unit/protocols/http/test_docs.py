import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from protocols.http.app import build_app
from protocols.http.docs import openapi_routes
from protocols.http.docs_page import CONTENT_SECURITY_POLICY
from protocols.http.openapi import Answer, DoorDescription, Endpoint, build_document

DOOR = DoorDescription(
    tag="x",
    title="X API",
    description="All of it.",
    security={"type": "http", "scheme": "bearer"},
    schemas={},
    endpoints=[
        Endpoint(
            method="get",
            path="/x",
            operation_id="x",
            summary="X",
            answers={200: Answer(description="Done.")},
        )
    ],
)
PAGES = ["/docs", "/docs/x"]


def client() -> TestClient[web.Request, web.Application]:
    return TestClient(TestServer(build_app((), openapi_routes([DOOR], "1.2"))))


async def test_the_document_is_served() -> None:
    async with client() as http:
        response = await http.get("/openapi.json")
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        assert json.loads(await response.read()) == build_document([DOOR], "1.2")


@pytest.mark.parametrize("path", PAGES)
async def test_pages_are_served(path: str) -> None:
    async with client() as http:
        response = await http.get(path)
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert "X API" in await response.text()


@pytest.mark.parametrize("path", ["/openapi.json", *PAGES])
async def test_what_is_known_is_not_sent_again(path: str) -> None:
    async with client() as http:
        first = await http.get(path)
        tag = first.headers["ETag"]
        for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = await http.get(path, headers={"If-None-Match": known})
            assert (again.status, await again.read()) == (304, b"")
            assert again.headers["ETag"] == tag
        other = await http.get(path, headers={"If-None-Match": '"other"'})
        assert other.status == 200


@pytest.mark.parametrize("path", ["/openapi.json", *PAGES])
async def test_everything_is_checked_again_and_taken_as_what_it_is(path: str) -> None:
    async with client() as http:
        response = await http.head(path)
        assert (response.status, await response.read()) == (200, b"")
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert (await http.post(path)).status == 405


async def test_tags_differ() -> None:
    async with client() as http:
        tags = {(await http.head(path)).headers["ETag"] for path in ("/openapi.json", *PAGES)}
    assert len(tags) == 3

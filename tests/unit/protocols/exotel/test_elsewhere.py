from typing import Any
from xml.etree import ElementTree

import pytest

from protocols.exotel.elsewhere import elsewhere_doors


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/acme1/Sms/Messages/x", 400),
        ("OPTIONS", "/v1", 400),
        ("POST", "/v2/accounts/acme1/message-campaigns", 404),
        ("GET", "/v2", 404),
    ],
)
async def test_other_paths_of_the_vendor(bench: Any, method: str, path: str, status: int) -> None:
    async with bench.client() as http:
        response = await http.request(method, path)
        root = ElementTree.fromstring(await response.text())  # noqa: S314 our own answer
    assert response.status == status
    assert root.findtext("RestException/Status") == str(status)


async def test_json_when_the_path_asks_for_it(bench: Any) -> None:
    async with bench.client() as http:
        response = await http.get("/v2/accounts/acme1/contacts.json")
        assert (await response.json())["RestException"]["Message"] == "Not Found"


def test_they_serve_nothing() -> None:
    assert [list(door.routes()) for door in elsewhere_doors()] == [[], []]

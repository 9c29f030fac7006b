from aiohttp.test_utils import TestClient, TestServer

from postern import __version__
from postern.api_document import API_DOORS, document_routes
from protocols.http.app import build_app


def test_every_vendor_is_described_once() -> None:
    assert [door.tag for door in API_DOORS] == ["exosend", "exotel", "mesms", "easysendsms"]


async def test_the_document_and_a_page_per_vendor_are_served() -> None:
    async with TestClient(TestServer(build_app((), document_routes()))) as http:
        document = await (await http.get("/openapi.json")).json()
        assert document["info"]["version"] == __version__
        assert [tag["name"] for tag in document["tags"]] == [door.tag for door in API_DOORS]
        index = await (await http.get("/docs")).text()
        for door in API_DOORS:
            assert f'href="/docs/{door.tag}"' in index
            page = await (await http.get(f"/docs/{door.tag}")).text()
            assert all(f'id="{each.operation_id}"' in page for each in door.endpoints)

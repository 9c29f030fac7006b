import aiohttp
import pytest

from postern.simulator.inbox import Inbox, build_inbox_app
from protocols.http.listener import HttpListener


def filled(count: int, capacity: int = 10_000) -> Inbox:
    inbox = Inbox(capacity)
    for number in range(1, count + 1):
        inbox.add(
            provider="smsc",
            sender="POSTERN",
            recipient=f"{37120000000 + number}",
            text=f"text {number}",
            parts=1,
        )
    return inbox


def test_an_entry_has_all_fields() -> None:
    assert filled(1).after(0) == [
        {
            "n": 1,
            "channel": "sms",
            "provider": "smsc",
            "from": "POSTERN",
            "to": "+37120000001",
            "text": "text 1",
            "parts": 1,
        }
    ]


def test_a_plus_is_not_doubled() -> None:
    inbox = Inbox()
    inbox.add(provider="smsc", sender="A", recipient="+371", text="", parts=1)

    assert inbox.after(0)[0]["to"] == "+371"


@pytest.mark.parametrize(
    ("after", "numbers"), [(0, [3, 4, 5]), (2, [3, 4, 5]), (3, [4, 5]), (5, []), (9, [])]
)
def test_the_newest_are_kept_and_listed_in_order(after: int, numbers: list[int]) -> None:
    assert [entry["n"] for entry in filled(5, capacity=3).after(after)] == numbers


def test_ten_thousand_are_kept() -> None:
    entries = filled(10_001).after(0)

    assert len(entries) == 10_000
    assert entries[0]["n"] == 2


async def get(url: str) -> tuple[int, object]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.json()


async def test_the_endpoint_lists_what_is_after_n() -> None:
    inbox = filled(3)
    listener = HttpListener(build_inbox_app(inbox), "127.0.0.1", 0)
    await listener.start()
    url = f"http://127.0.0.1:{listener.port}/inbox"

    assert await get(url) == (200, inbox.after(0))
    assert await get(url + "?after=2") == (200, inbox.after(2))
    assert await get(url + "?after=3") == (200, [])
    for bad in ("x", "-1", "", "1.5", "\u0661", "9" * 5000):
        status, body = await get(f"{url}?after={bad}")
        assert status == 400
        assert "after" in str(body)
    await listener.stop()

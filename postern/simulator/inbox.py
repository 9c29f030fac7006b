"""What the simulated handsets received, as a bounded list that an HTTP endpoint shows."""

from collections import deque
from itertools import islice
from typing import TypedDict

from aiohttp import web

CAPACITY = 10_000  # newest entries kept
_MOST_DIGITS = 18  # of `after`: enough for any n, and cheap to read

InboxEntry = TypedDict(
    "InboxEntry",
    {
        "n": int,
        "channel": str,
        "provider": str,
        "from": str,
        "to": str,
        "text": str,
        "parts": int,
    },
)


class Inbox:
    """The newest messages of all carriers of one process, numbered from 1 without gaps."""

    __slots__ = ("_entries", "_last")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: deque[InboxEntry] = deque(maxlen=capacity)
        self._last = 0

    def add(
        self,
        *,
        provider: str,
        sender: str,
        recipient: str,
        text: str,
        parts: int,
        channel: str = "sms",
    ) -> None:
        """Appends a message, parts joined; above the capacity the oldest goes.

        `recipient` is E.164 with or without "+"; it is shown with it.
        """
        self._last += 1
        self._entries.append(
            {
                "n": self._last,
                "channel": channel,
                "provider": provider,
                "from": sender,
                "to": "+" + recipient.removeprefix("+"),
                "text": text,
                "parts": parts,
            }
        )

    def after(self, n: int) -> list[InboxEntry]:
        """Entries with a number above `n`, ascending."""
        entries = self._entries
        first = self._last - len(entries) + 1
        return list(islice(entries, max(0, n - first + 1), None))


def build_inbox_app(inbox: Inbox) -> web.Application:
    """``GET /inbox?after=N``: a JSON array of entries; a bad `after` is answered with 400."""

    async def show(request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) <= _MOST_DIGITS):
            return web.json_response(
                {"error": "after is no number: give the last n that you have seen, or 0"},
                status=400,
            )
        return web.json_response(inbox.after(int(after)))

    app = web.Application()
    app.router.add_get("/inbox", show)
    return app

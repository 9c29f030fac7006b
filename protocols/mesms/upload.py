"""A request body on its way into an intake, slice by slice.

Nothing here holds more than a slice of the body, and nothing keeps the loop longer than a slice
takes.  Whatever goes wrong before the commit, the customer's disconnection included, abandons the
intake: nothing is charged and what was taken in is removed.
"""

import asyncio
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from aiohttp import web

from gateway.domain.account import Credential, Door
from gateway.domain.bulk import BulkOrder, BulkQuote, BulkView
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.message import IdempotencyKey
from gateway.ports import BulkIntake, Bulks, RenderBulk
from protocols.http.idempotency import BodyDigest
from protocols.mesms.contract import (
    MAX_RECIPIENTS,
    InvalidParameters,
    is_dry_run,
    too_many_recipients,
)
from protocols.mesms.send_body import MAX_SMALL_OCTETS, SendBody, parse_small

MAX_BODY_OCTETS = 40_000_000
SLICE_OCTETS = 65_536
SLICE_TIMEOUT_S = 30.0
BODY_TIMEOUT_S = 600.0  # for the whole body, so that nobody can hold an intake open for ever
ADD_AT = 1_000  # numbers given to the intake together, at least


class BodySlices:
    """The body of `request` in slices of at most 64 kB.

    `next` and `refuse_other_types` raise:
        InvalidParameters: there is a body and it is not JSON.
        TimeoutError: the customer did not send it in time.
        aiohttp.web.HTTPRequestEntityTooLarge: it is larger than MAX_BODY_OCTETS.
        aiohttp.web.RequestPayloadError: its framing or compression is broken.
        ConnectionResetError: the customer went away.
    """

    __slots__ = ("_deadline", "_octets_read", "_request")

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._octets_read = 0
        self._deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT_S

    async def next(self) -> bytes:
        """The next slice; empty at the end."""
        content = self._request.content
        if content.is_eof():  # all of it is here: nothing to wait for
            octets = await content.read(SLICE_OCTETS)
        else:
            _check_size(self._request.content_length or 0)
            until = min(self._deadline, asyncio.get_running_loop().time() + SLICE_TIMEOUT_S)
            async with asyncio.timeout_at(until):
                octets = await content.read(SLICE_OCTETS)
        if octets and not self._octets_read:
            _check_content_type(self._request)
        self._octets_read += len(octets)
        _check_size(self._octets_read)  # nobody has to tell the length before
        return octets

    @property
    def is_over(self) -> bool:
        """Whether the next slice is known to be empty."""
        return self._request.content.at_eof()

    async def refuse_other_types(self) -> None:
        """Looks at the beginning of a body that is not needed; an empty one may have any type."""
        if self._request.can_read_body:
            await self.next()


def _check_size(octets: int) -> None:
    if octets > MAX_BODY_OCTETS:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_OCTETS, octets)


def _check_content_type(request: web.Request) -> None:
    written = request.headers.get("Content-Type", "application/json")
    if written.partition(";")[0].strip().lower() != "application/json":
        raise InvalidParameters("Content-Type must be application/json.")


class Upload:
    """The numbers of one request.  A context that abandons the intake unless it was committed.

    `digest` is the digest of the body as it came.
    """

    __slots__ = ("_bulks", "_count", "_credential", "_intake", "_is_kept", "digest")

    def __init__(self, bulks: Bulks, credential: Credential, *, is_kept: bool) -> None:
        self.digest = BodyDigest()
        self._bulks = bulks
        self._credential = credential
        self._is_kept = is_kept
        self._intake: BulkIntake | None = None
        self._count = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._intake is not None:
            await self._intake.abandon()

    async def receive(self, request: web.Request) -> dict[str, object]:
        """Takes the whole body; returns its fields, `msisdns` without its numbers."""
        slices = BodySlices(request)
        octets = await slices.next()
        if slices.is_over and len(octets) <= MAX_SMALL_OCTETS:
            self.digest.update(octets)
            fields, numbers = parse_small(octets)
        else:
            fields, numbers = await self._stream(octets, slices)
        self._learn(fields)
        if numbers:
            await self._add(numbers)
        return fields

    async def _stream(
        self, octets: bytes, slices: BodySlices
    ) -> tuple[dict[str, object], list[str]]:
        """Takes a body that begins with `octets`; returns its fields and its last numbers."""
        body = SendBody()
        numbers: list[str] = []
        while octets:
            self.digest.update(octets)
            for some in body.feed(octets):
                numbers += some
                if len(numbers) >= ADD_AT:
                    self._learn(body.fields_before_array or {})
                    await self._add(numbers)
                    numbers = []
            octets = await slices.next()
        return body.finish(), numbers

    async def join(self, numbers: Iterable[Sequence[str]]) -> None:
        """Takes the numbers of a contact group after those of the body."""
        for some in numbers:
            await self._add(some)

    def quote(self, text: str) -> BulkQuote | Refusal:
        """What the message costs; a Refusal when there is nobody to send it to.

        Raises:
            InvalidParameters: there are no recipients, not even invalid ones.
        """
        if self._intake is None:
            raise InvalidParameters("msisdns is empty.")
        quote = self._intake.quote(text)
        if isinstance(quote, BulkQuote) and not quote.valid:
            return Refusal(RefusalCode.RECIPIENT_INVALID, "no valid recipient")
        return quote

    async def commit(
        self, order: BulkOrder, key: IdempotencyKey | None, render: RenderBulk
    ) -> BulkView | Refusal:
        """Makes the message real; only after a quote.  A Refusal leaves nothing."""
        intake, self._intake = self._intake, None
        if intake is None:
            raise RuntimeError("a message is committed after its quote, and once")
        return await intake.commit(order, key, render)

    def _learn(self, fields: dict[str, object]) -> None:
        """Takes note of a dry run, if that is known before the intake begins.

        One that is announced only after its numbers has had them kept like any other's, and they
        are abandoned after its quote: an intake must be told at its beginning which kind it is, and
        it alone can tell repeated numbers.
        """
        if self._intake is None and self._is_kept:
            self._is_kept = not is_dry_run(fields)

    async def _add(self, numbers: Sequence[str]) -> None:
        if self._intake is None:
            self._intake = self._bulks.begin(self._credential, Door.MESMS, is_kept=self._is_kept)
        self._count += len(numbers)
        if self._count > MAX_RECIPIENTS:
            raise too_many_recipients()
        if not self._credential.account.region:
            numbers = international(numbers)
        await self._intake.add(numbers)


def international(numbers: Sequence[str]) -> Sequence[str]:
    """Thai numbers in national form, 0XXXXXXXXX, as 66XXXXXXXXX; all others as they are (3.1).

    For accounts without a region, whose numbers the heart takes for international ones.
    """
    return [
        f"66{number[1:]}" if number[:1] == "0" and _is_thai_national(number) else number
        for number in numbers
    ]


def _is_thai_national(number: str) -> bool:
    return len(number) == 10 and number[1] != "0" and number.isdecimal()

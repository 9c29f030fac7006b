"""The HTTP HLR connector: one GET per number to whoever can ask the networks, one JSON answer.

Fits `gateway.ports.HlrProvider`.  URL and headers are template texts (`{to}`, `{to_plus}`,
`{secret.NAME}`); paths say where the answer has what, and word lists what its states are called.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.domain.lookup import HlrRecord, LookupFailure, NumberKind, Subscriber
from protocols.http.json_path import MISSING, JsonPath, parse_json, scalar_text, short_text
from protocols.http.outgoing import AnswerLost, NotSent, OutgoingSession
from protocols.http.template_text import TemplateText, one_line, percent_encoded

_TEXT_LENGTH = 64  # of what is shown to the customer
_KINDS = {
    "mobile": NumberKind.MOBILE,
    "landline": NumberKind.FIXED,
    "fixed": NumberKind.FIXED,
    "fixed_line": NumberKind.FIXED,
}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

log = logging.getLogger("postern.hlr")


@dataclass(frozen=True, slots=True, kw_only=True)
class HlrOptions:
    """What the operator says of it.

    `window`: requests at the same time.  `timeout_s`: for one request.  `paths`: where the answer
    has `state`, `country`, `operator`, `type`, `mccmnc`, `roaming` and `ported`.  `states`: the
    peer's words for each of ours, upper and lower case alike.

    Raises:
        ValueError: `HttpHlr` finds a mistake in a template or a path.
    """

    url: str
    headers: Mapping[str, str]
    secrets: Mapping[str, str]
    user_agent: str
    timeout_s: float
    window: int
    paths: Mapping[str, str]
    states: Mapping[Subscriber, tuple[str, ...]]


class HttpHlr:
    """The connector.  `run` is its life: it closes the connections when cancelled."""

    def __init__(self, options: HlrOptions) -> None:
        secrets = options.secrets
        self._url = TemplateText(options.url, secrets, percent_encoded)
        self._headers = {
            name: TemplateText(text, secrets, one_line) for name, text in options.headers.items()
        }
        self._paths = {name: JsonPath(path) for name, path in options.paths.items()}
        self._states = {
            word.casefold(): subscriber
            for subscriber, words in options.states.items()
            for word in words
        }
        self._room = asyncio.Semaphore(options.window)
        self._session = OutgoingSession(options.user_agent, timeout_s=options.timeout_s)
        self._is_failing = False

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._session.close()

    async def look_up(self, number: str) -> HlrRecord | LookupFailure:
        """One number, E.164 digits.  Never raises."""
        values = {"to": number, "to_plus": f"+{number}"}
        headers = {name: text.render(values) for name, text in self._headers.items()}
        async with self._room:
            try:
                answer = await self._session.exchange(
                    "GET", self._url.render(values), headers, None
                )
            except (NotSent, AnswerLost) as error:
                return self._failed(LookupFailure.UNAVAILABLE, str(error))
        if not 200 <= answer.status <= 299:
            return self._failed(LookupFailure.UNAVAILABLE, f"answered {answer.status}")
        record = self._read(number, answer.body)
        if record is None:
            return self._failed(LookupFailure.UNREADABLE, "the answer has no state that is known")
        self._is_failing = False
        return record

    def _read(self, number: str, body: bytes) -> HlrRecord | None:
        answer = parse_json(body)
        texts = {name: _text(path.find(answer)) for name, path in self._paths.items()}
        subscriber = self._states.get(texts["state"].casefold())
        if subscriber is None:
            return None
        return HlrRecord(
            number,
            subscriber,
            country=texts["country"],
            operator=texts["operator"],
            kind=_KINDS.get(texts["type"].casefold(), NumberKind.UNKNOWN),
            mccmnc=texts["mccmnc"],
            is_roaming=_TRUTH.get(texts["roaming"].casefold()),
            is_ported=_TRUTH.get(texts["ported"].casefold()),
        )

    def _failed(self, failure: LookupFailure, reason: str) -> LookupFailure:
        """Logs the first of a row of failures."""
        if not self._is_failing:
            self._is_failing = True
            log.warning("hlr.failed", extra={"fields": {"reason": reason}})
        return failure


def _text(value: object) -> str:
    text = None if value is MISSING else scalar_text(value)
    return short_text(text, _TEXT_LENGTH) if text else ""

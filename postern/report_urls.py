"""The check of report URLs: EasySendSMS tries them by GET and HEAD, and so do we.

The vendor refuses to save a URL that fails.  Here the file is the operator's word and his customer
may be down at the moment, so a failure is a line in the log and nothing else.
"""

import logging
from collections.abc import Collection

from gateway.runtime.supervisor import Supervisor
from protocols.http.guard import UrlGuard, UrlRefused
from protocols.http.outgoing import KEEPALIVE_S, AnswerLost, NotSent, OutgoingSession

TIMEOUT_S = 10.0
METHODS = ("GET", "HEAD")

log = logging.getLogger("postern.webhook")


class ReportUrls:
    """Checks what it is told of, in a task of its own."""

    def __init__(self, guard: UrlGuard, supervisor: Supervisor, user_agent: str) -> None:
        self._guard = guard
        self._supervisor = supervisor
        self._user_agent = user_agent

    def check(self, urls: Collection[str]) -> None:
        """Begins to check `urls`; returns at once."""
        if urls:
            self._supervisor.spawn(self.run(urls), name="report-urls")

    async def run(self, urls: Collection[str]) -> None:
        """Tries each URL by both methods and logs those that do not answer 200."""
        session = OutgoingSession(
            self._user_agent,
            timeout_s=TIMEOUT_S,
            connector=self._guard.connector(KEEPALIVE_S),
        )
        try:
            for url in sorted(urls):
                reason = await self._fault(session, url)
                if reason:
                    fields = {"url": _shown(url), "reason": reason}
                    log.warning("report_url.unusable", extra={"fields": fields})
        finally:
            await session.close()

    async def _fault(self, session: OutgoingSession, url: str) -> str:
        """Why `url` fails the check; empty when it does not."""
        try:
            target = str(self._guard.check_url(url))
            for method in METHODS:
                answer = await session.exchange(method, target, {}, None)
                if answer.status != 200:
                    return f"{method} was answered {answer.status}, not 200"
        except (UrlRefused, NotSent, AnswerLost) as error:
            return str(error)
        return ""


def _shown(url: str) -> str:
    """Without its query, where customers keep the secret of their URL."""
    return url.partition("?")[0]

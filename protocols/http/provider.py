"""The HTTP provider: hands messages to one upstream, as its template says.

Fits `gateway.ports.Provider`.  Every submit is one request of its link and ends in one
`ProviderSink.settled`, whatever happens to it; what the upstream says is the template's to judge.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from gateway.domain.message import Message
from gateway.domain.outcome import Deferred, Outcome, Refused
from gateway.ports import Clock, ProviderSink
from gateway.runtime.supervisor import Supervisor
from protocols.http.link import HttpLink, HttpLinkOptions, LinkState
from protocols.http.outgoing import HttpAnswer
from protocols.http.template import HttpTemplate


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProviderOptions(HttpLinkOptions):
    """What is not in the template.

    `callback_url`: where the upstream may send receipts; empty when there is no such place.
    """

    callback_url: str = ""


class HttpProvider:
    """`ports.Provider` over HTTP.

    `whole_text`: when true the provider splits long texts itself, so a message is one part here and
    only part 0 is submitted.  `draw` gives a number in [0, 1) for the jitter of the backoff.

    Raises:
        ValueError: the template sends {callback_url} and there is none.
    """

    def __init__(
        self,
        options: HttpProviderOptions,
        template: HttpTemplate,
        sink: ProviderSink,
        clock: Clock,
        supervisor: Supervisor,
        draw: Callable[[], float],
    ) -> None:
        check_callback_url(options.name, template, options.callback_url)
        self.whole_text = template.whole_text
        self._options = options
        self._template = template
        self._sink = sink
        self._clock = clock
        self._wanted = options, template
        self._is_switching = False  # takes nothing until `whole_text` can change
        self._link = HttpLink(options, template.origin, clock, supervisor, draw, sink.room_changed)

    def room(self) -> int:
        """Requests it can take now."""
        return 0 if self._is_switching else self._link.room()

    def in_flight(self) -> int:
        """Requests under way."""
        return self._link.under_way

    def capacity(self) -> int:
        """Requests it takes at a time."""
        return self._options.window

    def is_up(self) -> bool:
        """Whether requests may be tried: started, and not in the backoff of a broken link."""
        return self._link.is_up

    def submit(self, message: Message, part: int) -> None:
        """Sends `part` of `message`, or all of it when `whole_text`."""
        if self._link.state is LinkState.STOPPED:
            self._settle_soon(message, part, Deferred("not_connected"))
        elif message.text is None:
            self._settle_soon(message, part, Refused("no_text"))
        else:
            self._link.begin(self._exchange(message, part), partial(self._ended, message, part))

    async def start(self) -> None:
        """Opens for messages; connections are made as they are needed.  Idempotent."""
        self._link.start()

    async def stop(self, deadline_s: float) -> None:
        """Takes nothing more, waits up to `deadline_s` for answers, then gives up.  Idempotent."""
        await self._link.stop(deadline_s)

    def reconfigure(self, options: HttpProviderOptions, template: HttpTemplate) -> None:
        """Sends by another template from now on; requests under way end as they began.

        Who splits long texts is changed once nothing is outstanding, because an answer is judged by
        it.

        Raises:
            ValueError: the template sends {callback_url} and there is none; nothing is changed.
        """
        check_callback_url(options.name, template, options.callback_url)
        self._wanted = options, template
        is_other_split = template.whole_text != self.whole_text
        self._is_switching = is_other_split and self._link.under_way > 0
        if not self._is_switching:
            self._adopt()

    def _adopt(self) -> None:
        self._options, self._template = self._wanted
        self.whole_text = self._template.whole_text
        self._link.adopt(self._options, self._template.origin)
        self._sink.room_changed()

    def describe(self) -> Mapping[str, object]:
        """Live state, without secrets."""
        return {"wire": "http", **self._link.describe()}

    async def _exchange(self, message: Message, part: int) -> Outcome:
        template = self._template
        request = template.build_request(
            message, part, self._clock.now_ms(), self._options.callback_url
        )
        answer = await self._link.exchange(*request)
        if isinstance(answer, HttpAnswer):
            return template.read_answer(answer.status, answer.headers, answer.body)
        return answer

    def _ended(self, message: Message, part: int, outcome: Outcome) -> None:
        self._sink.settled(message, part, outcome)
        if self._is_switching and not self._link.under_way:
            self._is_switching = False
            self._adopt()

    def _settle_soon(self, message: Message, part: int, outcome: Outcome) -> None:
        """Settles in the loop's next turn: the caller of `submit` is not ready for it before."""
        self._clock.call_soon(self._sink.settled, message, part, outcome)


def check_callback_url(name: str, template: HttpTemplate, callback_url: str) -> None:
    """Whether the template of provider `name` has what it sends.

    Raises:
        ValueError: it sends {callback_url} and there is none.
    """
    if template.needs_callback_url and not callback_url:
        raise ValueError(
            f"provider {name}: its template sends {{callback_url}}, but no public URL for callbacks"
            " is configured"
        )

"""What a wire says reaches the flow it is for, with its lane."""

from typing import cast

from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from gateway.domain.outcome import Sent
from gateway.domain.receipt import Receipt
from gateway.flow.dispatcher import Dispatcher
from gateway.flow.lane import Lane
from gateway.flow.outcomes import Outcomes
from gateway.flow.provider_sink import LaneSink
from gateway.flow.receipts import Receipts


class Recorder:
    """Any flow: notes what is called with what."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def __getattr__(self, name: str) -> object:
        return lambda *args: self.calls.append((name, *args))


def test_every_call_is_passed_on_with_the_lane() -> None:
    dispatcher, outcomes, receipts = Recorder(), Recorder(), Recorder()
    sink = LaneSink(
        cast(Dispatcher, dispatcher), cast(Outcomes, outcomes), cast(Receipts, receipts)
    )
    lane, message = cast(Lane, object()), cast(Message, object())
    sink.lane = lane
    outcome, receipt = Sent("id"), Receipt("id", MessageState.DELIVERED)

    def stored(token: object, stored: bool) -> None:
        raise AssertionError("not the sink's to call")

    sink.settled(message, 1, outcome)
    sink.late(message, 2, outcome)
    sink.room_changed()
    sink.receipt(receipt, stored, "token")
    assert dispatcher.calls == [("room_changed", lane)]
    assert outcomes.calls == [
        ("settled", lane, message, 1, outcome),
        ("late", lane, message, 2, outcome),
    ]
    assert receipts.calls == [("receive", lane, receipt, stored, "token")]

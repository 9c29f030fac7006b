"""A customer that submits one message after the other from a thread of its own."""

import threading
from types import TracebackType
from typing import Self

from protocols.smpp.codec import decode_message_id, encode_header
from protocols.smpp.constants import CommandId
from tests.support.smpp_customer import TIMEOUT_S, SmppCustomer

RECIPIENT = "37125991111"


class SmppLoad:
    """Keeps `window` messages with texts of their own unanswered, until the block or the bind ends.

    `accepted`: message ids by text.  `refused`: command_status by text.
    """

    def __init__(self, customer: SmppCustomer, name: str, window: int = 5) -> None:
        self.customer = customer
        self.accepted: dict[str, str] = {}
        self.refused: dict[str, int] = {}
        self.was_unbound = False  # by the gateway, or the connection broke
        self._name = name
        self._window = window
        self._unanswered: dict[int, str] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Submits no more and waits for the outstanding answers."""
        self._is_over.set()
        self._thread.join(2 * TIMEOUT_S)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error

    @property
    def texts(self) -> set[str]:
        """Of everything that was accepted."""
        return set(self.accepted)

    def all_receipts(self) -> None:
        """Waits, after `stop`, until the receipt of every accepted message has come once."""
        for message_id in self.accepted.values():
            self.customer.receipt(message_id)
        ids = [sm.short_message.split(b" ")[0].decode() for sm in self.customer.delivered]
        assert sorted(ids) == sorted(f"id:{id}" for id in self.accepted.values())

    def _run(self) -> None:
        try:
            while not self._is_over.is_set() and not self.was_unbound:
                while len(self._unanswered) < self._window:
                    self._submit()
                self._read()
            while self._unanswered or self.was_unbound:
                self._read()
        except ConnectionError:
            self.was_unbound = True
        except BaseException as error:
            self._error = error

    def _submit(self) -> None:
        sequence = self.customer.next_sequence()
        text = f"{self._name} {sequence}"
        self._unanswered[sequence] = text
        self.customer.send(self.customer.submit_sm(sequence, RECIPIENT, text.encode()))

    def _read(self) -> None:
        pdu = self.customer.read()
        if pdu is None:
            raise ConnectionResetError("the gateway closed the connection")
        if pdu.command_id == CommandId.UNBIND:
            self.was_unbound = True
            self.customer.send(encode_header(CommandId.UNBIND_RESP, 0, pdu.sequence_number))
        elif pdu.command_id == CommandId.SUBMIT_SM_RESP:
            text = self._unanswered.pop(pdu.sequence_number)
            if pdu.command_status:
                self.refused[text] = pdu.command_status
            else:
                self.accepted[text] = decode_message_id(pdu.body)

"""Sends one message as an SMPP client does, with smpplib: a stack that is not our own."""

import logging
from typing import Any

import smpplib.client
import smpplib.exceptions

from gateway.domain.sms_text import is_plain
from postern.commands.failure import REFUSED, UNREACHABLE, CommandError
from postern.commands.sending import Draft, Now, Say, Sending
from protocols.smpp.constants import CommandStatus, Npi, Ton
from protocols.smpp.receipt_text import parse

ANSWER_TIMEOUT_S = 10.0
_LOGGER = "postern.send.smpp"
_MOST_SHORT_MESSAGE = 254  # SMPP v3.4 5.2.22; a longer one goes as message_payload
_ASK_FOR_RECEIPT = 1  # registered_delivery, SMPP v3.4 5.2.17
_DEFAULT_ALPHABET, _UCS2 = 0, 8  # data_coding, SMPP v3.4 5.2.19
_INTERMEDIATE = frozenset({"", "ENROUTE"})
_SUCCESS = frozenset({"DELIVRD", "ACCEPTD"})


class SmppSending:
    """One message over one bind.

    It binds as a transmitter unless it waits for the receipt: a receiver is given the receipts of
    other messages of its system_id too.  Those it hands back with ESME_RX_T_APPN, so that the
    gateway offers them to the customer's own client again.
    """

    def __init__(self, draft: Draft, say: Say, now: Now) -> None:
        self._draft = draft
        self._say = say
        self._now = now
        self._message_id = ""
        self._stat = ""  # of the newest receipt

    def run(self, host: str, port: int, system_id: str, password: str) -> Sending:
        """Connects, sends and waits.

        Raises:
            CommandError: nobody answers, or the bind or the message is refused.
        """
        logging.getLogger(_LOGGER).setLevel(logging.CRITICAL)  # we report what it would log
        client = smpplib.client.Client(
            host,
            port,
            timeout=ANSWER_TIMEOUT_S,
            logger_name=_LOGGER,
            allow_unknown_opt_params=True,
        )
        try:
            with client:
                self._bind(client, system_id, password)
                self._submit(client)
                self._await_receipt(client)
        except (smpplib.exceptions.ConnectionError, OSError) as error:
            reason = str(error) or "the connection ended without an answer"
            raise CommandError(f"smpp {host}:{port}: {reason}", UNREACHABLE) from None
        except smpplib.exceptions.PDUError as error:
            raise CommandError(f"smpp {host}:{port}: {_refusal(error)}", REFUSED) from None
        return Sending(
            door="smpp",
            message_id=self._message_id,
            receipt=self._stat or None,
            is_delivered=self._stat in _SUCCESS,
        )

    def _bind(self, client: Any, system_id: str, password: str) -> None:
        client.connect()
        bind = client.bind_transceiver if self._draft.wait_s else client.bind_transmitter
        bind(system_id=system_id, password=password)
        client.set_message_sent_handler(self._accepted)
        client.set_message_received_handler(self._received)

    def _submit(self, client: Any) -> None:
        draft = self._draft
        data_coding, octets = _encoded(draft.text)
        is_short = len(octets) <= _MOST_SHORT_MESSAGE
        is_number = draft.sender.isdigit()
        to = draft.to.removeprefix("+")
        client.send_message(
            source_addr_ton=int(Ton.INTERNATIONAL if is_number else Ton.ALPHANUMERIC),
            source_addr_npi=int(Npi.ISDN if is_number else Npi.UNKNOWN),
            source_addr=draft.sender,
            dest_addr_ton=int(Ton.UNKNOWN if to == draft.to else Ton.INTERNATIONAL),
            dest_addr_npi=int(Npi.ISDN),
            destination_addr=to,
            registered_delivery=_ASK_FOR_RECEIPT,
            data_coding=data_coding,
            **{"short_message" if is_short else "message_payload": octets},
        )
        end = self._now() + ANSWER_TIMEOUT_S
        while not self._message_id:
            if self._now() > end:
                raise smpplib.exceptions.ConnectionError("no answer to submit_sm")
            client.read_once(auto_send_enquire_link=False)

    def _await_receipt(self, client: Any) -> None:
        end = self._now() + self._draft.wait_s
        while self._stat in _INTERMEDIATE and (left_s := end - self._now()) > 0:
            client._socket.settimeout(left_s)  # smpplib itself has one time-out for everything
            try:
                client.read_once(auto_send_enquire_link=False)
            except TimeoutError:
                break
        client._socket.settimeout(ANSWER_TIMEOUT_S)

    def _accepted(self, pdu: Any) -> None:
        self._message_id = _text(pdu.message_id)
        self._say(f"accepted as {self._message_id}")

    def _received(self, pdu: Any) -> int:
        """Takes our receipt; the result is the command_status of deliver_sm_resp."""
        receipt = parse(pdu.short_message or b"")
        if receipt is None:
            return int(CommandStatus.RX_T_APPN)
        message_id = _text(pdu.receipted_message_id) or receipt.id
        # One that overtakes the response is handed back too: it comes again.
        if not self._message_id or message_id != self._message_id:
            return int(CommandStatus.RX_T_APPN)
        self._stat = receipt.stat
        self._say(f"receipt {receipt.stat}, error {receipt.err or 'none'}")
        return int(CommandStatus.ROK)


def _encoded(text: str) -> tuple[int, bytes]:
    """data_coding and octets that mean the same whatever the gateway's default alphabet is."""
    if is_plain(text):
        return _DEFAULT_ALPHABET, text.encode("ascii")
    return _UCS2, text.encode("utf-16-be", "surrogatepass")


def _text(value: bytes | str | None) -> str:
    raw = value.decode("latin-1") if isinstance(value, bytes) else value or ""
    return raw.rstrip("\0")


def _refusal(error: Exception) -> str:
    if len(error.args) < 2:
        return str(error)
    status = int(error.args[1])
    known = {s.value for s in CommandStatus}
    name = f"ESME_{CommandStatus(status).name} " if status in known else ""
    return f"refused with {name}(0x{status:08X})"

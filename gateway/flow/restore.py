"""Stored rows back into live messages."""

from gateway.domain.account import Account, Credential, Door
from gateway.domain.commit_group import StoredMessage
from gateway.domain.lifecycle import MessageState, MoneyState, Notified, NotifyWhen
from gateway.domain.message import Message, Opaque
from gateway.domain.sms_text import Alphabet


def restored(
    row: StoredMessage, accounts: dict[int, Account], credentials: dict[int, Credential]
) -> Message:
    """The message of `row`; its route is chosen again.

    Raises:
        KeyError: the row's account is not in the directory (rows are never deleted, so a defect).
    """
    opaque = None
    if row.octets is not None:
        opaque = Opaque(row.octets, row.data_coding or 0, row.esm_class or 0, row.tlvs or b"")
    message = Message(
        row.key,
        accounts[row.account_id],
        None if row.credential_id is None else credentials.get(row.credential_id),
        Door(row.door),
        row.sender,
        row.recipient,
        row.text,
        opaque,
        Alphabet(row.alphabet),
        row.part_count,
        row.charge_micros,
        MoneyState(row.money),
        NotifyWhen(row.notify_when),
        row.priority,
        row.due_at_ms,
        row.expires_at_ms,
        row.door_note,
        row.batch_key,
    )
    message.state = message.stored_state = MessageState(row.state)
    message.provider_id = row.provider_id
    message.provider_message_id = row.provider_message_id
    message.attempts = row.attempts
    message.sent_at_ms = row.sent_at_ms
    message.final_at_ms = row.final_at_ms
    message.error = row.error
    message.notified = Notified(row.notified)
    if row.parts:
        for stored in row.parts:
            part = message.split_parts()[stored.n]
            part.state = MessageState(stored.state)
            part.provider_id = stored.provider_id
            part.provider_message_id = stored.provider_message_id
            # The parts' rows are written first: they know who has begun to take the message.
            message.provider_id = stored.provider_id or message.provider_id
            if part.state != MessageState.QUEUED and not message.sent_at_ms:
                # When it left died with the daemon; that it left decides about its money.
                message.sent_at_ms = row.due_at_ms
    return message

"""South: one part of a message as a submit_sm, in the provider's charset and concatenation."""

from gateway.domain.message import Message
from gateway.domain.sms_text import Alphabet, is_plain, split
from gateway.policy.receipt_policy import asks_for_receipt
from gateway.ports import Clock
from protocols.smpp import charset as charsets
from protocols.smpp import udh
from protocols.smpp.codec import MAX_SHORT_MESSAGE, encode_submit_sm, encode_tlv
from protocols.smpp.constants import ESM_UDHI, Npi, Tag, Ton
from protocols.smpp.mapping import source_ton_npi
from protocols.smpp.times import encode_relative

_GSM7 = Alphabet.GSM7
# By class; classes 2 and 3 are the flags 1 and 2 or 3 of a customer.
_PRIORITY_FLAGS = (0, 0, 1, 3)
MOST_SENDERS = 10_000  # remembered
# A validity shorter than this was asked for by the customer and is passed on; the default is not.
PASS_VALIDITY_BELOW_MS = 24 * 3_600_000


class SegmentEncoder:
    """Settings of one provider, applied to every part."""

    __slots__ = (
        "_charset", "_concatenation", "_dest_npi", "_dest_ton", "_receipts", "_source_npi",
        "_source_ton", "_sources",
    )  # fmt: skip

    def __init__(
        self,
        *,
        charset: str = charsets.GSM,
        concatenation: str = "udh",
        receipts: str = "asked",
        source_ton: int | None = None,
        source_npi: int | None = None,
        dest_ton: int | None = None,
        dest_npi: int | None = None,
    ) -> None:
        if charset not in charsets.DEFAULT_CHARSETS:
            raise ValueError(f"unknown charset {charset!r}")
        if concatenation not in ("udh", "sar", "payload"):
            raise ValueError(f"unknown concatenation {concatenation!r}")
        self._charset = charset
        self._concatenation = concatenation
        self._receipts = receipts
        self._sources: dict[str, tuple[int, int, bytes]] = {}
        self._source_ton = source_ton
        self._source_npi = source_npi
        self._dest_ton = Ton.INTERNATIONAL if dest_ton is None else dest_ton
        self._dest_npi = Npi.ISDN if dest_npi is None else dest_npi

    def encode(self, message: Message, part: int, sequence_number: int, clock: Clock) -> bytes:
        """submit_sm for part `part` of `message` (SMPP v3.4 4.4.1).

        Raises:
            ValueError: the sender or the text cannot be put on this wire.
        """
        source = self._sources.get(message.sender)
        if source is None:
            source = self._source(message.sender)
        ton, npi, sender = source
        text = message.text
        if (
            text is not None
            and message.part_count == 1
            and message.alphabet == _GSM7
            and is_plain(text)
        ):
            data_coding, esm_class, octets, tlvs = 0, 0, text.encode("ascii"), b""
            if message.opaque is not None:
                tlvs = message.opaque.tlvs
        else:
            data_coding, esm_class, octets, tlvs = self._user_data(message, part)
            if len(octets) > MAX_SHORT_MESSAGE:
                tlvs += encode_tlv(Tag.MESSAGE_PAYLOAD, octets)
                octets = b""
        validity = b""
        left_ms = message.expires_at_ms - message.due_at_ms
        if left_ms < PASS_VALIDITY_BELOW_MS:
            left_ms = message.expires_at_ms - clock.now_ms()
            validity = encode_relative(max(1, left_ms // 1000))
        return encode_submit_sm(
            sequence_number,
            ton,
            npi,
            sender,
            self._dest_ton,
            self._dest_npi,
            message.recipient.encode("ascii"),
            esm_class,
            _PRIORITY_FLAGS[message.priority],
            b"",
            validity,
            1 if asks_for_receipt(message, self._receipts) else 0,
            data_coding,
            octets,
            tlvs,
        )

    def _source(self, sender: str) -> tuple[int, int, bytes]:
        """TON, NPI and octets of a sender; remembered, because accounts have few.

        The "+" of an international number is its TON on this wire (trap 52).
        """
        ton, npi = source_ton_npi(sender)
        octets = sender.encode("latin-1")
        if ton == Ton.INTERNATIONAL:
            octets = octets.removeprefix(b"+")
        if self._source_ton is not None:
            ton = self._source_ton
        if self._source_npi is not None:
            npi = self._source_npi
        if len(self._sources) >= MOST_SENDERS:
            self._sources.clear()
        source = self._sources[sender] = (int(ton), int(npi), octets)
        return source

    def _user_data(self, message: Message, part: int) -> tuple[int, int, bytes, bytes]:
        """(data_coding, esm_class, user data, TLVs) of one part."""
        opaque, text, total = message.opaque, message.text, message.part_count
        if text is None:
            if opaque is None:
                raise ValueError("neither text nor octets")
            return opaque.data_coding, opaque.esm_class, opaque.octets, opaque.tlvs
        tlvs = b"" if opaque is None else opaque.tlvs
        alphabet = self._alphabet(text, message.alphabet, total)
        if total == 1 or self._concatenation == "payload":
            data_coding, octets = self._encode_text(text, alphabet)
            return data_coding, 0, octets, tlvs
        data_coding, octets = self._encode_text(split(text, alphabet)[part], alphabet)
        if self._concatenation == "sar":
            return data_coding, 0, octets, udh.encode_sar(message.reference, total, part + 1) + tlvs
        header = udh.encode_concatenation(message.reference, total, part + 1)
        return data_coding, ESM_UDHI, header + octets, tlvs

    def _alphabet(self, text: str, alphabet: Alphabet, total: int) -> Alphabet:
        """The message's own, or UCS-2 when the provider's charset does not have the whole text.

        Raises:
            ValueError: in UCS-2 it would make more than the `total` parts that were paid for.
        """
        if alphabet == Alphabet.UCS2 or self._charset == charsets.GSM:
            return alphabet
        try:
            text.encode(charsets.DEFAULT_CHARSETS[self._charset])
        except UnicodeEncodeError as error:
            if len(split(text, Alphabet.UCS2)) > total:
                raise ValueError(f"{error}; in UCS-2 it would take more parts") from None
            return Alphabet.UCS2
        return alphabet

    def _encode_text(self, text: str, alphabet: Alphabet) -> tuple[int, bytes]:
        if alphabet == Alphabet.UCS2:
            return charsets.DATA_CODING_UCS2, text.encode("utf-16-be")
        if is_plain(text):
            return charsets.DATA_CODING_DEFAULT, text.encode("ascii")
        if self._charset == charsets.GSM:
            return charsets.DATA_CODING_DEFAULT, charsets.encode(text, alphabet)
        return (
            charsets.DATA_CODING_DEFAULT,
            text.encode(charsets.DEFAULT_CHARSETS[self._charset]),
        )

"""SMPP customers of a running gateway: smpplib as an independent one, our own for the odd cases."""

import re
from collections.abc import Iterator

import pytest
import smpplib.client
import smpplib.consts

from protocols.smpp import udh
from protocols.smpp.codec import encode_header, encode_tlv, tlv
from protocols.smpp.constants import CommandId, CommandStatus, Tag
from tests.support.processes import DemoProcess, until
from tests.support.smpp_customer import SmppCustomer

PRICE = 0.035
RECEIPT_TEXT = (
    r"id:(?P<id>\S+) sub:(?P<sub>\d{3}) dlvrd:(?P<dlvrd>\d{3}) submit date:\d{10} done date:\d{10}"
    r" stat:(?P<stat>[A-Z]{7}) err:(?P<err>\w{3}) text:(?P<text>.*)"
)


def balance(demo: DemoProcess) -> float:
    value: float = demo.rest().get("/balance").json["data"]["balance"]
    return value


def connect(demo: DemoProcess, kind: CommandId) -> SmppCustomer:
    host, port, system_id, password = demo.smpp()
    customer = SmppCustomer(host, port)
    assert customer.bind(system_id, password, kind) == 0
    return customer


class SmpplibCustomer:
    """smpplib's client, bound; it keeps what it hears."""

    def __init__(self, demo: DemoProcess) -> None:
        host, port, system_id, password = demo.smpp()
        self.message_ids: list[str] = []
        self.delivered: list[object] = []
        self.client = smpplib.client.Client(host, port, timeout=5, allow_unknown_opt_params=True)
        self.client.set_message_sent_handler(
            lambda pdu: self.message_ids.append(pdu.message_id.decode())
        )
        self.client.set_message_received_handler(lambda pdu: self.delivered.append(pdu))
        self.client.connect()
        self.client.bind_transceiver(system_id=system_id, password=password)

    def read_until(self, what: str, expected: list[object] | list[str]) -> None:
        def read() -> bool:
            if not expected:
                self.client.read_once()
            return bool(expected)

        until(what, read)


@pytest.fixture
def smpplib_customer(demo: DemoProcess) -> Iterator[SmpplibCustomer]:
    customer = SmpplibCustomer(demo)
    yield customer
    customer.client.unbind()
    customer.client.disconnect()


def test_another_librarys_message_is_delivered_and_its_receipt_read(
    demo: DemoProcess, smpplib_customer: SmpplibCustomer
) -> None:
    before = balance(demo)
    smpplib_customer.client.send_message(
        source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
        source_addr="POSTERN",
        dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
        dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
        destination_addr="37123000007",
        short_message=b"Hello over SMPP",
        registered_delivery=True,
    )
    smpplib_customer.read_until("submit_sm_resp", smpplib_customer.message_ids)
    [entry] = demo.received("+37123000007")
    assert (entry["from"], entry["text"], entry["parts"]) == ("POSTERN", "Hello over SMPP", 1)
    smpplib_customer.read_until("the receipt", smpplib_customer.delivered)
    [receipt] = smpplib_customer.delivered
    [message_id] = smpplib_customer.message_ids
    assert receipt.esm_class == 0x04
    assert receipt.source_addr == b"37123000007"
    assert receipt.destination_addr == b"POSTERN"
    assert receipt.receipted_message_id.rstrip(b"\0").decode() == message_id
    assert receipt.message_state == smpplib.consts.SMPP_MESSAGE_STATE_DELIVERED
    fields = re.fullmatch(RECEIPT_TEXT, receipt.short_message.decode())
    assert fields is not None, receipt.short_message
    assert fields.groupdict() == {
        "id": message_id,
        "sub": "001",
        "dlvrd": "001",
        "stat": "DELIVRD",
        "err": "000",
        "text": "Hello over SMPP",
    }
    assert balance(demo) == round(before - PRICE, 6)


@pytest.mark.parametrize(
    ("recipient", "text", "octets", "data_coding", "parts"),
    [
        ("37123000011", "@£$ [€]", b"\x00\x01\x02 \x1b<\x1be\x1b>", 0, 1),
        ("37123000012", "y" * 161, b"y" * 161, 0, 2),
        ("37123000013", "Sveiki 😀 āčē", "Sveiki 😀 āčē".encode("utf-16-be"), 8, 1),
        ("37123000014", "ā" * 71, ("ā" * 71).encode("utf-16-be"), 8, 2),
    ],
    ids=["gsm", "long-gsm", "ucs2", "long-ucs2"],
)
def test_unsegmented_text_is_split_and_charged_per_part(
    demo: DemoProcess,
    esme: SmppCustomer,
    recipient: str,
    text: str,
    octets: bytes,
    data_coding: int,
    parts: int,
) -> None:
    before = balance(demo)
    status, message_id = esme.submit(recipient, octets, data_coding=data_coding)
    assert status == 0
    receipt = esme.receipt(message_id)
    fields = re.fullmatch(RECEIPT_TEXT, receipt.short_message.decode("latin-1"), re.DOTALL)
    assert fields is not None, receipt.short_message
    assert (fields["sub"], fields["dlvrd"]) == (f"{parts:03}", f"{parts:03}")
    [entry] = demo.received(f"+{recipient}")
    assert (entry["text"], entry["parts"]) == (text, parts)
    assert balance(demo) == round(before - parts * PRICE, 6)


def test_a_message_payload_of_ten_parts_is_one_message(
    demo: DemoProcess, esme: SmppCustomer
) -> None:
    text = "0123456789" * 150
    payload = encode_tlv(Tag.MESSAGE_PAYLOAD, text.encode())
    status, message_id = esme.submit("37123000021", b"", tlvs=payload)
    assert status == 0
    assert b" sub:010 dlvrd:010 " in esme.receipt(message_id).short_message
    [entry] = demo.received("+37123000021")
    assert (entry["text"], entry["parts"]) == (text, 10)


def test_segments_of_the_customer_pass_untouched(demo: DemoProcess, esme: SmppCustomer) -> None:
    before = balance(demo)
    for number, text in ((1, b"First half, "), (2, b"second half")):
        header = udh.encode_concatenation(77, 2, number)
        status, message_id = esme.submit("37123000031", header + text, esm_class=0x40)
        assert status == 0
        assert b" stat:DELIVRD " in esme.receipt(message_id).short_message
    [entry] = demo.received("+37123000031")
    assert (entry["text"], entry["parts"]) == ("First half, second half", 2)
    assert balance(demo) == round(before - 2 * PRICE, 6)


def test_sar_segments_pass_untouched(demo: DemoProcess, esme: SmppCustomer) -> None:
    for number, text in ((2, b"and then"), (1, b"First ")):
        tlvs = udh.encode_sar(4711, 2, number)
        assert esme.submit("37123000032", text, tlvs=tlvs)[0] == 0
    [entry] = demo.received("+37123000032")
    assert (entry["text"], entry["parts"]) == ("First and then", 2)


@pytest.mark.parametrize(
    ("recipient", "stat", "state"),
    [
        ("37123010001", b"UNDELIV", 5),
        ("447911020001", b"UNDELIV", 5),
        ("37123010004", b"DELIVRD", 2),
        ("37123010005", b"EXPIRED", 3),
        ("447911020005", b"EXPIRED", 3),
    ],
)
def test_magic_numbers(esme: SmppCustomer, recipient: str, stat: bytes, state: int) -> None:
    status, message_id = esme.submit(recipient, b"magic")
    assert status == 0
    receipt = esme.receipt(message_id)
    assert b" stat:%b " % stat in receipt.short_message
    assert tlv(receipt.tlvs, Tag.MESSAGE_STATE) == bytes((state,))


def test_the_magic_number_without_a_receipt(demo: DemoProcess, esme: SmppCustomer) -> None:
    _, silent = esme.submit("37123010002", b"no receipt")
    demo.received("+37123010002")
    # A receipt takes 0.2 to 0.5 s: three of them, one after the other, outlast the one in question.
    for _ in range(3):
        _, message_id = esme.submit("37123000041", b"later")
        esme.receipt(message_id)
    assert silent not in demo.fates()


@pytest.mark.slow
def test_the_magic_number_with_a_late_receipt(esme: SmppCustomer) -> None:
    _, late = esme.submit("37123010003", b"late")
    _, usual = esme.submit("37123000042", b"usual")
    esme.receipt(usual)
    # Receipts of other tests may come over this bind too: only the late one must not be here yet.
    assert not [m for m in esme.delivered if m.short_message.startswith(b"id:%b " % late.encode())]
    assert b" stat:DELIVRD " in esme.receipt(late, timeout_s=30).short_message


def test_receipts_go_to_any_receiving_bind_of_the_system_id(demo: DemoProcess) -> None:
    with (
        connect(demo, CommandId.BIND_TRANSMITTER) as transmitter,
        connect(demo, CommandId.BIND_RECEIVER) as receiver,
    ):
        status, message_id = transmitter.submit("37123000051", b"two binds")
        assert status == 0
        assert receiver.receipt(message_id).source_addr == "37123000051"
        assert transmitter.delivered == []


def test_receipts_wait_for_an_absent_customer(demo: DemoProcess) -> None:
    with connect(demo, CommandId.BIND_TRANSMITTER) as transmitter:
        _, message_id = transmitter.submit("37123000061", b"gone before the receipt")
    until("the message's end", lambda: message_id in demo.fates())
    with connect(demo, CommandId.BIND_RECEIVER) as receiver:
        assert b" stat:DELIVRD " in receiver.receipt(message_id).short_message


def test_without_registered_delivery_no_receipt_comes(
    demo: DemoProcess, esme: SmppCustomer
) -> None:
    _, unasked = esme.submit("37123000071", b"no receipt please", registered_delivery=0)
    _, asked = esme.submit("37123000072", b"a receipt please")
    esme.receipt(asked)
    demo.received("+37123000071")
    assert [asked] == [sm.short_message[3:19].decode() for sm in esme.delivered], unasked


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [
        ("demo", "wrong", CommandStatus.RINVPASWD),
        ("nobody", "wrong", CommandStatus.RINVSYSID),
    ],
)
def test_a_wrong_bind_is_refused_with_its_reason(
    demo: DemoProcess, system_id: str, password: str, status: CommandStatus
) -> None:
    host, port, *_ = demo.smpp()
    with SmppCustomer(host, port) as customer:
        assert customer.bind(system_id, password) == status


def test_a_submit_before_the_bind_is_refused_and_the_bind_still_possible(
    demo: DemoProcess,
) -> None:
    host, port, system_id, password = demo.smpp()
    with SmppCustomer(host, port) as customer:
        assert customer.submit("37123000081", b"early")[0] == CommandStatus.RINVBNDSTS
        assert customer.bind(system_id, password) == 0
        assert customer.submit("37123000082", b"in time")[0] == 0


def test_a_submit_on_a_receiver_is_refused(demo: DemoProcess) -> None:
    with connect(demo, CommandId.BIND_RECEIVER) as receiver:
        assert receiver.submit("37123000083", b"no")[0] == CommandStatus.RINVBNDSTS


@pytest.mark.parametrize(
    ("recipient", "octets", "fields", "status"),
    [
        ("37123000091", b"x", {"sender": "SOMEBODY"}, CommandStatus.RINVSRCADR),
        ("37123000091", b"x", {"sender": "postern"}, CommandStatus.RINVSRCADR),
        ("12", b"x", {}, CommandStatus.RINVDSTADR),
        ("999123456789", b"x", {}, CommandStatus.RINVDSTADR),
        ("", b"x", {}, CommandStatus.RINVDSTADR),
        (
            "37123000091",
            b"x",
            {"tlvs": encode_tlv(Tag.MESSAGE_PAYLOAD, b"y")},
            CommandStatus.RINVMSGLEN,
        ),
        ("37123000091", b"\xd8\x00", {"data_coding": 8}, CommandStatus.RSUBMITFAIL),
        ("37123000091", b"x", {"schedule_delivery_time": b"soon"}, CommandStatus.RINVSCHED),
    ],
    ids=[
        "unknown-sender", "sender-in-other-case", "short-recipient", "no-country", "no-recipient",
        "both-texts", "lone-surrogate", "bad-time",
    ],
)  # fmt: skip
def test_a_bad_submit_is_refused_uncharged_and_the_session_goes_on(
    demo: DemoProcess,
    esme: SmppCustomer,
    recipient: str,
    octets: bytes,
    fields: dict[str, object],
    status: CommandStatus,
) -> None:
    before = balance(demo)
    assert esme.submit(recipient, octets, **fields) == (status, "")
    sequence = esme.next_sequence()
    alive = esme.request(encode_header(CommandId.ENQUIRE_LINK, 0, sequence), sequence)
    assert alive.command_status == 0
    assert balance(demo) == before


def test_sm_length_255_is_refused(esme: SmppCustomer) -> None:
    sequence = esme.next_sequence()
    pdu = bytearray(esme.submit_sm(sequence, "37123000092", b"x" * 254))
    pdu[-255] = 255
    pdu += b"x"
    pdu[3] += 1  # command_length
    answer = esme.request(bytes(pdu), sequence)
    assert answer.command_status == CommandStatus.RINVMSGLEN


def test_an_unknown_command_gets_generic_nack(esme: SmppCustomer) -> None:
    sequence = esme.next_sequence()
    answer = esme.request(encode_header(0x00000777, 0, sequence), sequence)
    assert answer.command_id == CommandId.GENERIC_NACK
    assert answer.command_status == CommandStatus.RINVCMDID


@pytest.mark.parametrize("octets", [b"\0\0\0\x08", b"\x7f\xff\xff\xff" + b"\0" * 12, b"GET / HTTP"])
def test_lost_framing_gets_generic_nack_and_the_end(demo: DemoProcess, octets: bytes) -> None:
    host, port, *_ = demo.smpp()
    with SmppCustomer(host, port) as customer:
        customer.send(octets)
        answer = customer.read()
        assert answer is not None
        assert answer.command_id == CommandId.GENERIC_NACK
        assert answer.command_status == CommandStatus.RINVCMDLEN
        assert customer.read() is None

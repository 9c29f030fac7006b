import io

from benchmarks.soak.carrier import RecordingInbox, part_number
from benchmarks.soak.carriers import MISBEHAVIOUR, OF_HTTP
from benchmarks.soak.plan import IN_CYCLES, FaultKind
from benchmarks.soak.traffic import SHORT
from postern.simulator.behaviour import Behaviour
from protocols.smpp.codec import decode_sm, encode_submit_sm, frame


def submitted(esm_class, octets):
    pdu = encode_submit_sm(
        1, 5, 0, b"A", 1, 1, b"491500000006", esm_class, 0, b"", b"", 1, 0, octets
    )
    return decode_sm(frame(pdu)[0][0][3])


def test_a_part_is_known_by_its_header():
    assert part_number(submitted(0x40, b"\5\0\3\x2a\3\2text")) == 2


def test_without_the_indicator_or_the_element_it_is_the_only_part():
    assert part_number(submitted(0, b"\5\0\3\x2a\3\2text")) == 1
    assert part_number(submitted(0x40, b"\4\1\2\3\4text")) == 1
    assert part_number(decode_sm(frame(SHORT.encode(1, "491500000006", 0))[0][0][3])) == 1


def test_an_http_carrier_records_whole_texts():
    record = io.BytesIO()
    inbox = RecordingInbox(record)
    inbox.add(provider="http", sender="A", recipient="+491600000006", text="x", parts=3)
    assert record.getvalue() == b"+491600000006 0\n"
    assert inbox.after(0) == []


def test_every_misbehaviour_is_one_that_the_simulators_know():
    for fields in MISBEHAVIOUR.values():
        assert Behaviour(**fields) != Behaviour()


def test_every_fault_of_a_carrier_is_a_kill_or_a_misbehaviour():
    others = {FaultKind.CUSTOMER_DEAF, FaultKind.WEBHOOKS_REFUSED, FaultKind.RELOAD}
    killed = {FaultKind.SMSC_KILLED, FaultKind.HTTP_KILLED}
    assert set(IN_CYCLES) - others - killed == set(MISBEHAVIOUR)
    assert OF_HTTP - killed - set(MISBEHAVIOUR) == set()

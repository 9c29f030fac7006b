import pytest

from benchmarks.soak.book import LOST, UNTOLD, Arrivals, Book
from benchmarks.soak.numbers import Area, digits, recipient


class Run:
    """A book and its arrivals, with names for what happens."""

    def __init__(self):
        self.book = Book()
        self._arrived = []

    def accepted(self, *, parts=1, wants_notice=True, message_id=0):
        number = self.book.open(parts=parts, wants_notice=wants_notice, is_timed=True)
        self.book.accept(number, message_id)
        return number

    def arrived(self, number, *parts):
        self._arrived += [(recipient(number, Area.SMSC), part) for part in parts or (1,)]

    def told(self, number, word="DELIVRD", message_id=0):
        self.book.notice("+" + recipient(number, Area.SMSC), word, message_id)

    def findings(self):
        arrivals = Arrivals(self.book.next_number)
        for to, part in self._arrived:
            arrivals.add(to, part)
        return self.book.findings(arrivals)


@pytest.fixture
def run():
    return Run()


def test_a_message_that_arrived_and_was_told_is_clean(run):
    number = run.accepted()
    assert run.book.owed == 1
    run.arrived(number)
    run.told(number)
    findings = run.findings()
    assert findings.is_clean
    assert (findings.accepted, findings.fates, run.book.owed) == (1, {"DELIVRD": 1}, 0)


@pytest.mark.parametrize(
    ("word", "lost"), [("DELIVRD", 1), ("UNKNOWN", 1), ("REJECTD", 0), ("failed", 0)]
)
def test_what_no_carrier_got_is_lost_unless_the_gateway_said_why(run, word, lost):
    number = run.accepted()
    run.told(number, word)
    assert run.findings().lost == lost


def test_a_part_that_is_missing_is_a_loss(run):
    number = run.accepted(parts=3)
    run.arrived(number, 1, 3)
    run.told(number)
    findings = run.findings()
    assert findings.lost == 1
    assert findings.examples == {LOST: [digits(number)]}


def test_a_whole_text_is_all_of_its_parts(run):
    number = run.accepted(parts=3)
    run.arrived(number, 0)
    run.told(number)
    assert run.findings().is_clean


def test_who_asked_for_no_notice_waits_for_none(run):
    run.arrived(run.accepted(wants_notice=False))
    untold = run.accepted()
    run.arrived(untold)
    findings = run.findings()
    assert (findings.without_notice, run.book.owed) == (1, 1)
    assert findings.examples == {UNTOLD: [digits(untold)]}


def test_the_parts_of_a_message_that_was_sent_again_are_one_duplicate(run):
    number = run.accepted(parts=3)
    run.arrived(number, 1, 2, 3, 1, 2, 3, 2)
    run.told(number)
    findings = run.findings()
    assert (findings.duplicates, findings.is_clean) == (2, True)


@pytest.mark.parametrize(
    ("words", "repeated", "changed"),
    [
        (["DELIVRD", "DELIVRD"], 1, 0),
        (["UNKNOWN", "DELIVRD"], 0, 0),
        (["DELIVRD", "UNDELIV"], 0, 1),
        (["UNKNOWN", "DELIVRD", "EXPIRED"], 0, 1),
    ],
)
def test_a_fate_may_be_told_again_and_only_unknown_may_change(run, words, repeated, changed):
    number = run.accepted()
    run.arrived(number)
    for word in words:
        run.told(number, word)
    findings = run.findings()
    assert (findings.repeated_notices, findings.changed_fates) == (repeated, changed)
    assert findings.is_clean == (not changed)


def test_a_notice_with_the_id_of_another_is_noticed(run):
    number = run.accepted(message_id=7)
    run.arrived(number)
    run.told(number, message_id=8)
    assert run.findings().wrong_ids == 1


def test_a_refused_message_may_not_turn_up_anywhere(run):
    number = run.book.open(parts=1, wants_notice=True, is_timed=True)
    run.book.refuse(number, "0x00000045")
    run.arrived(number)
    run.told(number)
    findings = run.findings()
    assert (findings.sent_though_refused, findings.strangers, findings.refused) == (1, 1, 1)


def test_an_unanswered_message_may_arrive_or_not(run):
    run.book.open(parts=1, wants_notice=True, is_timed=True)
    run.arrived(run.book.open(parts=1, wants_notice=True, is_timed=True))
    findings = run.findings()
    assert (findings.unanswered, findings.is_clean) == (2, True)


def test_what_had_to_be_refused_and_was_not_is_counted(run):
    run.book.refused_as_expected(True, "0x0000000a")
    run.book.refused_as_expected(False, "0x00000000")
    findings = run.findings()
    assert (findings.refusals_missed, findings.refused, findings.submitted) == (1, 1, 2)
    assert not findings.is_clean


def test_strangers_are_counted_on_both_sides(run):
    run.book.notice("+37120000000", "DELIVRD")
    run.book.notice("+" + recipient(5, Area.HTTP), "DELIVRD")
    run.arrived(9)
    assert run.findings().strangers == 3


def test_magic_numbers_are_not_timed(run):
    for _ in range(6):
        run.told(run.accepted())
    assert run.book.receipt.count == 1


def test_times_are_taken_once(run):
    run.told([run.accepted() for _ in range(6)][5])
    response, receipt = run.book.take_times()
    assert (response.count, receipt.count) == (0, 1)
    assert run.book.take_times()[1].count == 0


def test_records_of_the_carriers_are_read(run, tmp_path):
    record = tmp_path / "smsc.record"
    record.write_text(f"{recipient(0, Area.SMSC)} 1\n{recipient(1, Area.HTTP)} 0\n")
    arrivals = Arrivals(2)
    arrivals.read([record])
    assert (arrivals.parts(0), arrivals.is_whole(1, 0b111)) == (1, True)

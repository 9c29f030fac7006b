import pytest

from benchmarks.process import BenchmarkError
from benchmarks.run import Bench, is_sound, load_arguments, lost
from benchmarks.shapes import Case, Mode, Subject, select


def case(shape, mode, subject=Subject.SQLITE):
    return Case(select([shape], count=100)[0], subject, mode)


@pytest.mark.parametrize(
    ("mode", "accepted", "submits", "delivered", "missing"),
    [
        (Mode.SENT, 100, 100, 0, 0),
        (Mode.SENT, 97, 97, 0, 3),
        (Mode.SENT, 100, 98, 0, 2),
        (Mode.SENT, 100, 101, 0, 0),
        (Mode.RECEIPT, 100, 100, 100, 0),
        (Mode.RECEIPT, 99, 98, 97, 4),
        (Mode.ACCEPT, 100, 0, 0, 0),
        (Mode.ACCEPT, 90, 0, 0, 10),
    ],
)
def test_lost_counts_what_is_missing_at_either_end(mode, accepted, submits, delivered, missing):
    report = {"accepted": accepted, "delivered": delivered}
    assert lost(case("4x100", mode), report, submits) == missing


def test_an_smpp_load_asks_for_receipts_only_where_they_are_measured():
    sent = load_arguments(case("paced-1000", Mode.SENT), 2775, 100, 7)
    assert sent[0] == "smpp"
    assert {"--port=2775", "--window=10", "--rate=1000", "--count=100", "--offset=7"} <= set(sent)
    assert "--receipts" not in sent
    assert "--receipts" in load_arguments(case("paced-1000", Mode.RECEIPT), 2775, 100, 7)


def test_a_rest_load_knows_its_token_and_how_many_go_in_a_request():
    arguments = load_arguments(case("rest-bulk", Mode.SENT), 8080, 100, 0)
    assert arguments[0] == "rest"
    assert "--per-request=1000" in arguments
    assert any(argument.startswith("--token=") for argument in arguments)


async def test_a_case_that_fails_is_a_row_and_the_next_is_measured(monkeypatch):
    async def measure(self, measured):
        raise BenchmarkError(f"no luck with {measured.subject}")

    monkeypatch.setattr(Bench, "_measure", measure)
    said = []
    rows = await Bench(None, None, said.append).rows(
        [case("1x1", Mode.SENT, Subject.NULL_RELAY), case("1x1", Mode.SENT)]
    )
    assert [row.failure for row in rows] == ["no luck with null relay", "no luck with sqlite"]
    assert not is_sound(rows)
    assert "  FAILED: no luck with sqlite" in said

from postern.simulator.tally import Tally


def test_the_line_names_every_count() -> None:
    tally = Tally(
        submits=10, accepted=6, throttled=1, rejected=2, unanswered=1, receipts_sent=5,
        receipts_taken=4,
    )  # fmt: skip

    assert tally.line() == (
        "10 submits: 6 accepted, 1 throttled, 2 rejected, 1 unanswered; 5 receipts sent, 4 taken"
    )

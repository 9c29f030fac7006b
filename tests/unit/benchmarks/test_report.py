import json

import pytest

from benchmarks.report import Row, as_json, render_table
from benchmarks.shapes import Case, Mode, Subject, select
from tests.support.figures import LATENCY, figures


def case(shape="4x100", mode=Mode.RECEIPT):
    return Case(select([shape])[0], Subject.SQLITE, mode)


@pytest.mark.parametrize(
    ("row", "verdict", "is_sound"),
    [
        (Row(case=case(), figures=figures()), "OK", True),
        (Row(case=case(), figures=figures(cpu_us=41.0), ratio=20.0), "OVER", True),
        (Row(case=case(), figures=figures(cpu_us=41.0), ratio=14.0), "OK", True),
        (Row(case=case("1x1"), figures=figures(cpu_us=999.0)), "-", True),
        (Row(case=case(), figures=figures(lost=3, doubled=1)), "LOST 3", False),
        (Row(case=case(), figures=figures(doubled=2)), "DOUBLED 2", False),
        (Row(case=case(), figures=None, failure="no sink"), "FAILED", False),
    ],
)
def test_verdict(row, verdict, is_sound):
    assert (row.verdict, row.is_sound) == (verdict, is_sound)


def test_the_table_shows_every_row_in_aligned_columns():
    table = render_table(
        [
            Row(case=case(), figures=figures(receipt_ms=LATENCY), ratio=12.5),
            Row(case=case("10x10", Mode.SENT), figures=None, failure="the gateway ended"),
        ]
    ).splitlines()
    assert table[0].split()[:3] == ["shape", "store", "until"]
    assert " ".join(table[2].split()) == (
        "4x100 sqlite receipt 25.0 30 or 15x OK 12.5 31,234 1.2 9.8 1.2 9.8 82"
    )
    assert table[3].split() == ["10x10", "sqlite", "sent", "-", "-", "FAILED", *["-"] * 7]
    assert len({len(line) for line in table[:4]}) == 1
    assert table[4] == "10x10, sqlite, sent: the gateway ended"


def test_json_holds_what_the_table_holds_and_the_machine():
    row = Row(case=case(), figures=figures(), ratio=12.5)
    result = json.loads(json.dumps(as_json([row], "2026-01-02T03:04:05+00:00")))
    assert result["measured_at"] == "2026-01-02T03:04:05+00:00"
    assert set(result["machine"]) == {"cpu", "cores", "kernel", "python"}
    [shown] = result["rows"]
    assert (shown["shape"], shown["store"], shown["until"]) == ("4x100", "sqlite", "receipt")
    assert (shown["verdict"], shown["ratio"]) == ("OK", 12.5)
    assert shown["figures"]["cpu_us"] == 25.0

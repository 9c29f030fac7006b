"""Each vendor's page lists every row of its contract's checklist, with tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?P<row>[\w-]+) \|(?P<rest>.*)\|$", re.MULTILINE)
TEST = re.compile(r"`(?P<file>[\w/]+\.py)(?:::(?P<name>\w+))?`")
CHECKLISTS = {
    "exotel.md": [f"EXO-{n:02}" for n in range(1, 38)],
    "me-sms.md": [f"MES-{n:02}" for n in range(1, 30)],
    "easysendsms.md": [f"ESS-{n:02}" for n in range(1, 35)],
    # The rows of the SMS side.
    "exosend.md": ["1", "2", "3", "52", "53", "54", "55", "56"],
}


def checklist(page: str) -> dict[str, str]:
    """The rows under the heading "Checklist": what stands beside each."""
    _, _, section = (ROOT / "docs" / page).read_text().partition("\n## Checklist")
    return {match["row"]: match["rest"] for match in ROW.finditer(section)}


@pytest.mark.parametrize("page", CHECKLISTS)
def test_every_row_of_the_contract_has_a_test(page: str) -> None:
    rows = checklist(page)
    assert [row for row in CHECKLISTS[page] if row not in rows] == []
    # A row that is not served names no test, and says so.
    untested = [row for row, rest in rows.items() if not TEST.search(rest)]
    assert [row for row in untested if "not served" not in rows[row] and row != "row"] == []


@pytest.mark.parametrize("page", CHECKLISTS)
def test_every_named_test_exists(page: str) -> None:
    missing = []
    for rest in checklist(page).values():
        for match in TEST.finditer(rest):
            path = ROOT / "tests" / match["file"].removeprefix("tests/")
            name = match["name"]
            if not path.is_file() or (name and f"def {name}(" not in path.read_text()):
                missing.append(match[0])
    assert not missing

import re
from pathlib import Path

import pytest

from postern.simulator.hlr import MAGIC_NUMBERS, hlr_reply

LIVE = {
    "number": "37129200000", "state": "live", "operator": "Simulated Mobile", "type": "mobile",
    "mccmnc": "00101", "roaming": False, "ported": False,
}  # fmt: skip


def test_a_number_is_live() -> None:
    assert hlr_reply("37129200000") == (200, LIVE)
    assert hlr_reply("+37129200000") == (200, LIVE)


@pytest.mark.parametrize(
    ("ending", "fields"),
    [
        ("0001", {"state": "dead"}),
        ("0002", {"state": "inconclusive"}),
        ("0003", {"state": "absent"}),
        ("0004", {"state": "no_teleservice"}),
        ("0005", {"state": "unsupported"}),
        ("0006", {"type": "landline", "mccmnc": "", "operator": "Simulated Fixed"}),
        ("0010", {"roaming": True, "ported": True}),
    ],
)
def test_magic_numbers(ending: str, fields: dict[str, object]) -> None:
    number = f"3712920{ending}"
    assert hlr_reply(number) == (200, LIVE | {"number": number} | fields)


def test_failures() -> None:
    assert hlr_reply("37129200008").status == 503
    assert hlr_reply("37129200009") == (200, {"oops": True})
    assert hlr_reply("").status == hlr_reply("x").status == hlr_reply("٣").status == 400


def test_the_page_lists_them() -> None:
    page = (Path(__file__).parents[4] / "docs" / "simulator.md").read_text()
    _, _, section = page.partition("`GET /hlr")
    listed = set(re.findall(r"^\| `(\d{4})` \|", section, re.MULTILINE))
    assert listed == {*MAGIC_NUMBERS, "0008", "0009"}

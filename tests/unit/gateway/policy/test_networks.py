from pathlib import Path

import phonenumbers
import pytest
from phonenumbers.carrierdata import CARRIER_DATA

from gateway.policy import networks
from gateway.policy.networks import Network, NetworkTable

FOLDER = Path(networks.__file__).parent
TABLE = NetworkTable()


def rows(file: str) -> list[list[str]]:
    lines = (FOLDER / file).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def test_more_than_two_hundred_countries() -> None:
    assert len({row[2] for row in rows("networks.tsv")}) >= 200


@pytest.mark.parametrize("file", ["networks.tsv", "countries.tsv"])
def test_the_files_say_when_and_whence(file: str) -> None:
    head = "".join(
        line for line in (FOLDER / file).read_text("utf-8").splitlines() if line.startswith("#")
    )
    assert "2026-11-21" in head
    assert "licence" in head


def test_the_lines_are_sound() -> None:
    countries = {row[0] for row in rows("countries.tsv")}
    seen = set()
    for mcc, mnc, region, operator in rows("networks.tsv"):
        assert len(mcc) == 3, mcc
        assert mcc.isdecimal(), mcc
        assert mnc == "" or (mnc.isdecimal() and len(mnc) in (2, 3)), mnc
        assert (mnc == "") == (operator == ""), (mcc, mnc)
        assert region in countries, region
        assert (mcc, mnc, region) not in seen, (mcc, mnc)
        seen.add((mcc, mnc, region))


def test_every_region_of_the_numbering_plans_has_a_name() -> None:
    assert all(TABLE.country(region) for region in phonenumbers.SUPPORTED_REGIONS)
    assert len({TABLE.country(region) for region in phonenumbers.SUPPORTED_REGIONS}) == len(
        phonenumbers.SUPPORTED_REGIONS
    )
    assert TABLE.country("001") == ""


def test_most_names_of_the_metadata_find_their_network() -> None:
    """An operator renamed there must be renamed here."""
    names = {data["en"].casefold() for data in CARRIER_DATA.values() if "en" in data}
    here = [row[3] for row in rows("networks.tsv") if row[1]]
    known = [name for name in here if name.casefold() in names]
    assert len(known) > 0.9 * len(here)


@pytest.mark.parametrize(
    ("region", "operator", "network"),
    [
        ("LV", "LMT", Network("247", "01")),
        ("LV", "lmt", Network("247", "01")),
        ("LV", "", Network("247")),
        ("LV", "Nobody", Network("247")),
        ("US", "", Network()),  # seven codes: which one is not known
        ("US", "Verizon", Network("311", "480")),
        ("GB", "O2", Network("234", "10")),
        ("GB", "Nobody", Network()),
        ("AX", "Elisa", Network()),
        ("", "", Network()),
    ],
)
def test_networks(region: str, operator: str, network: Network) -> None:
    assert TABLE.network(region, operator) == network


def test_an_operator_with_several_networks_has_no_mnc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "_FOLDER", tmp_path)
    (tmp_path / "countries.tsv").write_text("# x\nDE\tGermany\n")
    (tmp_path / "networks.tsv").write_text("262\t03\tDE\tO2\n262\t07\tDE\tO2\n")
    assert NetworkTable().network("DE", "O2") == Network("262")


@pytest.mark.parametrize("line", ["262\t03\tDE", "262 03 DE O2", "262\t03\tDE\tO2\tx"])
def test_a_line_in_another_form(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "_FOLDER", tmp_path)
    (tmp_path / "countries.tsv").write_text("DE\tGermany\n")
    (tmp_path / "networks.tsv").write_text(line)
    with pytest.raises(ValueError, match="columns, not 4"):
        NetworkTable()

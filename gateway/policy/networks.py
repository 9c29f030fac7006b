"""Countries and mobile networks by their ITU-T E.212 codes.

Two tables stand beside this module, tab-separated, with their date and origin in comment lines:
``countries.tsv`` (ISO 3166-1 alpha-2 code, English name) and ``networks.tsv`` (MCC, MNC, country,
operator; without MNC the line only says that the country uses the MCC).  See ADR 19.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).parent
_SEPARATOR = "\t"


class Network(NamedTuple):
    """Mobile country code and mobile network code (ITU-T E.212 4.2, 4.3); empty = not known."""

    mcc: str = ""
    mnc: str = ""


NO_NETWORK = Network()


class NetworkTable:
    """Both tables, read once.

    Raises:
        ValueError: a line has not the form described above.
    """

    __slots__ = ("_countries", "_lone_mccs", "_operators")

    def __init__(self) -> None:
        self._countries = {row[0]: row[1] for row in _rows("countries.tsv", 2)}
        self._operators: dict[tuple[str, str], Network] = {}
        mccs: dict[str, set[str]] = {}
        repeated: set[tuple[str, str]] = set()
        for mcc, mnc, region, operator in _rows("networks.tsv", 4):
            mccs.setdefault(region, set()).add(mcc)
            if mnc:
                name = region, operator.casefold()
                if name in self._operators:
                    repeated.add(name)
                self._operators[name] = Network(mcc, mnc)
        for name in repeated:
            del self._operators[name]  # several networks of one operator: which one is not known
        self._lone_mccs = {region: min(codes) for region, codes in mccs.items() if len(codes) == 1}

    def country(self, region: str) -> str:
        """English name of the ISO 3166-1 alpha-2 `region`; empty when there is none."""
        return self._countries.get(region, "")

    def network(self, region: str, operator: str) -> Network:
        """Codes of the network of `operator`; the country's only MCC when that is all there is."""
        found = self._operators.get((region, operator.casefold()))
        if found is not None:
            return found
        mcc = self._lone_mccs.get(region)
        return NO_NETWORK if mcc is None else Network(mcc)


def _rows(file: str, columns: int) -> Iterator[tuple[str, ...]]:
    for line in (_FOLDER / file).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            row = tuple(line.split(_SEPARATOR))
            if len(row) != columns:
                raise ValueError(f"{file}: {line!r} has {len(row)} columns, not {columns}")
            yield row

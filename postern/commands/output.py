"""What commands print: aligned tables and lists for people, JSON for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence


def print_json(facts: object) -> None:
    """One JSON document."""
    print(json.dumps(facts, indent=2, ensure_ascii=False))


def print_table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()
) -> None:
    """Columns as wide as their widest cell; those named in `right` are aligned to the right."""
    cells = [list(headers), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    to_the_right = [header in right for header in headers]
    for row in cells:
        aligned = (
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, to_the_right, strict=True)
        )
        print("  ".join(aligned).rstrip())


def print_fields(fields: Mapping[str, object], *, indent: str = "") -> None:
    """One field per line, values in one column; empty ones are left out."""
    shown = {name: _cell(value) for name, value in fields.items() if _cell(value)}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        print(f"{indent}{name.ljust(width)}  {value}")


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(_cell, value))
    return str(value)

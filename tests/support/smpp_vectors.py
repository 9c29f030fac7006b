"""Golden PDUs: `tests/vectors/smpp/*.hex` holds comments, expected fields and octets of one PDU each."""

import ast
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "vectors" / "smpp"


class Vector:
    """One PDU: `octets` as on the wire, `fields` as they must be read."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.fields: dict[str, object] = {}
        hexadecimal = []
        for line in path.read_text("utf-8").splitlines():
            name, is_field, value = line.partition(" = ")
            if line.startswith("#"):
                continue
            if is_field:
                self.fields[name] = ast.literal_eval(value)
            else:
                hexadecimal.append(line)
        self.octets = bytes.fromhex(" ".join(hexadecimal))

    def __repr__(self) -> str:
        return self.name


def vectors(prefix: str = "") -> list[Vector]:
    """All vectors whose file name starts with `prefix`."""
    found = [Vector(path) for path in sorted(FOLDER.glob(f"{prefix}*.hex"))]
    assert found, f"no vector {prefix}* in {FOLDER}"
    return found


def vector(name: str) -> Vector:
    """The vector of one file."""
    return Vector(FOLDER / f"{name}.hex")

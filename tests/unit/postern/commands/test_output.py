import json

import pytest

from postern.commands.output import print_fields, print_json, print_table


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(
        ("NAME", "AMOUNT", "LIST"),
        [("a", "1.5", ["x", "y"]), ("longer", None, []), ("b", 100, True)],
        right=("AMOUNT",),
    )
    assert capsys.readouterr().out.splitlines() == [
        "NAME    AMOUNT  LIST",
        "a          1.5  x, y",
        "longer",
        "b          100  yes",
    ]


def test_empty_table_has_its_headers(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "B"), [])
    assert capsys.readouterr().out == "A  B\n"


def test_fields_without_empty_ones(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({"a": 1, "longer": False, "none": None, "empty": ""})
    assert capsys.readouterr().out.splitlines() == ["a       1", "longer  no"]


def test_no_fields(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({})
    assert capsys.readouterr().out == ""


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": "żółw", "none": None})
    out = capsys.readouterr().out
    assert json.loads(out) == {"text": "żółw", "none": None}
    assert "żółw" in out

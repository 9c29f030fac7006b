from pathlib import Path

import pytest

from conf import contacts
from gateway.domain.declared import ContactGroupSpec, TemplateSpec

ACCOUNT = '[[account]]\nname = "a"\n'


def groups_of(text: str) -> str:
    return f"{ACCOUNT}[[account.contact_group]]\n{text}"


def test_templates_and_groups_reach_the_heart(load_text, tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text(" 66812345679\r\n\n+66812345670 \n")
    (account,) = (
        load_text(
            ACCOUNT
            + """
            [[account.template]]
            id = 1
            content = "สวัสดี {{name}}"
            [[account.template]]
            id = 2
            content = "x"
            [[account.contact_group]]
            id = 1
            msisdns = ["66812345678", "0812345678"]
            file = "numbers.txt"
            [[account.contact_group]]
            id = 2
            file = "numbers.txt"
            [[account.contact_group]]
            id = 3
            msisdns = ["66812345678"]
            """
        )
        .declared()
        .accounts
    )
    assert account.templates == (
        TemplateSpec(id=1, content="สวัสดี {{name}}"),
        TemplateSpec(id=2, content="x"),
    )
    in_file = "66812345679\n+66812345670"
    assert account.contact_groups == (
        ContactGroupSpec(id=1, lines=f"66812345678\n0812345678\n{in_file}"),
        ContactGroupSpec(id=2, lines=in_file),
        ContactGroupSpec(id=3, lines="66812345678"),
    )


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("id = 0\ncontent = 'x'", "id", "must be greater than or equal to 1"),
        ("id = 1\ncontent = ''", "content", "must have at least 1 character"),
        (f"id = 1\ncontent = '{'x' * 1001}'", "content", "must have at most 1000 characters"),
        ("id = 1", "content", "is missing"),
    ],
)
def test_rules_of_templates(problems_in, text: str, key: str, reason: str) -> None:
    found = problems_in(f"{ACCOUNT}[[account.template]]\n{text}")
    assert found == {f"account[0].template[0].{key}": reason}


def test_a_group_has_numbers(problems_in, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    for text in ("id = 1", "id = 1\nmsisdns = []", 'id = 1\nfile = "empty.txt"'):
        (reason,) = problems_in(groups_of(text)).values()
        assert reason == "has no numbers: give msisdns or a file"


def test_a_group_has_no_more_numbers_than_a_send(
    problems_in, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "MAX_NUMBERS", 3)
    (tmp_path / "numbers.txt").write_text("66812345678\n66812345679\n66812345670\n")
    (reason,) = problems_in(
        groups_of('id = 1\nmsisdns = ["66812345678"]\nfile = "numbers.txt"')
    ).values()
    assert reason == "has 4 numbers, more than 3"


@pytest.mark.parametrize("number", ["", "66 81", "x", "12", "+", "6" * 21])
def test_numbers_in_place(problems_in, number: str) -> None:
    (key,) = problems_in(groups_of(f'id = 1\nmsisdns = ["{number}"]'))
    assert key == "account[0].contact_group[0].msisdns[0]"


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"66812345678\nname,number\n", "numbers.txt holds 'name,number', which is no number"),
        (b"668123456789012345678901", "numbers.txt holds '668123456789012345678901', which is"),
        (b"66812345678\nx", "numbers.txt holds 'x', which is no number"),
        ("สวัสดี".encode(), "numbers.txt is not a list of numbers"),
    ],
)
def test_numbers_in_a_file(problems_in, tmp_path: Path, octets: bytes, reason: str) -> None:
    (tmp_path / "numbers.txt").write_bytes(octets)
    found = problems_in(groups_of('id = 1\nfile = "numbers.txt"'))
    assert reason in found["account[0].contact_group[0].file"]


def test_a_file_that_is_not_there(problems_in) -> None:
    found = problems_in(groups_of('id = 1\nfile = "numbers.txt"'))
    assert "No such file" in found["account[0].contact_group[0].file"]


def test_ids_are_unique_in_an_account(problems_in, load_text) -> None:
    template = '[[account.template]]\nid = 1\ncontent = "x"\n'
    group = '[[account.contact_group]]\nid = 1\nmsisdns = ["66812345678"]\n'
    assert problems_in(ACCOUNT + template * 2 + group * 2) == {
        "account[0].template[1].id": "1 already stands at account[0].template[0].id",
        "account[0].contact_group[1].id": "1 already stands at account[0].contact_group[0].id",
    }
    other = ACCOUNT.replace('"a"', '"b"')
    load_text(ACCOUNT + template + group + other + template + group)

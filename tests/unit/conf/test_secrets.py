from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from conf.secrets import Secret, SecretText, read_secret_file
from conf.section import Source

ADAPTER: TypeAdapter[Secret] = TypeAdapter(SecretText)


def read(value: object, directory: Path, **environ: str) -> Secret:
    return ADAPTER.validate_python(value, context=Source(directory, environ))


def test_reads_the_three_forms(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from file\r\n")
    assert read("in clear", tmp_path).reveal() == "in clear"
    assert read({"env": "TOKEN"}, tmp_path, TOKEN="from env").reveal() == "from env"
    assert read({"file": "token"}, tmp_path).reveal() == "from file"
    assert read({"file": str(tmp_path / "token")}, Path("/")).reveal() == "from file"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (3, "must be a text"),
        (True, "must be a text"),
        ({}, "must be a text"),
        ({"env": 3}, "must be a text"),
        ({"env": "A", "file": "b"}, "must be a text"),
        ({"vault": "x"}, "must be a text"),
        ("", "is empty"),
        ({"env": "EMPTY"}, "is empty"),
        ({"env": "NONE"}, "the environment variable NONE is not set"),
        ({"file": "none"}, "cannot read .*/none: No such file or directory"),
        ({"file": "."}, "cannot read .*: Is a directory"),
        ({"file": "binary"}, "it is not UTF-8 text"),
        ({"file": "two-lines"}, "control character"),
        ("nul\x00", "control character"),
        ({"file": "nul\x00"}, "null byte"),
    ],
)
def test_refuses_what_is_no_secret(tmp_path: Path, value: object, reason: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "two-lines").write_text("a\nb\n")
    with pytest.raises(ValidationError, match=reason):
        read(value, tmp_path, EMPTY="")


def test_is_never_shown(tmp_path: Path) -> None:
    secret = read("hush", tmp_path)
    assert "hush" not in f"{secret} {secret!r} {[secret]}"


def test_compares_by_its_text() -> None:
    assert Secret("a") == Secret("a", "a warning")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o640, False), (0o604, True)])
def test_warns_of_a_file_that_everybody_may_read(tmp_path: Path, mode: int, warns: bool) -> None:
    path = tmp_path / "secret"
    path.write_text("x")
    path.chmod(mode)
    warning = read_secret_file(path).warning
    assert warning == (f"every user of this machine can read {path}: chmod 600 it" if warns else "")

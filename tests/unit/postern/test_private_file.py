import stat
from pathlib import Path

import pytest

from postern.private_file import write_private


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, "š\n")
    assert path.read_bytes() == b"\xc5\xa1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_everybody_may_read_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    with path.open() as reader:
        write_private(path, "new")
        assert reader.read() == "old"  # whoever had it open keeps a whole file
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_private(tmp_path / "taken", "text")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]

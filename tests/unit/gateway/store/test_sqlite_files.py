import os
from pathlib import Path

import pytest

from gateway.domain.errors import StoreUnavailable
from gateway.store.sqlite_files import StoreFiles, lock_out_others


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    path.touch()
    Path(f"{path}-wal").touch()
    return path


def test_files_that_are_left_alone(path: Path) -> None:
    files = StoreFiles(path)
    path.write_bytes(b"grown")
    assert files.missing() is None


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_file_that_is_removed_replaced_or_put_back(path: Path, suffix: str) -> None:
    file = Path(f"{path}{suffix}")
    files = StoreFiles(path)
    kept = file.rename(f"{file}.kept")
    assert files.missing() == file
    file.touch()
    assert files.missing() == file
    kept.replace(file)
    assert files.missing() is None


def test_the_lock_is_held_until_its_descriptor_is_closed(path: Path) -> None:
    held = lock_out_others(path)
    with pytest.raises(StoreUnavailable, match=r"store\.db is in use: another daemon holds"):
        lock_out_others(path)
    os.close(held)
    os.close(lock_out_others(path))


def test_a_lock_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"nowhere/store\.db\.lock: No such file.*folder"):
        lock_out_others(tmp_path / "nowhere" / "store.db")

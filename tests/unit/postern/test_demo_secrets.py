import json
import stat
from dataclasses import asdict
from pathlib import Path

import pytest

from gateway.domain.errors import ConfigurationError
from postern.demo_secrets import FILE, load_or_make


def test_they_are_drawn_once(tmp_path: Path) -> None:
    assert load_or_make(tmp_path) == load_or_make(tmp_path)


def test_every_directory_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    here, there = asdict(load_or_make(tmp_path)), asdict(load_or_make(tmp_path / "other"))
    assert all(here[name] != there[name] for name in here)


def test_their_forms_fit_their_wires(tmp_path: Path) -> None:
    secrets = load_or_make(tmp_path)
    assert secrets.token.startswith("1|")
    # SMPP v3.4 5.2.2: at most 8 characters.
    assert len(secrets.smpp_password) == len(secrets.smsc_password) == 8
    assert all(value.isascii() and value.isprintable() for value in asdict(secrets).values())


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    secrets = load_or_make(tmp_path)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert secrets.token not in repr(secrets)


def test_one_that_a_newer_version_needs_is_added(tmp_path: Path) -> None:
    before = asdict(load_or_make(tmp_path))
    kept = {name: value for name, value in before.items() if name != "callback_token"}
    (tmp_path / FILE).write_text(json.dumps(kept))
    after = asdict(load_or_make(tmp_path))
    assert {name: after[name] for name in kept} == kept
    assert after["callback_token"]
    assert asdict(load_or_make(tmp_path)) == after


@pytest.mark.parametrize("text", ["", "{", "[]", '{"token": 1}'])
def test_a_spoiled_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigurationError, match=r"secrets\.json does not hold .*: delete it"):
        load_or_make(tmp_path)

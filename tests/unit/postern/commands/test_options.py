import argparse
from pathlib import Path

import pytest

from conf.settings import load
from postern.commands.failure import CommandError, DaemonAbsentError
from postern.commands.options import DEFAULT_CONTROL, add_config, config_path, control_path


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POSTERN_CONFIG", raising=False)
    return tmp_path


def parse(*words: str) -> argparse.Namespace:
    """As the command line is built: `-c` before the command and after it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", "--config")
    command = parser.add_subparsers().add_parser("run")
    add_config(command)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-c", "a.toml", "run"), "a.toml"),
        (("run", "-c", "b.toml"), "b.toml"),
        (("-c", "a.toml", "run", "-c", "b.toml"), "b.toml"),
        (("run", "--data-dir", "demo"), "demo/postern.toml"),
        (("-c", "a.toml", "run", "--data-dir", "demo"), "demo/postern.toml"),
    ],
)
def test_what_is_given(words: tuple[str, ...], expected: str) -> None:
    assert config_path(parse(*words)) == Path(expected)


def test_the_usual_places_in_order(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="give one with -c FILE") as failure:
        config_path(parse("run"))
    assert failure.value.exit_code == 2
    (here / "postern-demo").mkdir()
    (here / "postern-demo/postern.toml").touch()
    assert config_path(parse("run")) == Path("postern-demo/postern.toml")
    (here / "postern.toml").touch()
    assert config_path(parse("run")) == Path("postern.toml")
    monkeypatch.setenv("POSTERN_CONFIG", "elsewhere.toml")
    assert config_path(parse("run")) == Path("elsewhere.toml")
    assert config_path(parse("run", "-c", "given.toml")) == Path("given.toml")


@pytest.mark.parametrize(
    ("text", "control"),
    [
        ("", "postern.sock"),
        ("[listen]\n", "postern.sock"),
        ('[listen]\ncontrol = "run/x.sock"', "run/x.sock"),
        ('[listen]\ncontrol = "/run/x.sock"', "/run/x.sock"),
    ],
)
def test_control_path_is_the_daemons(here: Path, text: str, control: str) -> None:
    file = here / "postern.toml"
    file.write_text(text)
    assert control_path(Path("postern.toml")) == here / control == load(file).listen.control


def test_no_secret_is_needed_to_find_the_socket(here: Path) -> None:
    (here / "postern.toml").write_text('[store]\nurl = { env = "NOT_SET" }\n')
    assert control_path(Path("postern.toml")) == here / DEFAULT_CONTROL


def test_control_that_is_switched_off(here: Path) -> None:
    (here / "postern.toml").write_text('[listen]\ncontrol = ""')
    with pytest.raises(DaemonAbsentError, match="takes no commands"):
        control_path(Path("postern.toml"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[listen", "is not valid TOML"),
        (b"\xff", "is not valid TOML"),
        (b"listen = 1", "must be a path"),
        (b"[listen]\ncontrol = 1", "must be a path"),
    ],
)
def test_files_that_are_no_use(here: Path, text: bytes, reason: str) -> None:
    (here / "postern.toml").write_bytes(text)
    with pytest.raises(CommandError, match=rf"postern\.toml: .*{reason}"):
        control_path(Path("postern.toml"))


def test_file_that_is_not_there() -> None:
    with pytest.raises(CommandError, match=r"no\.toml: cannot be read: No such file"):
        control_path(Path("no.toml"))

import argparse
import json

import pytest

from benchmarks.process import BenchmarkError
from benchmarks.soak import command
from benchmarks.soak.run import Outcome, Soak
from tests.support.soak_figures import ENDING, sample


def parse(*argv):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(argv)


@pytest.fixture
def ran(monkeypatch):
    """Runs that give this outcome, or raise it; holds where they ran."""
    found = {
        "outcome": Outcome(
            samples=[sample(1.0)], ending=ENDING, faults={}, refusals={}, restart_s=[],
            drained_in_s=1.0, ledger_words="", rate_per_s=1.0,
        ),
        "directories": [],
    }  # fmt: skip

    async def run(self):
        found["directories"].append(self._directory)
        if isinstance(found["outcome"], Exception):
            raise found["outcome"]
        return found["outcome"]

    monkeypatch.setattr(Soak, "run", run)
    return found


def test_a_good_run_prints_its_verdict_and_leaves_nothing(ran, tmp_path, capsys):
    assert command.run(parse("--minutes", "0.25", "--dir", str(tmp_path))) == 0
    assert "verdict: good" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_everything_goes_to_a_file_and_may_be_kept(ran, tmp_path, capsys):
    file = tmp_path / "soak.json"
    words = ("--minutes", "0.25", "--dir", str(tmp_path), "--json", str(file), "--keep")
    assert command.run(parse(*words)) == 0
    assert json.loads(file.read_text())["ending"]["explained"] == 0
    [directory] = ran["directories"]
    assert directory.is_dir()
    assert str(directory) in capsys.readouterr().err


def test_a_process_that_failed_is_told_and_nothing_is_left(ran, tmp_path, capsys):
    ran["outcome"] = BenchmarkError("gateway (pid 7) ended by itself")
    assert command.run(parse("--minutes", "0.25", "--dir", str(tmp_path))) == 1
    assert "postern soak: gateway (pid 7) ended by itself" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_postgresql_without_a_server_is_refused(ran, monkeypatch, capsys):
    monkeypatch.setattr(command, "is_server_installed", lambda: False)
    assert command.run(parse("--store", "postgresql")) == 2
    assert "--postgres URL" in capsys.readouterr().err
    assert ran["directories"] == []


@pytest.mark.parametrize("words", [("--rate", "9"), ("--rate", "100000", "--minutes", "1440")])
def test_a_rate_out_of_bounds_is_refused(ran, words, capsys):
    assert command.run(parse(*words)) == 2
    assert "--rate must be 10 to" in capsys.readouterr().err


@pytest.mark.parametrize("minutes", ["0", "0.1", "1441", "long"])
def test_minutes_out_of_bounds_are_refused(minutes):
    with pytest.raises(SystemExit):
        parse("--minutes", minutes)

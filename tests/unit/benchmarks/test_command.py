import argparse
import json

import pytest

from benchmarks import command, fairness, overflow
from benchmarks.process import BenchmarkError
from benchmarks.report import Row
from benchmarks.run import Bench
from benchmarks.shapes import Subject
from tests.support.figures import figures


def parse(*argv):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(argv)


@pytest.fixture
def measured(monkeypatch):
    """Rows without a measurement; holds the cases that were asked for."""
    asked = []

    async def rows(self, cases):
        asked.extend(cases)
        return [Row(case=case, figures=figures(lost=len(asked) // 4)) for case in cases]

    monkeypatch.setattr(Bench, "rows", rows)
    return asked


def test_a_wrong_shape_is_told_and_nothing_runs(measured, capsys):
    assert command.run(parse("--only", "2x2")) == 2
    assert "no shape 2x2" in capsys.readouterr().err
    assert measured == []


def test_json_goes_to_stdout(measured, capsys):
    assert command.run(parse("--only", "1x1", "--store", "sqlite", "--json")) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 3


def test_a_loss_is_the_exit_code(measured, capsys):
    assert command.run(parse("--only", "1x1", "--only", "1x10", "--store", "sqlite")) == 1
    assert "LOST 1" in capsys.readouterr().out


def test_without_a_server_postgresql_is_skipped_with_the_reason(measured, monkeypatch, capsys):
    monkeypatch.setattr(command, "is_server_installed", lambda: False)
    command.run(parse("--only", "4x100"))
    assert "PostgreSQL is skipped" in capsys.readouterr().err
    assert Subject.POSTGRESQL not in {case.subject for case in measured}


def test_a_server_of_the_users_is_used(measured):
    command.run(parse("--only", "4x100", "--postgres", "postgresql://host/db"))
    assert Subject.POSTGRESQL in {case.subject for case in measured}


def test_save_writes_a_dated_file(measured, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results")
    command.run(parse("--only", "1x1", "--store", "sqlite", "--save"))
    [file] = (tmp_path / "results").iterdir()
    result = json.loads(file.read_text())
    assert file.name == result["measured_at"][:16].replace(":", "") + ".json"


@pytest.mark.parametrize("count", ["0", "-1", "10000001", "many"])
def test_a_count_out_of_bounds_is_refused(count):
    with pytest.raises(SystemExit):
        parse("--count", count)


@pytest.fixture
def scenarios(monkeypatch):
    """Scenarios that fail at once; holds the messages each was asked for."""
    asked = {}

    def failing(name):
        async def measure(directory, count):
            asked[name] = count
            raise BenchmarkError(f"no {name} here")

        return measure

    monkeypatch.setattr(fairness, "measure", failing("fair"))
    monkeypatch.setattr(overflow, "measure", failing("backlog"))
    return asked


@pytest.mark.parametrize(
    ("words", "asked", "rows"),
    [
        (["--shape", "fair"], {"fair": fairness.COUNT}, 0),
        (["--shape", "backlog", "--quick"], {"backlog": overflow.COUNT // 10}, 0),
        (["--shape", "backlog", "--count", "500"], {"backlog": 500}, 0),
        (["--only", "1x1", "--only", "fair", "--store", "sqlite"], {"fair": fairness.COUNT}, 3),
        (["--only", "1x1", "--store", "sqlite"], {}, 3),
    ],
)
def test_scenarios_run_when_they_are_named(measured, scenarios, words, asked, rows):
    assert command.run(parse(*words)) == (1 if asked else 0)
    assert scenarios == asked
    assert len(measured) == rows


def test_a_full_run_has_fairness_and_no_backlog(measured, scenarios):
    command.run(parse("--store", "sqlite"))
    assert list(scenarios) == ["fair"]
    assert measured


def test_a_scenario_that_failed_is_told(measured, scenarios, capsys):
    assert command.run(parse("--shape", "fair")) == 1
    assert "fair: no fair here" in capsys.readouterr().out

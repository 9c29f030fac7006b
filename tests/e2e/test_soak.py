"""A soak of seconds: every process of it starts, is killed, recovers, and the books are clean."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LIMIT_S = 240.0


def test_a_short_soak_ends_with_clean_books(tmp_path: Path) -> None:
    file = tmp_path / "soak.json"
    run = subprocess.run(
        [
            sys.executable, "-m", "postern", "soak", "--minutes", "0.25", "--rate", "120",
            "--seed", "5", "--dir", tmp_path, "--json", file,
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.rstrip().endswith("verdict: good (-: not judged)")
    result = json.loads(file.read_text(encoding="utf-8"))
    assert result["faults"]["gateway killed"] == 2
    assert len(result["faults"]) > 2
    assert result["ending"]["findings"]["accepted"] > 1000
    assert result["ending"]["findings"]["fates"]["DELIVRD"] > 0
    assert result["ending"]["findings"]["fates"]["delivered"] > 0
    assert list(tmp_path.iterdir()) == [file]

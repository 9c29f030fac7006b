"""What the image promises, read from the Dockerfile: building one needs a container engine."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments) in order, continued lines joined, comments gone."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    joined = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(None, 1)[1]) for line in joined if line.strip()]


@pytest.fixture(scope="module")
def final_stage(instructions: list[tuple[str, str]]) -> list[tuple[str, str]]:
    last = max(index for index, (name, _) in enumerate(instructions) if name == "FROM")
    return instructions[last:]


def arguments(stage: list[tuple[str, str]], instruction: str) -> list[str]:
    return [value for name, value in stage if name == instruction]


def test_it_has_two_stages_of_the_lowest_supported_python(
    instructions: list[tuple[str, str]],
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = project["requires-python"].removeprefix(">=")
    image = f"python:{version}-slim"
    assert arguments(instructions, "FROM") == [f"{image} AS build", image]


def test_the_final_stage_has_nothing_to_build_with(final_stage: list[tuple[str, str]]) -> None:
    assert arguments(final_stage, "COPY") == ["--from=build /opt/postern /opt/postern"]
    assert not any("pip" in command for command in arguments(final_stage, "RUN"))


def test_it_runs_without_privileges(final_stage: list[tuple[str, str]]) -> None:
    assert arguments(final_stage, "USER") == ["postern"]
    [command] = arguments(final_stage, "RUN")
    assert re.search(r"useradd .*--uid [1-9]\d+ .*postern", command)
    # Made as root: everything after the switch must work without.
    names = [name for name, _ in final_stage]
    assert names.index("RUN") < names.index("USER") < names.index("ENTRYPOINT")


def test_its_health_check_asks_the_admin_listener(final_stage: list[tuple[str, str]]) -> None:
    [check] = arguments(final_stage, "HEALTHCHECK")
    options, _, command = check.partition("CMD ")
    program, _, script = json.loads(command)
    assert program == "python"
    compile(script, "HEALTHCHECK", "exec")
    assert "POSTERN_HEALTH_URL" in script
    assert "--timeout=" in options
    assert any(
        "POSTERN_HEALTH_URL=http://127.0.0.1:9090/healthz" in value
        for value in arguments(final_stage, "ENV")
    )


def test_its_data_is_a_volume_that_its_user_owns(final_stage: list[tuple[str, str]]) -> None:
    assert arguments(final_stage, "VOLUME") == ["/var/lib/postern"]
    [command] = arguments(final_stage, "RUN")
    assert "--home-dir /var/lib/postern --create-home" in command


def test_it_is_the_postern_command(final_stage: list[tuple[str, str]]) -> None:
    assert [json.loads(value) for value in arguments(final_stage, "ENTRYPOINT")] == [["postern"]]
    assert json.loads(arguments(final_stage, "CMD")[-1])[0] == "serve"


def test_every_file_it_copies_is_sent_to_the_engine(instructions: list[tuple[str, str]]) -> None:
    sent = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for value in arguments(instructions, "COPY")
        if not value.startswith("--from=")
        for source in value.split()[:-1]
    }
    assert copied == sent
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= sent

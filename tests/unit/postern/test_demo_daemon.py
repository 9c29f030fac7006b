"""What can go wrong around the daemon; that all goes right is shown in tests/e2e/test_demo.py."""

from pathlib import Path

import pytest

from gateway.domain.errors import StoreUnavailable
from postern import demo_daemon
from postern.demo_config import FREE_PORTS, SOCKET
from postern.demo_daemon import Demo
from postern.simulator.process import SimulatorError
from postern.simulator.settings import SimulatorPorts, SimulatorSettings


class FakeSimulator:
    """In place of `SimulatorProcess`."""

    made: list["FakeSimulator"]
    start_error: SimulatorError | None = None

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.stopped = 0
        self.made.append(self)

    async def start(self) -> SimulatorPorts:
        if self.start_error is not None:
            raise self.start_error
        return SimulatorPorts(smpp=1001, http=1002, inbox=1003)

    async def stop(self) -> None:
        self.stopped += 1


@pytest.fixture
def simulators(monkeypatch: pytest.MonkeyPatch) -> list[FakeSimulator]:
    monkeypatch.setattr(FakeSimulator, "made", [], raising=False)
    monkeypatch.setattr(demo_daemon, "SimulatorProcess", FakeSimulator)
    return FakeSimulator.made


async def test_carriers_that_cannot_start_end_it_before_the_gateway(
    tmp_path: Path, simulators: list[FakeSimulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeSimulator, "start_error", SimulatorError("no carriers"))
    with pytest.raises(SimulatorError, match="no carriers"):
        await Demo(tmp_path, None, FREE_PORTS, SOCKET).run()
    assert not (tmp_path / "postern.toml").exists()


async def test_a_gateway_that_cannot_start_takes_the_carriers_along(
    tmp_path: Path, simulators: list[FakeSimulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run_daemon(*_: object) -> None:
        raise StoreUnavailable("no store")

    monkeypatch.setattr(demo_daemon, "run_daemon", run_daemon)
    facts = tmp_path / "facts.json"
    with pytest.raises(StoreUnavailable, match="no store"):
        await Demo(tmp_path, facts, FREE_PORTS, SOCKET).run()
    [simulator] = simulators
    assert simulator.stopped == 1
    assert not facts.exists()


async def test_the_carriers_are_told_the_keys_of_the_configuration(
    tmp_path: Path, simulators: list[FakeSimulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run_daemon(*_: object) -> None:
        pass

    monkeypatch.setattr(demo_daemon, "run_daemon", run_daemon)
    await Demo(tmp_path, None, FREE_PORTS, SOCKET).run()
    [simulator] = simulators
    told = simulator.settings
    configuration = (tmp_path / "postern.toml").read_text()
    assert f'system_id = "{told.system_id}"' in configuration
    assert f'password = "{told.password}"' in configuration
    assert f'KEY = "{told.secret}"' in configuration
    assert (told.smpp_name, told.http_name) == ("carrier-smpp", "carrier-http")
    # Receipts come within a second.
    assert told.longest_receipt_delay_s < 1

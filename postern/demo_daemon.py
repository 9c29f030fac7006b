"""One run of the demo: the carriers' process, the gateway, the facts about both."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import uvloop

from gateway.runtime import log
from postern import demo_config
from postern.daemon import SWITCH_INTERVAL_S, Daemon, run_daemon, settings_of
from postern.demo_config import HOST, DemoPorts
from postern.demo_guide import called_as, guide
from postern.demo_secrets import DemoSecrets, load_or_make
from postern.private_file import write_private
from postern.simulator.process import SimulatorError, SimulatorProcess
from postern.simulator.settings import SimulatorPorts, SimulatorSettings

LOG_FILE = "postern.log"


def run_demo(directory: Path, facts_file: Path | None, ports: DemoPorts, control: str) -> None:
    """Runs until SIGINT or SIGTERM; `control` is the path of the command line's socket.

    Raises:
        SimulatorError: the carriers did not start, or died.
        GatewayError, SettingsError, OSError: what is wrong and where.
        RuntimeError: a service of the gateway died.
    """
    _log_to(directory / LOG_FILE)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    uvloop.run(Demo(directory, facts_file, ports, control).run())


class Demo:
    """One run: carriers, then the gateway, then the facts."""

    def __init__(
        self, directory: Path, facts_file: Path | None, ports: DemoPorts, control: str
    ) -> None:
        self._directory = directory
        self._config = directory / demo_config.FILE
        self._facts_file = facts_file
        self._ports = ports
        self._control = control
        self._secrets = load_or_make(directory)
        self._simulator = SimulatorProcess(_simulator_settings(self._secrets))
        self._carriers = SimulatorPorts(smpp=0, http=0, inbox=0)
        self._carriers_died = False

    async def run(self) -> None:
        """Until SIGINT, SIGTERM or the end of the carriers; raises what `run_demo` does."""
        self._carriers = await self._simulator.start()
        try:
            self._write_config(self._ports)
            await run_daemon(settings_of(self._config), self._ready)
        finally:
            await self._simulator.stop()
        if self._carriers_died:
            raise SimulatorError("the simulated carriers died, so the demo stopped; start it again")

    async def _ready(self, daemon: Daemon) -> None:
        daemon.heart.supervisor.spawn(self._watch_carriers(daemon), name="carriers")
        ports = _bound_ports(daemon)
        self._write_config(ports)  # with the real ports, for the commands that read it
        facts = self._facts(ports)
        if self._facts_file is not None:
            write_private(self._facts_file, json.dumps(facts, indent=2) + "\n")
        print(guide(facts, called_as(sys.argv[0])), flush=True)

    async def _watch_carriers(self, daemon: Daemon) -> None:
        await self._simulator.wait()
        self._carriers_died = True
        daemon.ask_to_stop()

    def _write_config(self, ports: DemoPorts) -> None:
        text = demo_config.render(ports, self._carriers, self._secrets, self._control)
        write_private(self._config, text)

    def _facts(self, ports: DemoPorts) -> dict[str, Any]:
        base_url = f"http://{HOST}:{ports.http}"
        return {
            "pid": os.getpid(),
            "simulator_pid": self._simulator.pid,
            "data_dir": str(self._directory),
            "sender_id": demo_config.SENDER,
            "http": {"base_url": base_url},
            "metrics": {"url": f"http://{HOST}:{ports.admin}/metrics"},
            "smpp": {
                "host": HOST,
                "port": ports.smpp,
                "system_id": demo_config.SYSTEM_ID,
                "password": self._secrets.smpp_password,
            },
            "exosend": {"base_url": f"{base_url}/api/v1", "token": self._secrets.token},
            "mesms": {"base_url": f"{base_url}/api/v2", "api_key": self._secrets.mesms_key},
            "exotel": {
                "base_url": f"{base_url}/v1/Accounts/{demo_config.ACCOUNT_SID}",
                "account_sid": demo_config.ACCOUNT_SID,
                "api_key": self._secrets.exotel_key,
                "api_token": self._secrets.exotel_token,
            },
            "easysendsms": {
                "base_url": f"{base_url}/v1/rest",
                "api_key": self._secrets.easysendsms_key,
            },
            "carrier": {"inbox_url": f"http://{HOST}:{self._carriers.inbox}/inbox"},
        }


def _simulator_settings(secrets: DemoSecrets) -> SimulatorSettings:
    return SimulatorSettings(
        host=HOST,
        smpp_name=demo_config.SMPP_CARRIER,
        http_name=demo_config.HTTP_CARRIER,
        system_id=demo_config.SMSC_SYSTEM_ID,
        password=secrets.smsc_password,
        secret=secrets.carrier_key,
    )


def _bound_ports(daemon: Daemon) -> DemoPorts:
    listeners = daemon.listeners
    if listeners.http is None or listeners.smpp is None or listeners.admin is None:
        raise RuntimeError("the demo's configuration has every listener")
    return DemoPorts(listeners.http.port, listeners.smpp.port, listeners.admin.port)


def _log_to(path: Path) -> None:
    """The log goes into a file: the terminal is for the commands to copy."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    log.configure("INFO", os.fdopen(descriptor, "a", encoding="utf-8"))

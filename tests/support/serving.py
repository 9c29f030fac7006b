"""`postern serve` in a directory of its own, with the configuration a test writes."""

import signal
from pathlib import Path
from typing import Any

from protocols.smpp.constants import CommandId
from tests.support.processes import PosternProcess, accepts, free_port, inbox, message_log, until
from tests.support.rest_client import RestClient
from tests.support.smpp_customer import SmppCustomer

LISTEN = """
[listen]
http = "127.0.0.1:{http}"
smpp = "127.0.0.1:{smpp}"
admin = "127.0.0.1:{admin}"
[log]
message_log = "messages.log"
[drain]
deadline_s = 2
"""
CARRIER = """
[[provider]]
name = "carrier"
wire = "smpp"
host = "127.0.0.1"
port = {carrier}
system_id = "gw"
password = "secret"
[[route]]
providers = ["carrier"]
[[rate]]
price = "0.035"
"""


class Serving:
    """A directory, free ports for what its configuration names in braces, and ways to reach it."""

    def __init__(self, directory: Path, configuration: str) -> None:
        self.directory = directory
        names = ("http", "smpp", "admin", "carrier", "inbox")
        self.ports = {name: free_port() for name in names}
        self.file = directory / "postern.toml"
        self.write(configuration)

    def write(self, configuration: str) -> None:
        """Replaces the file in one step; names of ports in braces become their numbers."""
        for name, port in self.ports.items():
            configuration = configuration.replace("{%s}" % name, str(port))
        fresh = self.file.with_suffix(".new")
        fresh.write_text(configuration, encoding="utf-8")
        fresh.replace(self.file)

    def serve(self) -> PosternProcess:
        """The daemon, ready."""
        process = PosternProcess(self.directory, "serve", "-c", self.file)
        process.until("readiness", self.is_ready)
        return process

    def is_ready(self) -> bool:
        return accepts(self.ports["admin"]) and self.admin().get("/readyz").status == 200

    def reload(self, daemon: PosternProcess, configuration: str) -> list[str]:
        """SIGHUP with another file; what the daemon logged until it was done."""
        before = len(daemon.errors.splitlines())
        self.write(configuration)
        daemon.send_signal(signal.SIGHUP)

        def logged() -> list[str]:
            lines = daemon.errors.splitlines()[before:]
            return lines if any('"reload.' in line for line in lines) else []

        return daemon.until("the reload", logged)

    def simulate(self, *arguments: str) -> PosternProcess:
        """The carrier."""
        return PosternProcess(
            self.directory, "simulate", "smsc", "--port", str(self.ports["carrier"]),
            "--inbox-port", str(self.ports["inbox"]), "--receipt-delay", "0", *arguments,
        )  # fmt: skip

    def command(self, *arguments: str) -> str:
        """Standard output of an operator's command that works."""
        with PosternProcess(self.directory, *arguments, "-c", self.file) as command:
            assert command.wait(30) == 0, command.errors
            return command.output

    def admin(self) -> RestClient:
        return RestClient(f"http://127.0.0.1:{self.ports['admin']}")

    def rest(self, token: str) -> RestClient:
        return RestClient(f"http://127.0.0.1:{self.ports['http']}/api/v1", token)

    def balance(self, token: str) -> float:
        value: float = self.rest(token).get("/balance").json["data"]["balance"]
        return value

    def esme(self, system_id: str, kind: CommandId = CommandId.BIND_TRANSCEIVER) -> SmppCustomer:
        customer = SmppCustomer("127.0.0.1", self.ports["smpp"])
        assert customer.bind(system_id, "secret", kind) == 0
        return customer

    def received(self, recipient: str, count: int = 1) -> list[dict[str, Any]]:
        """Waits for `count` messages at the carrier for `recipient`; "" is everybody."""

        def entries() -> list[dict[str, Any]]:
            if not accepts(self.ports["inbox"]):
                return []
            found = inbox(f"http://127.0.0.1:{self.ports['inbox']}/inbox", recipient)
            return found if len(found) >= count else []

        return until(f"{count} messages at {recipient or 'the carrier'}", entries, timeout_s=20.0)

    def fate(self, message_id: str) -> dict[str, Any]:
        """Waits for the message's line in the message log."""
        log = self.directory / "messages.log"
        return until(f"the end of {message_id}", lambda: message_log(log).get(message_id, {}))

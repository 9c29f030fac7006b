"""What the child process with the simulated carriers is told, and the ports that it tells back."""

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """One SMSC, one HTTP carrier and their inbox; a port of 0 takes a free one.

    The names are those that the inbox shows.  An empty system_id, password or secret lets everybody
    in.  `callback_url` gets the HTTP carrier's receipts when a request names no URL.
    """

    host: str = "127.0.0.1"
    smpp_port: int = 0
    http_port: int = 0
    inbox_port: int = 0
    smpp_name: str = "smsc"
    http_name: str = "http"
    system_id: str = ""
    password: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    callback_url: str = field(default="", repr=False)
    shortest_receipt_delay_s: float = 0.2
    longest_receipt_delay_s: float = 0.5
    late_by_s: float = 10.0

    def to_json(self) -> bytes:
        """One line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> "SimulatorSettings":
        """Reads what `to_json` wrote."""
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorPorts:
    """Where the carriers listen."""

    smpp: int
    http: int
    inbox: int

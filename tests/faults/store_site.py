"""A gateway under load whose store is about to misbehave, and what must be true afterwards."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.store_traffic import Traffic, running
from tests.support.processes import PosternProcess, until
from tests.support.serving import CARRIER, LISTEN, Serving

SMPP_WINDOW = 100  # that the account may have unanswered
ACCOUNT = """
[[account]]
name = "acme"
credit = "1000"
requests_per_min = 0
senders = ["ACME"]
  [[account.token]]
  secret = "token-acme"
  [[account.smpp]]
  system_id = "acme"
  password = "secret"
  window = {window}
"""
PRICE = 0.035
CREDIT = 1000.0
MOST_ENQUIRY_S = 1.0  # whatever the store does


class StoreSite(Serving):
    """Daemon, carrier and customers around one store."""

    def __init__(
        self, directory: Path, store: str, more: str = "", *, smpp_window: int = SMPP_WINDOW
    ) -> None:
        account = ACCOUNT.replace("{window}", str(smpp_window))
        super().__init__(directory, LISTEN + store + account + CARRIER + more)
        self.daemon: PosternProcess

    @contextmanager
    def serving(
        self, environment: Mapping[str, str] | None = None, *, window: int = 40
    ) -> Iterator[Traffic]:
        """Everything runs and the first messages have been accepted on both wires."""
        with (
            PosternProcess(
                self.directory, "simulate", "smsc", "--port", str(self.ports["carrier"]),
                "--inbox-port", str(self.ports["inbox"]), "--answer-delay", "0.05",
                "--receipt-delay", "0.1-0.6",
            ),
            PosternProcess(
                self.directory, "serve", "-c", self.file, environment=environment
            ) as self.daemon,
        ):  # fmt: skip
            self.daemon.until("readiness", self.is_ready)
            with running(self.ports["smpp"], self.ports["http"], window) as traffic:
                self.until_accepting(traffic)
                yield traffic

    # -- what the operator sees ------------------------------------------------------------------

    def readiness(self) -> tuple[int, str]:
        """Status of /readyz and what it says of the store."""
        reply = self.admin().get("/readyz")
        return reply.status, reply.json["checks"]["store"]

    def metric(self, name: str) -> float:
        """The sum over all labels."""
        lines = self.admin().get("/metrics").octets.decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((f"{name} ", f"{name}{{"))
        )

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log's records of one event."""
        lines = [line for line in self.daemon.errors.splitlines() if line.startswith("{")]
        return [record for record in map(json.loads, lines) if record["event"] == event]

    # -- waiting ---------------------------------------------------------------------------------

    def until_accepting(self, traffic: Traffic, count: int = 50) -> float:
        """Until both customers had new messages accepted; when the first was sent."""
        return self._until(traffic, is_accepted=True, smpp=count, rest=count // 5)

    def until_refusing(self, traffic: Traffic, count: int = 50, *, both: bool = True) -> float:
        """Until the SMPP customer, or both, were refused; when the first of it was sent."""
        return self._until(traffic, is_accepted=False, smpp=count, rest=both * count // 5)

    def _until(self, traffic: Traffic, *, is_accepted: bool, smpp: int, rest: int) -> float:
        since = time.monotonic()

        def found() -> list[float]:
            new = [one for one in traffic.since(since) if one.is_accepted == is_accepted]
            wires = Counter(one.text[:4] for one in new)
            is_enough = wires["smpp"] >= smpp and wires["rest"] >= rest
            return [min(one.sent_at for one in new)] if is_enough else []

        what = "accepted" if is_accepted else "refused"
        return until(f"{smpp} more {what}", found, timeout_s=60.0)[0]

    def until_ready(self) -> None:
        until("readiness", self.is_ready, timeout_s=30.0)

    # -- what must be true -----------------------------------------------------------------------

    def finish(self, traffic: Traffic) -> None:
        """Lets everything come home and proves that nothing was lost, doubled or charged wrongly."""
        traffic.stop_submitting()
        until("every answer", lambda: not traffic.unanswered(), timeout_s=30.0)
        accepted = traffic.accepted()
        assert traffic.errors == []
        arrived = Counter(entry["text"] for entry in self.received("", len(accepted)))
        promised = Counter(one.text for one in accepted)
        assert (promised - arrived, arrived - promised) == (Counter(), Counter()), "lost, not ours"
        smpp_ids = {one.message_id for one in traffic.smpp if one.is_accepted}
        until("every receipt", lambda: traffic.receipts.keys() >= smpp_ids, timeout_s=30.0)
        assert traffic.receipts == Counter(smpp_ids)
        until("every message in its final state", lambda: self.delivered() == len(accepted), 30.0)
        spent = round(len(accepted) * PRICE, 6)
        assert round(CREDIT - self.balance("token-acme"), 6) == spent
        lines = json.loads(
            self.command("account", "statement", "acme", "--limit", "10000", "--json")
        )["lines"]
        assert round(sum(float(line["amount"]) for line in lines), 6) == round(CREDIT - spent, 6)

    def delivered(self) -> float:
        return self.metric('postern_messages_final_total{provider="carrier",state="delivered"}')

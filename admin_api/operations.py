"""What the operator's room asks of the running daemon; the composition root provides it.

Facts are JSON-ready mappings, so that the control socket and later the admin API show the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Facts = Mapping[str, object]


class OperationRefusedError(Exception):
    """The operation cannot be done; the text says what, where and what to do.  Nothing changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderGauges:
    """One provider now.  `links_up` counts binds, or 1 for an HTTP provider that answers.

    `rate_limit` is parts per second and `window_limit` parts outstanding, 0 = no limit of ours.
    `balance` is what a prepaid provider says is left, in its own units; None when it says nothing.
    """

    name: str
    queued: int
    outstanding: int
    awaiting_receipts: int
    links_up: int
    is_up: bool
    is_paused: bool
    is_circuit_open: bool
    rate_limit: float
    window_limit: float
    balance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """What is true at this moment, read at a scrape.

    `waiting` counts messages that no provider of their route can take.  `binds` counts links by
    system_id, `available_micros` sums the accounts' available amounts by currency.  `store_trouble`
    says why the store takes no writes; it is empty while it does.
    """

    providers: tuple[ProviderGauges, ...]
    waiting: int
    in_memory: int
    binds: Mapping[str, int]
    available_micros: Mapping[str, int]
    journal_pending: int
    store_available: bool
    store_trouble: str
    message_log_lost: int
    uptime_s: float


class Operations(Protocol):
    """Reading and steering a live daemon.

    Every change is stored first and then visible at once.  All of them raise
    `OperationRefusedError`; a name that is unknown is answered with those that exist.
    """

    def gauges(self) -> Gauges:
        """For /metrics; returns at once."""

    async def store_writable(self) -> bool:
        """Whether a write reaches the disk; probed at most once a second."""

    def status(self) -> Facts:
        """The daemon itself: process, store, queues, customers' links."""

    def accounts(self) -> Facts:
        """All accounts with their money."""

    async def top_up(self, account: str, amount: str, note: str) -> Facts:
        """Moves the balance by a decimal amount; a negative one takes away."""

    async def statement(self, account: str, limit: int, before: int | None) -> Facts:
        """Ledger lines, newest first; `before` is the id of a line."""

    async def tokens(self, account: str) -> Facts:
        """The account's API tokens, revoked ones included; never their secrets."""

    async def create_token(self, account: str, name: str) -> Facts:
        """Makes an API token; its secret is in the answer and nowhere else."""

    async def revoke_token(self, account: str, token: str) -> Facts:
        """Disables a token, given its name or id, at once and for ever."""

    async def senders(self, account: str | None) -> Facts:
        """Sender ids of one account or of all."""

    async def set_sender(self, account: str, name: str, state: str, reason: str) -> Facts:
        """`approved` or `rejected` by us, `verified` or `refused` by the provider."""

    async def block(self, account: str | None, numbers: Sequence[str], region: str) -> Facts:
        """Blocks recipients for one account or for all."""

    async def unblock(self, account: str | None, numbers: Sequence[str], region: str) -> Facts:
        """Takes recipients out of the list of one account, or of the one for all."""

    async def blocked(self, account: str | None, after: str, limit: int) -> Facts:
        """Entries of one account, or every entry; `after` is the `next_after` of a page."""

    async def webhooks(self, account: str | None, state: str, limit: int) -> Facts:
        """Deliveries that are `owed` or were `abandoned`, with what went wrong."""

    async def replay(
        self, account: str | None, since: str, delivery: int | None, states: str
    ) -> Facts:
        """Makes `abandoned` deliveries, or `all` that ended, or one, due again."""

    async def message(self, message_id: str) -> Facts:
        """One message and its timeline; the id as hex, decimal or UUID."""

    async def cancel(self, message_id: str) -> Facts:
        """Ends a message that still waits as `cancelled`; refused when it is sent or has ended."""

    async def providers(self) -> Facts:
        """Every provider with its links and queues."""

    async def pause(self, provider: str) -> Facts:
        """Sends nothing more to a provider until `resume`, over restarts too."""

    async def resume(self, provider: str) -> Facts:
        """Lets a provider send again."""

    def explain(self, account: str, sender: str, to: str, text: str) -> Facts:
        """What would become of a message; nothing is stored or charged."""

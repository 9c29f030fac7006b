"""A daemon without a heart, for the tests of the operator's room."""

from collections.abc import Sequence

from admin_api.operations import Facts, Gauges, OperationRefusedError, ProviderGauges


def provider_gauges(name: str = "carrier", **changes: object) -> ProviderGauges:
    values: dict[str, object] = {
        "name": name, "queued": 3, "outstanding": 2, "awaiting_receipts": 7, "links_up": 1,
        "is_up": True, "is_paused": False,
        "is_circuit_open": False, "rate_limit": 0.0, "window_limit": 0.0,
    } | changes  # fmt: skip
    return ProviderGauges(**values)  # type: ignore[arg-type]  # a test changes what it names


def gauges(**changes: object) -> Gauges:
    values: dict[str, object] = {
        "providers": (provider_gauges(),), "waiting": 4, "in_memory": 9, "binds": {"acme": 2},
        "available_micros": {"EUR": 99_965_000}, "journal_pending": 1, "store_available": True,
        "store_trouble": "",
        "message_log_lost": 5, "uptime_s": 12.5,
    } | changes  # fmt: skip
    return Gauges(**values)  # type: ignore[arg-type]


class FakeOperations:
    """`admin_api.operations.Operations`: records each call and answers with its arguments.

    `refusal` makes every change fail with that error.
    """

    def __init__(self) -> None:
        self.now = gauges()
        self.is_writable = True
        self.probes = 0
        self.refusal: Exception | None = None
        self.calls: list[tuple[object, ...]] = []

    def _answer(self, *call: object) -> Facts:
        self.calls.append(call)
        if self.refusal is not None:
            raise self.refusal
        return {"did": list(call)}

    def gauges(self) -> Gauges:
        return self.now

    async def store_writable(self) -> bool:
        self.probes += 1
        return self.is_writable

    def status(self) -> Facts:
        return self._answer("status")

    def accounts(self) -> Facts:
        return self._answer("accounts")

    async def top_up(self, account: str, amount: str, note: str) -> Facts:
        return self._answer("top_up", account, amount, note)

    async def statement(self, account: str, limit: int, before: int | None) -> Facts:
        return self._answer("statement", account, limit, before)

    async def tokens(self, account: str) -> Facts:
        return self._answer("tokens", account)

    async def create_token(self, account: str, name: str) -> Facts:
        return self._answer("create_token", account, name)

    async def revoke_token(self, account: str, token: str) -> Facts:
        return self._answer("revoke_token", account, token)

    async def senders(self, account: str | None) -> Facts:
        return self._answer("senders", account)

    async def set_sender(self, account: str, name: str, state: str, reason: str) -> Facts:
        return self._answer("set_sender", account, name, state, reason)

    async def block(self, account: str | None, numbers: Sequence[str], region: str) -> Facts:
        return self._answer("block", account, numbers, region)

    async def unblock(self, account: str | None, numbers: Sequence[str], region: str) -> Facts:
        return self._answer("unblock", account, numbers, region)

    async def blocked(self, account: str | None, after: str, limit: int) -> Facts:
        return self._answer("blocked", account, after, limit)

    async def webhooks(self, account: str | None, state: str, limit: int) -> Facts:
        return self._answer("webhooks", account, state, limit)

    async def replay(
        self, account: str | None, since: str, delivery: int | None, states: str
    ) -> Facts:
        return self._answer("replay", account, since, delivery, states)

    async def message(self, message_id: str) -> Facts:
        return self._answer("message", message_id)

    async def cancel(self, message_id: str) -> Facts:
        return self._answer("cancel", message_id)

    async def providers(self) -> Facts:
        return self._answer("providers")

    async def pause(self, provider: str) -> Facts:
        return self._answer("pause", provider)

    async def resume(self, provider: str) -> Facts:
        return self._answer("resume", provider)

    def explain(self, account: str, sender: str, to: str, text: str) -> Facts:
        return self._answer("explain", account, sender, to, text)


def refusing(text: str) -> FakeOperations:
    operations = FakeOperations()
    operations.refusal = OperationRefusedError(text)
    return operations

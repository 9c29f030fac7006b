"""Liveness and readiness: may the process stay, and may traffic come."""

from dataclasses import dataclass

from admin_api.operations import Operations

OK = "ok"
NO_ANSWER = "a write takes too long"  # as far as the probe waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`store` and `listeners` decide; `providers` is there to be read.

    `store` is "ok" or says why nothing can be written.  A gateway without a provider still accepts
    and keeps messages, so it stays ready.
    """

    store: str
    listeners: bool
    providers: dict[str, str]

    @property
    def is_ready(self) -> bool:
        """Whether customers' traffic may come."""
        return self.store == OK and self.listeners

    def facts(self) -> dict[str, object]:
        """The body of /readyz."""
        return {
            "ready": self.is_ready,
            "checks": {
                "store": self.store,
                "listeners": OK if self.listeners else "not listening",
                "providers": self.providers,
            },
        }


async def readiness(operations: Operations, *, listening: bool) -> Readiness:
    """Asks the store (seldom, see `Operations.store_writable`) and the providers."""
    store = await _store(operations)
    return Readiness(
        store=store,
        listeners=listening,
        providers={
            provider.name: "paused" if provider.is_paused else "up" if provider.is_up else "down"
            for provider in operations.gauges().providers
        },
    )


async def _store(operations: Operations) -> str:
    """What the check says: a failed probe leaves its reason with the gauges."""
    if operations.gauges().store_available and await operations.store_writable():
        return OK
    return f"cannot be written: {operations.gauges().store_trouble or NO_ANSWER}"

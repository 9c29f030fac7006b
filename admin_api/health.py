"""Liveness and readiness: may the process stay, and may traffic come."""

from dataclasses import dataclass

from admin_api.operations import Operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`store` and `listeners` decide; `providers` is there to be read.

    A gateway without a provider still accepts and keeps messages, so it stays ready.
    """

    store: bool
    listeners: bool
    providers: dict[str, str]

    @property
    def is_ready(self) -> bool:
        """Whether customers' traffic may come."""
        return self.store and self.listeners

    def facts(self) -> dict[str, object]:
        """The body of /readyz."""
        return {
            "ready": self.is_ready,
            "checks": {
                "store": "ok" if self.store else "cannot be written",
                "listeners": "ok" if self.listeners else "not listening",
                "providers": self.providers,
            },
        }


async def readiness(operations: Operations, *, listening: bool) -> Readiness:
    """Asks the store (seldom, see `Operations.store_writable`) and the providers."""
    gauges = operations.gauges()
    return Readiness(
        store=gauges.store_available and await operations.store_writable(),
        listeners=listening,
        providers={
            provider.name: "paused" if provider.is_paused else "up" if provider.is_up else "down"
            for provider in gauges.providers
        },
    )

"""Provider rows: the ids that messages name, and what the operator switched."""

from collections.abc import Collection

from gateway.domain.identity import Origin, StoredProvider
from gateway.store.engine import Engine


class Providers:
    """The providers the store knows, past ones included."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def load(self) -> list[StoredProvider]:
        """All rows, by id."""
        rows = await self._engine.fetch(
            "SELECT id, name, origin, enabled, paused FROM provider ORDER BY id"
        )
        return [
            StoredProvider(id, name, Origin(origin), bool(enabled), bool(paused))
            for id, name, origin, enabled, paused in rows
        ]

    async def declare(self, name: str) -> int:
        """Makes or enables the file's provider `name`; returns its id.  Idempotent."""
        async with self._engine.transaction() as transaction:
            rows = await transaction.fetch(
                "INSERT INTO provider (name, origin) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET origin = excluded.origin, enabled = 1"
                " RETURNING id",
                name,
                Origin.FILE.value,
            )
        provider_id: int = rows[0][0]
        return provider_id

    async def disable_undeclared(self, names: Collection[str]) -> list[str]:
        """Disables the file's providers that are not in `names`; returns their names."""
        async with self._engine.transaction() as transaction:
            rows = await transaction.fetch(
                "SELECT id, name FROM provider WHERE origin = ? AND enabled = 1", Origin.FILE.value
            )
            gone = [(id, name) for id, name in rows if name not in names]
            for id, _ in gone:
                await transaction.execute("UPDATE provider SET enabled = 0 WHERE id = ?", id)
        return [name for _, name in gone]

    async def set_paused(self, provider_id: int, paused: bool) -> None:
        """Remembers the operator's `provider pause` and `resume` over a restart."""
        async with self._engine.transaction() as transaction:
            await transaction.execute(
                "UPDATE provider SET paused = ? WHERE id = ?", int(paused), provider_id
            )

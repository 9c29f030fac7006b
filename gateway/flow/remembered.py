"""Ids of what has ended, for a while: two generations, so that forgetting costs nothing per id."""

GENERATION_S = 120.0
MOST_IN_GENERATION = 200_000


class Remembered:
    """Message keys by id, for two to four minutes and at most `2 * MOST_IN_GENERATION` of them."""

    __slots__ = ("_began_at", "_old", "_young")

    def __init__(self) -> None:
        self._young: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._began_at = 0.0  # seconds of a monotonic clock

    def __setitem__(self, id: str, key: int) -> None:
        young = self._young
        young[id] = key
        if len(young) >= MOST_IN_GENERATION:
            self._turn()

    def __getitem__(self, id: str) -> int:
        key = self._young.get(id)
        return self._old[id] if key is None else key

    def __contains__(self, id: object) -> bool:
        return id in self._young or id in self._old

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def age(self, now: float) -> None:
        """Forgets the older generation once the younger has had its time; call it now and then."""
        if now - self._began_at >= GENERATION_S:
            self._began_at = now
            self._turn()

    def _turn(self) -> None:
        self._old, self._young = self._young, {}

"""Longest-prefix look-up: one dict per prefix length, longest first."""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class PrefixTable(Generic[T]):
    """Maps digit prefixes to values.  `""` matches everything."""

    __slots__ = ("_by_length",)

    def __init__(self, entries: dict[str, T]) -> None:
        lengths: dict[int, dict[str, T]] = {}
        for prefix, value in entries.items():
            lengths.setdefault(len(prefix), {})[prefix] = value
        self._by_length = sorted(lengths.items(), reverse=True)

    def longest(self, digits: str) -> T | None:
        """The value of the longest prefix of `digits`, or None."""
        for length, values in self._by_length:
            value = values.get(digits[:length])
            if value is not None:
                return value
        return None

    def matches(self, digits: str) -> Iterator[T]:
        """The values of every prefix of `digits`, longest prefix first."""
        for length, values in self._by_length:
            value = values.get(digits[:length])
            if value is not None:
                yield value

"""Message keys (63-bit integers) and the public ids made from them.

A key is 41 bits of milliseconds since 2024-01-01T00:00:00Z, 8 bits of node and 14 bits of counter;
keys of one maker strictly grow even when the clock goes back or more than 16,384 are asked for in
one millisecond.  A public id is an RFC 9562 version 8 UUID: the key in clear, then 59 bits of a
keyed MAC over the kind of object and the key, so that it is unguessable, needs no index, and an id
of one kind never passes for another's.
"""

from hashlib import blake2b

EPOCH_MS = 1_704_067_200_000  # 2024-01-01T00:00:00Z
_NODE_BITS, _COUNTER_BITS = 8, 14
KEY_SHIFT = _NODE_BITS + _COUNTER_BITS
KEY_LIMIT = 1 << 63


class KeyMaker:
    """Makes growing keys.  Start it with the greatest stored key."""

    __slots__ = ("_counter_limit", "_last", "_node")

    def __init__(self, *, node: int = 0, last_key: int = 0) -> None:
        if not 0 <= node < 1 << _NODE_BITS:
            raise ValueError(f"node must be 0..255, not {node}")
        self._node = node << _COUNTER_BITS
        self._counter_limit = (1 << _COUNTER_BITS) - 1
        self._last = last_key

    def next(self, now_ms: int) -> int:
        """A key greater than every earlier one; its time is `now_ms` unless the clock went back."""
        last = self._last
        key = ((now_ms - EPOCH_MS) << KEY_SHIFT) | self._node
        if key <= last:
            if last & self._counter_limit == self._counter_limit:
                key = (((last >> KEY_SHIFT) + 1) << KEY_SHIFT) | self._node
            else:
                key = last + 1
        self._last = key
        return key


def key_time_ms(key: int) -> int:
    """When the key was made: UTC milliseconds since 1970."""
    return (key >> KEY_SHIFT) + EPOCH_MS


def first_key_at(time_ms: int) -> int:
    """The least key any node could make at `time_ms`."""
    return max(0, time_ms - EPOCH_MS) << KEY_SHIFT


class PublicIds:
    """Turns keys into UUID texts and back.  `secret` is 32 bytes, made once per installation."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("the id secret needs at least 16 bytes")
        self._secret = secret[:64]

    def encode(self, kind: str, key: int) -> str:
        """Lower-case UUID text of `key` as an object of `kind` (at most 8 ASCII letters)."""
        mac = int.from_bytes(
            blake2b(
                key.to_bytes(8, "big") + kind.encode(), digest_size=8, key=self._secret
            ).digest(),
            "big",
        )
        # 48 key bits | version 8 | 12 key bits | variant 10 | 3 key bits + 59 MAC bits
        high = (key >> 15) << 16 | 0x8000 | ((key >> 3) & 0xFFF)
        low = 1 << 63 | (key & 7) << 59 | mac >> 5
        text = f"{high:016x}{low:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def decode(self, kind: str, text: str) -> int | None:
        """The key of a UUID text made by `encode` for the same kind; None for any other text."""
        digits = text.lower().replace("-", "")
        if len(digits) != 32 or len(text) not in (32, 36):
            return None
        try:
            value = int(digits, 16)
        except ValueError:
            return None
        high, low = value >> 64, value & (1 << 64) - 1
        key = (high >> 16) << 15 | (high & 0xFFF) << 3 | (low >> 59) & 7
        if key >= KEY_LIMIT or self.encode(kind, key).replace("-", "") != digits:
            return None
        return key

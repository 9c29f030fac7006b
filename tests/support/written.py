"""A transport that keeps what was written, for protocols that are driven by hand."""


class WrittenTransport:
    """`asyncio.Transport` as far as a benchmark's protocol uses it."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def taken(self) -> bytes:
        """What was written since the last call."""
        octets = b"".join(self.writes)
        self.writes.clear()
        return octets

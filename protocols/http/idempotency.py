"""`Idempotency-Key`: a request repeated with the same key and body gets the same answer.

The scope of a key is account and endpoint.  The answer of an accepted request is stored in the
message's own commit and kept 24 h; a refused request leaves nothing, so that it may be tried again.
Keys whose request has no answer yet are kept in memory: a restart forgets them together with the
submissions they stood for.

A door that reads its body piece by piece claims with a `streamed_key`, whose digest comes later: it
compares a stored answer with the body itself, and seals the key before it submits.
"""

from hashlib import blake2b

from gateway.domain.account import Account
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.message import IdempotencyKey, StoredAnswer
from gateway.ports import MessageReader

HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 255
_DIGEST_OCTETS = 16
_STREAMED = b""  # in place of a body's digest: not known yet


def idempotency_key(endpoint: str, header: str, body: bytes) -> IdempotencyKey:
    """The key of a request: `endpoint` names vendor and path, `body` is as it came.

    Raises:
        ValueError: `header` is not 1-255 printable ASCII characters.
    """
    digest = BodyDigest()
    digest.update(body)
    return digest.seal(streamed_key(endpoint, header))


def streamed_key(endpoint: str, header: str) -> IdempotencyKey:
    """The key of a request whose body is still to come; see `BodyDigest`.

    Raises:
        ValueError: `header` is not 1-255 printable ASCII characters.
    """
    if not 0 < len(header) <= MAX_KEY_LENGTH or not (header.isascii() and header.isprintable()):
        raise ValueError(
            f"The {HEADER} header must be 1 to {MAX_KEY_LENGTH} printable ASCII characters."
        )
    name = blake2b(header.encode("ascii"), digest_size=_DIGEST_OCTETS).digest()
    return IdempotencyKey(endpoint, name, _STREAMED)


class BodyDigest:
    """The digest of a body that comes piece by piece."""

    __slots__ = ("_hash",)

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=_DIGEST_OCTETS)

    def update(self, octets: bytes) -> None:
        """The next octets of the body."""
        self._hash.update(octets)

    def seal(self, key: IdempotencyKey) -> IdempotencyKey:
        """The streamed `key` with the digest of the whole body."""
        return key._replace(body_digest=self._hash.digest())


class IdempotentRequests:
    """The keys being worked on now, in front of the answers that are stored.

    Share one object among the doors.  Every `claim` that returns None needs one `release`, once the
    heart has settled the submission; not earlier, or a repeat could be accepted a second time.
    """

    __slots__ = ("_reader", "_running")

    def __init__(self, reader: MessageReader) -> None:
        self._reader = reader
        self._running: dict[tuple[int, str, bytes], bytes] = {}

    async def claim(self, account: Account, key: IdempotencyKey) -> StoredAnswer | Refusal | None:
        """The answer already given, a Refusal, or None: the caller now owns the key.

        To a streamed key the answer of any body is given.

        Raises:
            StoreUnavailable: whether there is an answer cannot be found out now.
        """
        name = (account.id, key.endpoint, key.key_digest)
        running = self._running.get(name)
        if running is not None:
            if running != key.body_digest and _STREAMED not in (running, key.body_digest):
                return Refusal(RefusalCode.IDEMPOTENCY_MISMATCH)
            return Refusal(RefusalCode.IDEMPOTENCY_RUNNING)
        # Owned before the first await: a repeat that comes meanwhile must find it.
        self._running[name] = key.body_digest
        claimed = False
        try:
            stored = await self._reader.stored_answer(account, key)
            claimed = stored is None
        finally:
            if not claimed:
                del self._running[name]
        if stored is not None and key.body_digest not in (stored.body_digest, _STREAMED):
            return Refusal(RefusalCode.IDEMPOTENCY_MISMATCH)
        return stored

    def release(self, account: Account, key: IdempotencyKey) -> None:
        """The submission is settled: its answer is stored, or it left nothing."""
        del self._running[account.id, key.endpoint, key.key_digest]

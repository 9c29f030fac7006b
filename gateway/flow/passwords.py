"""Secrets of credentials: keyed digests for those of high entropy, argon2 for stored passwords."""

import asyncio
import hmac
from collections.abc import Callable
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.domain.account import Credential

InThread = Callable[..., "asyncio.Future[bool]"]


class Passwords:
    """Verifies; `key` is secret, made once per installation.

    A successful argon2 check (145 ms of CPU) is remembered by keyed digest until the credential
    changes, and one credential is checked by one thread at a time: a storm of reconnects costs one.
    """

    def __init__(self, key: bytes, in_thread: InThread) -> None:
        self._key = key
        self._in_thread = in_thread
        self._hasher = PasswordHasher()
        self._verified: dict[tuple[int, str], bytes] = {}
        self._locks: dict[int, asyncio.Lock] = {}

    def digest(self, secret: str) -> bytes:
        """Keyed SHA-256: for API tokens, and for what the configuration holds in clear."""
        return hmac.digest(self._key, secret.encode("utf-8", "surrogatepass"), sha256)

    async def check(self, credential: Credential, password: str) -> bool:
        """Whether `password` opens `credential`."""
        digest = self.digest(password)
        if credential.digest:
            return hmac.compare_digest(credential.digest, digest)
        if not credential.password_hash:
            return False
        known = (credential.id, credential.password_hash)
        async with self._locks.setdefault(credential.id, asyncio.Lock()):
            verified = self._verified.get(known)
            if verified is not None and hmac.compare_digest(verified, digest):
                return True
            if not await self._in_thread(self._verify, credential.password_hash, password):
                return False
            self._verified[known] = digest
            return True

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

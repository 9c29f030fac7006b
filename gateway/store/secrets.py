"""Secrets made once per installation, kept in the store, sealed when the operator gives a key."""

import secrets
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.domain.errors import ConfigurationError
from gateway.store.engine import Engine

SHORTEST_SEAL = 16  # octets of key material

# First octet of a stored value.
_PLAIN = b"\x00"
_SEALED = b"\x01"  # then 12 octets of nonce, ciphertext and tag; the name is authenticated
_NONCE_OCTETS = 12


class Secrets:
    """Named secrets.  `seal`: the contents of `[secrets] key_file`, at least 16 octets, or None."""

    def __init__(self, engine: Engine, seal: bytes | None = None) -> None:
        if seal is not None and len(seal) < SHORTEST_SEAL:
            raise ConfigurationError(
                f"[secrets] key_file holds {len(seal)} octets; at least {SHORTEST_SEAL} are needed"
            )
        self._engine = engine
        # AES-256 wants exactly 32 octets, a key file may hold any text.
        key = seal and blake2b(seal, digest_size=32, person=b"postern seal").digest()
        self._cipher = AESGCM(key) if key else None

    async def get_or_create(self, name: str, size: int) -> bytes:
        """The secret `name`; when there is none, `size` random octets become it.

        A secret stored in clear is sealed as soon as there is a key.

        Raises:
            ConfigurationError: it is sealed, and the key is missing or another one.
        """
        async with self._engine.transaction() as transaction:
            rows = await transaction.fetch("SELECT value FROM secret WHERE name = ?", name)
            value = bytes(rows[0][0]) if rows else None
            secret = secrets.token_bytes(size) if value is None else self._open(name, value)
            if value is None or (value[:1] == _PLAIN and self._cipher is not None):
                await transaction.execute(
                    "INSERT INTO secret (name, value) VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    name,
                    self._close(name, secret),
                )
        return secret

    def _close(self, name: str, secret: bytes) -> bytes:
        if self._cipher is None:
            return _PLAIN + secret
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        return _SEALED + nonce + self._cipher.encrypt(nonce, secret, name.encode())

    def _open(self, name: str, value: bytes) -> bytes:
        if value[:1] == _PLAIN:
            return value[1:]
        if self._cipher is None:
            raise ConfigurationError(
                f"the secret {name!r} in the store is sealed: set [secrets] key_file to the file "
                "it was sealed with"
            )
        nonce, sealed = value[1 : 1 + _NONCE_OCTETS], value[1 + _NONCE_OCTETS :]
        try:
            return self._cipher.decrypt(nonce, sealed, name.encode())
        except InvalidTag:
            raise ConfigurationError(
                f"[secrets] key_file does not open the secret {name!r} in the store: "
                "it was sealed with another key"
            ) from None

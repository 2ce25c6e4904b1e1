"""Grants at rest: AES-256-GCM with a key that lies outside the database (NIST SP 800-38D)."""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12


class TokenKeyError(LookupError):
    """No key, not a key, or not the key that something was encrypted with; the message says what to do."""


class TokenCipher:
    """Encrypts with the first key, decrypts with any. A cipher text works for the account alone that it was made for."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {_key_id(key): AESGCM(key) for key in keys}
        self._newest = _key_id(keys[0])

    def encrypt(self, text: str, account_id: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        body = self._keys[self._newest].encrypt(nonce, text.encode(), account_id.encode())
        return _VERSION + self._newest + nonce + body

    def decrypt(self, sealed: bytes, account_id: str) -> str:
        """Return what was encrypted. Raises TokenKeyError when the key is missing or the bytes were changed or moved."""
        key_id, nonce = sealed[1 : 1 + _KEY_ID_BYTES], sealed[1 + _KEY_ID_BYTES : 1 + _KEY_ID_BYTES + _NONCE_BYTES]
        key = self._keys.get(key_id) if sealed[:1] == _VERSION else None
        if key is None:
            raise TokenKeyError("the grant was encrypted with a key that is not among POSTROOM_TOKEN_KEYS")
        try:
            return key.decrypt(nonce, sealed[1 + _KEY_ID_BYTES + _NONCE_BYTES :], account_id.encode()).decode()
        except InvalidTag as error:
            raise TokenKeyError("the stored grant was changed, or belongs to another account") from error


def read_keys(text: str) -> list[bytes]:
    """Return the keys of a setting: base64 of 32 bytes each, comma-separated, newest first. Raises TokenKeyError."""
    try:
        keys = [base64.b64decode(part.strip().translate(_URL_SAFE), validate=True) for part in text.split(",")]
    except (binascii.Error, ValueError) as error:
        raise TokenKeyError(_HOW) from error
    if any(len(key) != KEY_BYTES for key in keys):
        raise TokenKeyError(_HOW)
    return keys


_HOW = "set POSTROOM_TOKEN_KEYS or POSTROOM_TOKEN_KEYS_FILE to base64 of 32 random bytes, as `openssl rand -base64 32` prints"
_URL_SAFE = str.maketrans("-_", "+/")


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"postroom token key" + key).digest()[:_KEY_ID_BYTES]

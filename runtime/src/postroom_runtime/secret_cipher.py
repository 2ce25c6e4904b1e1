"""Secrets at rest: each under a key of its own, which lies beside it under the deployment's key (envelope encryption).

So another deployment's key re-wraps 32 bytes of each and no secret is decrypted for it. AES-256-GCM (NIST SP 800-38D) with
random nonces: a data key seals one text, so no nonce meets its key twice; a deployment's key wraps far fewer than 2^32.
"""

import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_VERSION = b"\x02"
_ID = slice(1, 5)
_NONCE = 12
_HEAD = 5 + _NONCE
_WRAPPED = slice(_HEAD, _HEAD + KEY_BYTES + 16)
_BODY = _WRAPPED.stop


class SealError(LookupError):
    """No key, not the key that something was sealed with, or bytes that were changed or moved; it says what to do."""


class Sealer:
    """Seals with the first key, opens with any. What is sealed for one name opens for that name alone.

    Layout: version (1) | id of the deployment's key (4) | nonce (12) | wrapped data key (48) | nonce (12) | text and tag.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise SealError(HOW)
        self._keys = {_key_id(key): AESGCM(key) for key in keys}
        self._newest = _key_id(keys[0])

    @property
    def key_id(self) -> str:
        """Return the id of the key that seals now."""
        return self._newest.hex()

    def seal(self, text: str, name: str) -> bytes:
        data_key, nonce = os.urandom(KEY_BYTES), os.urandom(_NONCE)
        body = AESGCM(data_key).encrypt(nonce, text.encode(), _bound("text", name))
        return self._wrap(data_key, name) + nonce + body

    def open(self, sealed: bytes, name: str) -> str:
        """Return the text. Raises SealError."""
        data_key = self._unwrap(sealed, name)
        nonce = sealed[_BODY : _BODY + _NONCE]
        try:
            return AESGCM(data_key).decrypt(nonce, sealed[_BODY + _NONCE :], _bound("text", name)).decode()
        except (InvalidTag, ValueError) as error:
            raise SealError(_CHANGED.format(name)) from error

    def rewrapped(self, sealed: bytes, name: str) -> bytes:
        """Return the same secret under the newest key; unchanged when it is under it. Raises SealError."""
        if sealed[_ID] == self._newest:
            return sealed
        return self._wrap(self._unwrap(sealed, name), name) + sealed[_BODY:]

    def _wrap(self, data_key: bytes, name: str) -> bytes:
        nonce = os.urandom(_NONCE)
        wrapped = self._keys[self._newest].encrypt(nonce, data_key, _bound("key", name))
        return _VERSION + self._newest + nonce + wrapped

    def _unwrap(self, sealed: bytes, name: str) -> bytes:
        key = self._keys.get(sealed[_ID]) if sealed[:1] == _VERSION else None
        if key is None:
            raise SealError(f"{name} was sealed with key {key_id_of(sealed)}, which is not in POSTROOM_SECRETS_KEY")
        try:
            return key.decrypt(sealed[5:_HEAD], sealed[_WRAPPED], _bound("key", name))
        except (InvalidTag, ValueError) as error:
            raise SealError(_CHANGED.format(name)) from error


HOW = "set POSTROOM_SECRETS_KEY or POSTROOM_SECRETS_KEY_FILE to base64 of 32 random bytes, as `openssl rand -base64 32` prints"
_CHANGED = "what is stored as {} was changed, or belongs under another name"


def key_id_of(sealed: bytes) -> str:
    """Return the id of the deployment's key that this is sealed with."""
    return sealed[_ID].hex()


def _bound(part: str, name: str) -> bytes:
    return f"postroom {part} {name}".encode()


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"postroom secrets key" + key).digest()[:4]

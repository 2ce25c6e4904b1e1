"""Signed ids: a Message-ID that finds its conversation again, and the keyed address that an agent answers to.

Knowing an id is not a right, so each carries a keyed hash (HMAC-SHA256, RFC 2104). `keys` are the deployment's secret,
newest first; two are valid while one is rotated.
"""

import base64
import binascii
import hashlib
import hmac
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

KEYED_DAYS = 14
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_MESSAGE_MAC_BYTES = 16
_UNSUBSCRIBE_MAC_BYTES = 16
_ANSWER_MAC_BYTES = 10
"""80 bits: with a conversation's 16 bytes the local part must stay under 64 octets (RFC 5321 section 4.5.3.1.1), and
a guess can only be tried by mail, one at a time, for 14 days."""
_MINIMUM_KEY_BYTES = 16


def _mac(key: bytes, purpose: str, *parts: str, size: int) -> bytes:
    if len(key) < _MINIMUM_KEY_BYTES:
        raise ValueError(f"a signing key needs at least {_MINIMUM_KEY_BYTES} bytes")
    return hmac.new(key, "\n".join((purpose, *parts)).encode(), hashlib.sha256).digest()[:size]


def _base32(value: bytes) -> str:
    return base64.b32encode(value).decode().rstrip("=").lower()


def _from_base32(value: str) -> bytes | None:
    try:
        return base64.b32decode(value.upper() + "=" * (-len(value) % 8))
    except (binascii.Error, ValueError):
        return None


def signed_message_id(conversation_id: str, delivery_id: str, domain: str, key: bytes) -> str:
    """Return a Message-ID without angle brackets: `conversation.delivery.mac@domain`. The same input gives the same."""
    mac = _mac(key, "message-id", conversation_id, delivery_id, size=_MESSAGE_MAC_BYTES)
    return f"{conversation_id}.{delivery_id}.{_base32(mac)}@{domain}"


@dataclass(frozen=True, slots=True)
class SignedMessageId:
    conversation_id: str
    delivery_id: str


def read_signed_message_id(value: str, keys: Sequence[bytes]) -> SignedMessageId | None:
    """Return what a Message-ID of ours says, or None when it is not one that we signed."""
    parts = value.strip().strip("<>").split("@")[0].split(".")
    if len(parts) != 3:  # noqa: PLR2004 - the three parts of signed_message_id
        return None
    given = _from_base32(parts[2])
    for key in keys:
        if given is not None and hmac.compare_digest(
            given, _mac(key, "message-id", parts[0], parts[1], size=_MESSAGE_MAC_BYTES)
        ):
            return SignedMessageId(parts[0], parts[1])
    return None


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """What a valid keyed address says: who may answer what, having seen up to where, until when."""

    conversation_id: str
    sequence: int
    expires_at: datetime


def answer_key(conversation_id: str, sequence: int, agent_id: str, now: datetime, key: bytes) -> str:
    """Return the plus part of an answer address, valid for 14 days after `now`; 50 lower-case characters.

    `sequence` is the router's highest that the notification showed. The agent is not named, but signed.
    """
    days = (now + timedelta(days=KEYED_DAYS + 1) - _EPOCH).days
    plain = uuid.UUID(conversation_id).bytes + sequence.to_bytes(3, "big") + days.to_bytes(2, "big")
    return _base32(plain + _mac(key, "answer", plain.hex(), agent_id, size=_ANSWER_MAC_BYTES))


def read_answer_key(value: str, agent_id: str, keys: Sequence[bytes]) -> AnswerKey | None:
    """Return what the key says when it was signed for `agent_id`, else None. Expiry is for the caller to compare."""
    given = _from_base32(value)
    if given is None or len(given) != 16 + 3 + 2 + _ANSWER_MAC_BYTES:
        return None
    plain, mac = given[:21], given[21:]
    if not any(
        hmac.compare_digest(mac, _mac(k, "answer", plain.hex(), agent_id, size=_ANSWER_MAC_BYTES)) for k in keys
    ):
        return None
    return AnswerKey(
        conversation_id=str(uuid.UUID(bytes=plain[:16])),
        sequence=int.from_bytes(plain[16:19], "big"),
        expires_at=_EPOCH + timedelta(days=int.from_bytes(plain[19:21], "big")),
    )


def looks_like_answer_key(value: str) -> bool:
    """Say whether `value` has the form of a key, valid or not: such mail is never an ordinary customer's."""
    decoded = _from_base32(value)
    return decoded is not None and len(decoded) == 16 + 3 + 2 + _ANSWER_MAC_BYTES


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """What a valid one-click address says: which agent wants no more notifications of which kind."""

    agent_id: str
    kind: str


def unsubscribe_token(agent_id: str, kind: str, key: bytes) -> str:
    """Return the token of a one-click address (RFC 8058): letters, digits, `-`, `_` and dots. The same input gives the same.

    It does not expire: a mail may be years old when its reader has had enough, and all that it can do is to mute.
    """
    return f"{kind}.{agent_id}.{_base32(_mac(key, 'unsubscribe', kind, agent_id, size=_UNSUBSCRIBE_MAC_BYTES))}"


def read_unsubscribe_token(value: str, keys: Sequence[bytes]) -> Unsubscribe | None:
    """Return what a token says, or None when it is not one that we signed."""
    kind, _, rest = value.partition(".")
    agent_id, _, mac = rest.partition(".")
    given = _from_base32(mac) if value.isascii() else None
    for key in keys:
        if given and hmac.compare_digest(given, _mac(key, "unsubscribe", kind, agent_id, size=_UNSUBSCRIBE_MAC_BYTES)):
            return Unsubscribe(agent_id, kind)
    return None


PROBE_HEADER = "X-Postroom-Probe"
"""The field of a mail that says, signed, that it is a probe of ours."""
PROBE_HOURS = 24
"""A probe that comes later is one all the same; one that is older was copied from somewhere."""
_PROBE_MAC_BYTES = 16


def probe_mark(address: str, message_id: str, now: datetime, key: bytes) -> str:
    """Return the value of `PROBE_HEADER` of a probe sent to `address` with this Message-ID: letters, digits and a dot."""
    seconds = int((now - _EPOCH).total_seconds())
    return f"{seconds}.{_base32(_mac(key, 'probe', address.lower(), message_id, str(seconds), size=_PROBE_MAC_BYTES))}"


def is_probe_mark(value: str, address: str, message_id: str, now: datetime, keys: Sequence[bytes]) -> bool:
    """Say whether we signed this mark for this mail, within the last day."""
    seconds, _, mac = value.partition(".")
    given = _from_base32(mac) if value.isascii() else None
    if given is None or not seconds.isdigit() or len(seconds) > 12:  # noqa: PLR2004 - thirty thousand years
        return False
    age = now - (_EPOCH + timedelta(seconds=int(seconds)))
    if not timedelta(minutes=-5) <= age <= timedelta(hours=PROBE_HOURS):
        return False
    parts = address.lower(), message_id, seconds
    return any(hmac.compare_digest(given, _mac(k, "probe", *parts, size=_PROBE_MAC_BYTES)) for k in keys)


def service_key(key: bytes) -> str:
    """Return what one service of a deployment shows another to be let in: both have the signing keys, nobody else has."""
    return _mac(key, "service", size=32).hex()

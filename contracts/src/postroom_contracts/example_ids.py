"""Ids and texts that the golden examples share: one afternoon of a small bicycle shop."""

from dataclasses import dataclass
from typing import Any

CONVERSATION = "3d1f7c52-8a0b-5e44-9c1d-6f2a7b90e311"
OTHER_CONVERSATION = "b80e2d17-4c39-5d0a-8e62-1fd4c7a95020"
MESSAGE = "c2a94e60-17fb-5b3c-a6d0-52e81f03b7d4"
REPLY = "0f6b8a35-92c4-5a17-b3e8-7d14c60a2f95"
NOTE = "6a1d3f08-5e72-5c9b-8f40-b29e7c51d063"
LEDGER = "8e57c1b4-203d-5f86-9a7e-d4016b3fc298"
DELIVERY = "51c3e9a7-d86f-5042-bb17-3fa80e6d2c94"
CONTACT = "4f0d8c6e-2b7a-4e19-a5c3-90d17be64f28"
REQUEST = "97b2f4d0-6e1c-5387-8d5a-c03e49a17b6f"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

CUSTOMER_TEXT = {
    "content_id": "d7a05b93-1e48-5c2f-97b6-08f3c4e21d5a",
    "sha256": "0fcf8bfed96a7fb1a1b0fdef4f0d41bd2f0c1bb1e3a4f9ab2aefc5f5b0f7d6a1",
}
REPLY_TEXT = {
    "content_id": "29e84c07-b5d3-5f60-8a1b-e7c92f40d638",
    "sha256": "b4c87fc36ec6fd0ab7aa2c5c1fd07a24a9e2b2a8cf0f31aa8b3a5de2a86b8f1c",
}
NOTE_TEXT = {
    "content_id": "e05f7b21-3ac8-5d94-b67f-14d8a90c3e52",
    "sha256": "77d1b0a3a6c9a9be3e1d4f63c6a0f0b7d5f0d9a0c9b3c1c2b7a1e8d9f0a4c6b2",
}
AGENT = {"kind": "agent", "id": "mira"}
CUSTOMER = {"kind": "customer", "id": CONTACT}
TIMER = {"kind": "timer", "id": "timer-snooze-3d1f7c52"}
SYSTEM = {"kind": "system", "id": "assigner"}
HREF = f"/api/v1/conversations/{CONVERSATION}"


@dataclass(frozen=True, slots=True)
class Sample:
    """The hand-written part of one golden example. `at` is RFC 3339; `sequence` belongs to facts."""

    at: str
    value: dict[str, Any]
    sequence: int | None = None
    cause: str = REQUEST

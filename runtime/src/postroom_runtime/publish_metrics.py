"""What was published, by topic and type, and what was not."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from aiokafka.errors import MessageSizeTooLargeError
from postroom_contracts.events import TYPE_PREFIX, Headers
from postroom_contracts.registry import MODELS

from postroom_runtime.errors import is_infrastructure
from postroom_runtime.metrics import PUBLISH_FAILURES, PUBLISH_SECONDS, PUBLISHED

_STRUCTURED = re.compile(rb'"type":"([^"\\]{1,200})"')
_PREFIX_BYTES = 1000
"""In structured mode the attributes stand first in the body."""


class Record(Protocol):
    """What is looked at of a record."""

    @property
    def topic(self) -> str: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def body(self) -> bytes | None: ...


def published(records: Sequence[Record], seconds: float) -> None:
    """Count records that Kafka has acknowledged, `seconds` after they were handed over."""
    PUBLISH_SECONDS.observe(seconds)
    for (topic, kind), count in Counter((r.topic, _type(r)) for r in records).items():
        PUBLISHED.labels(topic, _label(kind)).inc(count)


def failed(error: BaseException) -> None:
    """Count a publication that was not acknowledged."""
    permanent = isinstance(error, MessageSizeTooLargeError)
    reason = "permanent" if permanent else "infrastructure" if is_infrastructure(error) else "other"
    PUBLISH_FAILURES.labels(reason).inc()


def _type(record: Record) -> bytes:
    found = next((value for name, value in record.headers if name == "ce_type"), None)
    if found is None:
        structured = _STRUCTURED.search((record.body or b"")[:_PREFIX_BYTES])
        return structured[1] if structured else b""
    return found


@lru_cache(maxsize=512)
def _label(kind: bytes) -> str:
    """Return the label of a type: a closed set, whatever a foreign record (a dead letter) says of itself."""
    name = kind.decode("utf-8", "replace")[:200]
    return name.removeprefix(TYPE_PREFIX) if name in MODELS else "other"

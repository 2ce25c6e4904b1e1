"""The beginning of a message's trail: it was taken in and published."""

from collections.abc import Sequence
from datetime import datetime

import structlog
from postroom_contracts.events import attributes_of
from postroom_runtime.kafka import Outgoing
from postroom_runtime.trail import trail

log = structlog.get_logger(__name__)


def tell(account_id: str, published: Sequence[tuple[str, list[Outgoing]]]) -> None:
    """Tell of ledger entries whose records Kafka has."""
    for ledger_id, out in published:
        for record in out:
            found = attributes_of(dict(record.headers), record.body)
            said = {
                name: (found.get(f"ce_{name}") or b"").decode()
                for name in ("id", "time", "correlationid", "traceparent")
            }
            ids = {
                "account": account_id,
                "ledger_id": ledger_id,
                "id": said["id"],
                "correlation_id": said["correlationid"],
            }
            if trail.lines:
                log.info("taken in", **ids)
            attributes: dict[str, str | int] = {f"postroom.{name}": value for name, value in ids.items()}
            trail.entered("ingest", said["traceparent"], _nanoseconds(said["time"]), attributes)


def _nanoseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1_000_000_000)

"""One message that Kafka does not take holds up no other of its account."""

from collections.abc import Sequence

import pytest
from postroom_ingest import intake as intake_module
from postroom_ingest.intake import IntakeStore
from postroom_runtime.errors import PermanentError
from postroom_runtime.kafka import Outgoing


class Servers:
    """Ledger and Kafka in one: three entries, of which Kafka takes those below 1,000 bytes."""

    def __init__(self) -> None:
        self.outbox = {
            name: [Outgoing("t", b"k", b"x" * size, [])] for name, size in (("a", 1), ("b", 2_000), ("c", 2))
        }
        self.published: list[int] = []

    async def unpublished(
        self, _account_id: str, limit: int, _most_bytes: int, besides: Sequence[str]
    ) -> list[tuple[str, list[Outgoing]]]:
        return [item for item in self.outbox.items() if item[0] not in besides][:limit]

    async def mark_published(self, ledger_ids: Sequence[str]) -> None:
        for ledger_id in ledger_ids:
            del self.outbox[ledger_id]

    async def publish(self, records: Sequence[Outgoing]) -> None:
        if any(record.size > 1_000 for record in records):
            raise PermanentError("too large")
        self.published += [len(record.body or b"") for record in records]


async def test_message_that_kafka_never_takes_stays_and_the_others_go() -> None:
    servers = Servers()
    intake = IntakeStore(servers, None, servers)  # type: ignore[arg-type]
    assert await intake.publish("mail") == 2
    assert servers.published == [1, 2]
    assert list(servers.outbox) == ["b"]
    assert await intake.publish("mail") == 0, "it is tried again, and ends"


async def test_what_kafka_never_takes_is_passed_over_however_much_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "SWEEP_RECORDS", 2)
    servers = Servers()
    sizes = {f"{n}": 5_000 for n in range(5)} | {"z": 7}
    servers.outbox = {name: [Outgoing("t", b"k", b"x" * size, [])] for name, size in sizes.items()}
    assert await IntakeStore(servers, None, servers).publish("mail") == 1  # type: ignore[arg-type]
    assert servers.published == [7]
    assert len(servers.outbox) == 5

"""One message that Kafka does not take holds up no other of its account."""

from collections.abc import Sequence

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

    async def unpublished(self, _account_id: str, limit: int, _most_bytes: int) -> list[tuple[str, list[Outgoing]]]:
        return list(self.outbox.items())[:limit]

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

"""What is published stands there once and in order, whatever its size and however many publish at a time."""

import asyncio
import itertools
from collections.abc import Iterable

import pytest
from aiokafka import ConsumerRecord
from postroom_contracts.topics import CONVERSATION_COMMANDS
from postroom_runtime.kafka import Outgoing

from tests.integration.runtime.support import Bench, publisher

pytestmark = pytest.mark.connected


def by_key(records: Iterable[ConsumerRecord]) -> dict[str, list[int]]:
    """Return the numbers with which the bodies begin, in the order in which they stand."""
    found: dict[str, list[int]] = {}
    for record in records:
        assert record.key is not None
        assert record.value is not None
        found.setdefault(record.key.decode(), []).append(int(record.value[:6]))
    return found


async def test_small_large_and_batch_filling_records_stand_once_in_order(bench: Bench) -> None:
    sizes = itertools.cycle([10, 4_000, 990_000, 0, 131_072, 131_000, 60_000, 80_000, 1, 2_000, 30_000])
    sent = [
        Outgoing(bench.commands, b"c%d" % (n % 7), b"%06d" % n + b"x" * size, [("name", b"value")])
        for n, size in zip(range(200), sizes, strict=False)
    ]
    async with publisher(bench.settings) as out:
        await out.publish(sent[:190])
        await out.publish(sent[190:])
    expected = {f"c{n}": list(range(n, 200, 7)) for n in range(7)}
    assert by_key(await bench.records(CONVERSATION_COMMANDS.name)) == expected


@pytest.mark.parametrize(("callers", "each"), [(400, 1), (200, 12)])
async def test_hundreds_that_publish_to_one_partition_at_a_time_all_succeed(
    bench: Bench, callers: int, each: int
) -> None:
    """As agents do at the desk, and accounts of ingest."""
    async with publisher(bench.settings) as out:

        async def call(caller: int) -> None:
            keyed = b"c%d" % caller
            await out.publish(Outgoing(bench.commands, keyed, b"%06d" % n, [], partition=0) for n in range(each))

        await asyncio.gather(*(call(n) for n in range(callers)))
    expected = {f"c{n}": list(range(each)) for n in range(callers)}
    assert by_key(await bench.records(CONVERSATION_COMMANDS.name)) == expected

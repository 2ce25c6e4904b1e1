"""What the trail costs: one batch of 200 decoded and handled by a handler that does nothing, with spans and lines off and on.

`python -m benchmarks.trail` prints the time per record of each way, and its ratio to off. The handlers of the services take
200 to 500 us a record, so the cost in the house is the difference, not the ratio.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from typing import Any

import structlog
from aiokafka import ConsumerRecord
from postroom_contracts.events import encode
from postroom_contracts.examples import event_of
from postroom_contracts.facts import MessageReceived
from postroom_contracts.registry import BY_TYPE
from postroom_runtime.batch import BatchWork
from postroom_runtime.breaker import Breaker
from postroom_runtime.records import Incoming
from postroom_runtime.trail import begun_trace, trail

RECORDS = 200
ROUNDS = 60


class Nothing:
    models: Mapping[str, Any] = {MessageReceived.type_name(): MessageReceived}

    async def handle(self, batch: Sequence[Incoming], committed: Mapping[str, int]) -> None: ...


class NoParking:
    def must_wait(self, _: Incoming) -> bool:
        return False


def _records() -> list[ConsumerRecord[Any, Any]]:
    example = event_of(BY_TYPE[MessageReceived.type_name()])
    found = []
    for n in range(RECORDS):
        event = replace(example, traceparent=begun_trace(str(n), 1.0).traceparent)
        headers, body = encode(event)
        rest: dict[str, Any] = dict.fromkeys(
            ("timestamp_type", "checksum", "serialized_key_size", "serialized_value_size"), 0
        )
        found.append(
            ConsumerRecord(
                topic="t", partition=0, offset=n, timestamp=1, key=b"c", value=body, headers=tuple(headers), **rest
            )
        )
    return found


async def _microseconds() -> float:
    """Return the median time of one record."""
    work = BatchWork(
        group="bench",
        handler=Nothing(),
        parking=NoParking(),  # type: ignore[arg-type]
        breaker=Breaker(),
        topic_ids={"t": "id"},
        committed={},
        ignored_types=frozenset(),
    )
    records, times = _records(), []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await work.carry_out(records)
        times.append((time.perf_counter() - started) / RECORDS * 1e6)
    return statistics.median(times)


def main() -> None:
    from postroom_runtime.otlp import OtlpSpans  # noqa: PLC0415 - the optional extra

    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(StringIO()), processors=[structlog.processors.JSONRenderer()]
    )
    off = asyncio.run(_microseconds())
    trail.lines = True
    lines = asyncio.run(_microseconds())
    trail.lines, trail.spans = False, OtlpSpans("http://127.0.0.1:9", "bench")
    spans = asyncio.run(_microseconds())
    for name, took in (("off", off), ("lines", lines), ("spans", spans)):
        print(f"{name:6} {took:6.1f} us a record, {took / off:.2f} of off, {took - off:+.1f} us")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

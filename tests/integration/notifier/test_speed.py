"""How fast mail goes out. The figures are printed (`pytest -s`) and written to `build/notifier-speed.json`."""

import asyncio
import json
import os
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from postroom_contracts.ids import derived_id

from tests.integration.notifier.conftest import House
from tests.unit.notifier.company import Facts

pytestmark = pytest.mark.connected
COUNT = 40
REPORT = Path(__file__).resolve().parents[3] / "build" / "notifier-speed.json"


def report(**figures: float) -> None:
    REPORT.parent.mkdir(exist_ok=True)
    known = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    REPORT.write_text(json.dumps(known | figures, indent=1))
    print(figures)


async def test_notification_is_handed_to_smtp_soon_after_its_event(house: House) -> None:
    """The poll is set so slow that only the consumer's wake-up can be in time, on however slow a machine."""
    await house.notifier(POSTROOM_DELIVERY_POLL_SECONDS="60")
    published: dict[str, float] = {}
    for n in range(COUNT):
        facts = Facts(
            derived_id("speed", str(n)), start=datetime.now(UTC) - timedelta(seconds=1)
        )  # none is due later than it comes
        events = [facts.received(), facts.assigned()]
        published[facts.conversation] = time.time()
        await house.publish(*events)
        await asyncio.sleep(0.1)
    mails = await asyncio.to_thread(house.sink.wait_for, COUNT, 120)
    waits = []
    for conversation, at in list(published.items())[10:]:
        [mail] = [m for m in mails if conversation.encode() in m.content]
        waits.append((mail.received_at.timestamp() - at) * 1000)
    p50, p95 = statistics.median(waits), statistics.quantiles(waits, n=20)[18]
    report(event_to_smtp_p50_ms=round(p50, 1), event_to_smtp_p95_ms=round(p95, 1), load=os.getloadavg()[0])
    assert p50 < 20_000


async def test_many_notifications_cost_little_each(house: House) -> None:
    """Judged by processor time, of which a mail needs 2.5 ms here: how many go out a second says what else runs."""
    count = 1000
    events = []
    for n in range(count):
        facts = Facts(
            derived_id("load", str(n)), start=datetime.now(UTC) - timedelta(seconds=1)
        )  # none is due later than it comes
        events += [facts.received(), facts.assigned()]
    await house.publish(*events)
    process = await house.notifier(POSTROOM_RECEIVER_MAILS_PER_HOUR="1000000")
    first = len(await asyncio.to_thread(house.sink.wait_for, 200, 60))
    started, used = time.monotonic(), cpu_seconds(process.process.pid)
    await asyncio.to_thread(house.sink.wait_for, count, 120)
    rate = (count - first) / (time.monotonic() - started)
    cpu_ms = (cpu_seconds(process.process.pid) - used) / (count - first) * 1000
    while await house.deliveries.count_documents({"reported_at": {"$exists": True}}) < count:
        assert time.monotonic() < started + 150
        await asyncio.sleep(0.1)
    report(
        notifications_per_second=round(rate),
        cpu_ms_per_notification=round(cpu_ms, 2),
        load=os.getloadavg()[0],
    )
    assert len(house.sink.mails) == count
    assert cpu_ms < 12


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

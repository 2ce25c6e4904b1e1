"""kill -9 at every named step of the notifier: nothing is lost, nothing is doubled but what was accepted and not marked."""

import re
from datetime import UTC, datetime
from pathlib import Path

import postroom_notifier
import pytest
from postroom_contracts.ids import derived_id

from tests.integration.notifier.conftest import House
from tests.unit.notifier.company import Facts, header

pytestmark = pytest.mark.connected
SOURCES = sorted(Path(postroom_notifier.__file__).parent.rglob("*.py"))
NOTIFIER_STEPS = sorted({s for f in SOURCES for s in re.findall(r'reach\("(notifier[^"]+)"\)', f.read_text())})
RUNTIME_STEPS = ["fold.decided", "fold.before_saved", "fold.saved", "consumer.handled"]
"""Between these the consumer stores deliveries, then the state, then commits."""
SENDS_IN_FLIGHT = 8


def test_steps_are_found_in_the_source() -> None:
    assert NOTIFIER_STEPS == [
        "notifier.accepted",
        "notifier.leased",
        "notifier.logged",
        "notifier.published",
        "notifier.reported",
        "notifier.sent",
    ]


@pytest.mark.parametrize("step", [*NOTIFIER_STEPS, *RUNTIME_STEPS])
async def test_killed_at(step: str, house: House) -> None:
    facts = Facts(start=datetime.now(UTC))
    await house.publish(facts.received(), facts.replied())
    if step in RUNTIME_STEPS:
        house.sink.stop()  # beside the consumer the sender goes on: it might be between its own steps just then
    await house.killed(house.deployment.start("notifier", POSTROOM_KILL_AT=step))
    house.sink.start()
    await house.notifier()
    [sent] = await house.facts(1)
    mails = house.sink.mails
    # Only between the server's acceptance and our mark may a mail be repeated, and then it is the same to the byte.
    assert len(mails) == (2 if step == "notifier.sent" else 1)
    assert len({m.content for m in mails}) == 1
    await house.publish(facts.replied("r2"), facts.assigned())
    results = await house.facts(3)
    assert results[0] == sent
    assert [e.sequence for e in results] == [1, 2, 3], "numbered without a gap"
    assert len(house.sink.mails) == len(mails) + 2


async def test_killed_under_load_repeats_at_most_what_was_in_flight(house: House) -> None:
    everyone = [Facts(derived_id("kill", str(n)), start=datetime.now(UTC)) for n in range(20)]
    for facts in everyone:
        await house.publish(facts.received(), facts.assigned(), facts.replied(), facts.received("m2"))
    await house.killed(house.deployment.start("notifier", POSTROOM_KILL_AT="notifier.accepted:20"))
    await house.notifier()
    results = await house.facts(60)
    assert sorted((e.key, e.sequence) for e in results) == sorted(
        (f.conversation, n) for f in everyone for n in (1, 2, 3)
    )
    ids = [header(m.content, "Message-ID") for m in house.sink.mails]
    assert len(set(ids)) == 60
    assert len(ids) - 60 <= SENDS_IN_FLIGHT

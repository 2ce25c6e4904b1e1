"""A key on hold: what failed for a reason of ours waits with all that came after it, comes back in order, or is given up."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime import cli_dead_letters as cli

from tests.integration.runtime.support import Bench, check_log, until, until_states
from tests.integration.runtime.test_bad_records import encoded
from tests.integration.runtime.toy import GROUP, Toy, note, noted

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


async def parked(bench: Bench, group: str = GROUP.name) -> list[cli.DeadLetter]:
    return await cli.load_letters(bench.settings, group)


async def until_parked(bench: Bench, count: int, group: str = GROUP.name) -> None:
    async def enough() -> bool:
        return sum(int(hold["parked"]) for hold in bench.holds() if hold["group"] == group) >= count

    await until(enough, f"{count} records are parked behind holds")


async def until_replayed(bench: Bench, count: int, group: str = GROUP.name) -> None:
    """Return when the group has handled so many records of its replay topic: what comes by another may overtake them."""
    topic = bench.topic(f"{group}-replay")

    async def handled() -> bool:
        return sum(n for place, n in (await bench.committed(group)).items() if place.topic == topic) >= count

    await until(handled, f"{count} replayed records are handled")


async def test_failed_record_and_those_behind_it_come_back_in_order_after_the_mend(
    bench: Bench, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    await bench.publish([note("c1", "m0", NOW), note("c1", "m1", NOW, f"bug-until:{mended}"), note("c1", "m2", NOW)])
    await bench.publish([note("c2", "n0", NOW)])
    async with bench.member():
        await until_parked(bench, 2)
        await bench.publish([note("c1", "m3", NOW), note("c2", "n1", NOW)])  # the next batch goes on without c1
        await until_parked(bench, 3)
        await until_states(bench, {"c1": ["m0"], "c2": ["n0", "n1"]})
    async with bench.member():  # the hold outlives the process
        await bench.publish([note("c1", "m4", NOW)])
        await until_parked(bench, 4)
        mended.touch()
        answer = await cli.replay_key(bench.settings, GROUP.name, "c1")
        assert answer == "replayed 4 records; the hold is lifted"
        assert bench.holds() == []
        await bench.publish([note("c1", "m5", NOW)])
        expected = {"c1": [f"m{n}" for n in range(6)], "c2": ["n0", "n1"]}
        await until_states(bench, expected)
    check_log(await bench.effects(), expected)


async def test_records_that_come_during_a_replay_come_after_it(bench: Bench, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    await bench.publish([note("c1", "m0", NOW, f"bug-until:{mended}")])
    expected = [f"m{n}" for n in range(61)]
    async with bench.member():
        await until_parked(bench, 1)

        async def lies_aside() -> bool:  # the first record of a hold is counted before it is put aside
            return bool(await parked(bench))

        await until(lies_aside, "the record that failed lies aside")
        mended.touch()

        async def feed() -> None:
            for n in range(1, 61):
                await bench.publish([note("c1", f"m{n}", NOW)])

        await asyncio.gather(feed(), cli.replay_key(bench.settings, GROUP.name, "c1"))
        await until_states(bench, {"c1": expected})
    check_log(await bench.effects(), {"c1": expected})
    assert bench.holds() == []


async def test_replay_that_fails_again_lets_none_overtake(bench: Bench, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    await bench.publish([note("c1", "m0", NOW, f"bug-until:{first}"), note("c1", "m1", NOW)])
    await bench.publish([note("c1", "m2", NOW, f"bug-until:{second}"), note("c1", "m3", NOW)])
    async with bench.member():
        await until_parked(bench, 4)
        with pytest.raises(cli.ReplayFailedError):
            await cli.replay_key(bench.settings, GROUP.name, "c1")
        assert bench.states() == {}
        first.touch()
        with pytest.raises(cli.ReplayFailedError):
            await cli.replay_key(bench.settings, GROUP.name, "c1")
        assert bench.states() == {"c1": ["m0", "m1"]}
        second.touch()
        await cli.replay_key(bench.settings, GROUP.name, "c1")
        await until_states(bench, {"c1": ["m0", "m1", "m2", "m3"]})
    check_log(await bench.effects(), {"c1": ["m0", "m1", "m2", "m3"]})
    assert len(await parked(bench)) == 4, "one letter for each record, whatever happened to it since"


async def test_discarded_record_is_left_out_of_the_replay(bench: Bench) -> None:
    await bench.publish([note("c1", "m0", NOW, "bug"), note("c1", "m1", NOW)])
    async with bench.member():
        await until_parked(bench, 2)
        (bad,) = [letter for letter in await parked(bench) if letter.reason == "unexpected"]
        await cli.discard_letter(bench.settings, GROUP.name, bad.id)
        await cli.replay_key(bench.settings, GROUP.name, "c1")
        await until_states(bench, {"c1": ["m1"]})
    assert bench.holds() == []


async def test_marker_of_an_earlier_hold_does_not_lift_a_later_one(bench: Bench, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    await bench.publish([note("c1", f"m{n}", NOW, f"bug-until:{mended}") for n in range(3)])
    async with bench.member():
        await until_parked(bench, 3)
        mended.touch()
        await cli.replay_key(bench.settings, GROUP.name, "c1")
        mended.unlink()
        await bench.publish([note("c1", "m3", NOW, f"bug-until:{mended}")])
        await until_parked(bench, 1)
        (old,) = [r for r in await bench.records("toy-replay") if r.value == b""]
        async with bench.producer() as producer:
            await producer.send_and_wait(
                old.topic, key=old.key, value=b"", headers=list(old.headers), partition=old.partition
            )
        await until_replayed(bench, 3 + 2)
        await bench.publish([note("c1", "m4", NOW)])
        await until_parked(bench, 2)
        assert [hold["key"] for hold in bench.holds()] == ["c1"]
        assert bench.states() == {"c1": ["m0", "m1", "m2"]}


async def test_one_letter_of_many_may_not_jump_the_queue(bench: Bench) -> None:
    import typer

    await bench.publish([note("c1", "m0", NOW, "bug"), note("c1", "m1", NOW)])
    async with bench.member():
        await until_parked(bench, 2)
    letters = await parked(bench)
    with pytest.raises(typer.Exit):
        await cli._replay_one(bench.settings, GROUP.name, letters[1].id)


async def test_permanent_letter_is_decided_when_it_is_replayed_though_its_number_was_passed(
    bench: Bench, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    facts = [
        noted("c1", "m1", NOW, 1),
        noted("c1", "m2", NOW, 2, f"permanent-until:{mended}"),
        noted("c1", "m3", NOW, 3),
    ]
    await bench.publish(facts, CONVERSATION_EVENTS)
    async with bench.member(Toy(decides=False, follows=True)):
        await until_states(bench, {"c1": ["m1", "m3"]}, collection="followed")
        mended.touch()
        (letter,) = await parked(bench, "toy-followers")
        for times in (1, 2):  # the second time it is a repeat
            await cli._replay_one(bench.settings, "toy-followers", letter.id)
            await until_replayed(bench, times, "toy-followers")
        await bench.publish([noted("c1", "m4", NOW, 4)], CONVERSATION_EVENTS)
        await until_states(bench, {"c1": ["m1", "m3", "m2", "m4"]}, collection="followed")


async def test_discard_closes_a_gap_whose_number_cannot_be_read(bench: Bench) -> None:
    unreadable = encoded(noted("c1", "m2", NOW, 2))
    unreadable["headers"] = [h if h[0] != "ce_sequence" else ("ce_sequence", b"\xff") for h in unreadable["headers"]]
    records = [encoded(noted("c1", "m1", NOW, 1)), unreadable, encoded(noted("c1", "m3", NOW, 3))]
    async with bench.producer() as producer:
        for record in records:
            await producer.send_and_wait(bench.topic(CONVERSATION_EVENTS.name), **record)
    async with bench.member(Toy(decides=False, follows=True)):
        await until_states(bench, {"c1": ["m1"]}, collection="followed")
        await until(lambda: len(bench.notes("followed")["c1"]["ahead"]) == 1, "the third waits for the second")
        (letter,) = await parked(bench, "toy-followers")
        await cli.discard_letter(bench.settings, "toy-followers", letter.id, sequence=2)
        await until_states(bench, {"c1": ["m1", "m3"]}, collection="followed")


async def test_too_far_ahead_of_a_missing_event_holds_the_key_until_it_comes(bench: Bench) -> None:
    total = 230
    async with bench.member(Toy(decides=False, follows=True)):
        await bench.publish([noted("c1", f"m{n}", NOW, n) for n in range(2, total + 1)], CONVERSATION_EVENTS)
        await bench.publish([noted("c2", "other", NOW, 1)], CONVERSATION_EVENTS)
        await until_parked(bench, total - 201, "toy-followers")
        await until_states(bench, {"c2": ["other"]}, collection="followed")
        await bench.publish([noted("c1", "m1", NOW, 1)], CONVERSATION_EVENTS)
        await until_parked(bench, total - 200, "toy-followers")
        answer = await cli.replay_key(bench.settings, "toy-followers", "c1")
        assert answer == f"replayed {total - 200} records; the hold is lifted"
        expected = {"c1": [f"m{n}" for n in range(1, total + 1)], "c2": ["other"]}
        await until_states(bench, expected, collection="followed")
    assert bench.holds() == []


async def test_events_out_of_order_are_kept_and_applied_in_order(bench: Bench) -> None:
    numbers: list[Any] = [3, 1, 1, 5, 4, 4, 2, 7, 6, 3, 7]
    async with bench.member(Toy(decides=False, follows=True)):
        for number in numbers:
            await bench.publish([noted("c1", f"m{number}", NOW, number)], CONVERSATION_EVENTS)
        await until_states(bench, {"c1": [f"m{n}" for n in range(1, 8)]}, collection="followed")
    assert bench.notes("followed")["c1"]["ahead"] == []

"""What an older release cannot read waits aside, and one command gives it to the newer one, once."""

from datetime import UTC, datetime
from typing import Literal

import pytest
from postroom_contracts.commands import AddNote
from postroom_contracts.registry import MODELS
from postroom_contracts.values import Actor
from postroom_runtime.documents import MongoDocumentStore
from postroom_runtime.fold import Fold
from postroom_runtime.readable_letters import replay_readable
from postroom_runtime.service import Runtime

from tests.integration.runtime.support import Bench, check_log, until, until_states
from tests.integration.runtime.test_bad_records import encoded
from tests.integration.runtime.test_holds import parked
from tests.integration.runtime.toy import GROUP, Notes, Toy, note

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


class OldActor(Actor):
    kind: Literal["agent", "customer"]


class OldAddNote(AddNote):
    """The command as a release knows it in which only agents and customers act."""

    actor: OldActor


class OldToy(Toy):
    def fold(self, runtime: Runtime) -> Fold[Notes, None]:
        return Fold(
            service="router",
            decider=self.decider,
            store=MongoDocumentStore(runtime.database["notes"], Notes),
            publisher=runtime.publisher,
            clock=runtime.clock,
            models={AddNote.type_name(): OldAddNote},
        )


async def test_what_an_older_release_parked_comes_to_the_newer_one_by_one_command_and_once(bench: Bench) -> None:
    newer = encoded(note("c1", "m1", NOW))
    newer["value"] = newer["value"].replace(b'"kind":"agent"', b'"kind":"bot"')
    assert b'"bot"' in newer["value"]
    async with bench.producer() as producer:
        await producer.send_and_wait(bench.commands, **encoded(note("c1", "m0", NOW)), partition=0)
        await producer.send_and_wait(bench.commands, **newer, partition=0)
        await producer.send_and_wait(bench.commands, **{**newer, "value": b'{"actor": 7}'}, partition=0)
        await producer.send_and_wait(bench.commands, **encoded(note("c1", "m2", NOW)), partition=0)
    async with bench.member(OldToy()):
        await until_states(bench, {"c1": ["m0", "m2"]})  # it goes on without what it cannot read
    letters = await parked(bench)
    assert [letter.detail.partition(":")[0] for letter in letters] == ["body does not fit org.postroom.add-note.v1"] * 2
    assert "actor.kind: literal_error" in letters[0].detail
    async with bench.member():
        assert await replay_readable(bench.settings, GROUP.name, MODELS) == (1, 1)
        await until_states(bench, {"c1": ["m0", "m2", "m1"]})

        async def seen_again() -> bool:
            return await replay_readable(bench.settings, GROUP.name, MODELS) == (0, 1)

        await until(seen_again, "a second run gives nothing back")
    check_log(await bench.effects(), {"c1": ["m0", "m2", "m1"]})

"""The assigner as a service: one fold over facts and requests, the timers of deadlines, the drain of the queues, the sweep
of the slots.
"""

import asyncio

from postroom_contracts import facts as f
from postroom_contracts.commands import CheckDeadline
from postroom_contracts.events import Data
from postroom_contracts.registry import BY_TYPE, MODELS, commands_handled_by, source_of
from postroom_contracts.response_times.model import TargetKind
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS
from postroom_runtime.documents import MongoDocumentStore
from postroom_runtime.fold import Fold
from postroom_runtime.gaps import watch_gaps
from postroom_runtime.held import HeldKeys
from postroom_runtime.service import Runtime
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stores import Stores
from postroom_runtime.timers import DueTimer, TimerLoop
from pydantic import Field, TypeAdapter

from postroom_assigner.adapters.adopted import MongoAdopted
from postroom_assigner.adapters.deadlines import MongoDeadlines
from postroom_assigner.adapters.loads import MongoAgentLoads
from postroom_assigner.adapters.queue import MongoWaitingQueue, create_indexes
from postroom_assigner.adapters.sweep import Sweep
from postroom_assigner.domain.assignment import Assignment
from postroom_assigner.drain import Drain
from postroom_assigner.handlers import RESULTS, Assignments, Round, Versions


class AssignerSettings(RuntimeSettings):
    """Settings of the assigner, beside those of every service."""

    assigner_drain_seconds: float = Field(1.0, gt=0, le=60)
    """How often the queues are looked at when nothing wakes the drain."""
    assigner_sweep_seconds: float = Field(30.0, gt=0, le=3600)
    """How often counts of slots are compared with the assignments."""
    assigner_orphan_seconds: float = Field(30.0, ge=1, le=3600)
    """How long a slot may wait for its owner to be saved; longer than a batch takes."""


def followed() -> dict[str, type[Data]]:
    """Return the types that the fold takes: every fact of the router, what became of replies, and its own requests."""
    router = {name: MODELS[name] for name, r in BY_TYPE.items() if r.producers == ("router",) and _is_fact(r.model)}
    return router | {model.type_name(): model for model in RESULTS} | commands_handled_by("assigner")


UNNUMBERED = frozenset({source_of("notifier")})
"""Of its facts only some are followed, so that their numbers have gaps here."""


def check_command(timer: DueTimer, late: bool) -> CheckDeadline:
    kind = TypeAdapter(TargetKind).validate_python(timer.kind)
    return CheckDeadline(deadline=kind, generation=timer.generation, due_at=timer.due_at, late=late)


def ignored() -> frozenset[bytes]:
    """Return the types on the same topics that it does not follow."""
    topics = (CONVERSATION_EVENTS, CONVERSATION_COMMANDS)
    return frozenset(name.encode() for name, r in BY_TYPE.items() if r.topic in topics and name not in followed())


def _is_fact(model: type[Data]) -> bool:
    return issubclass(model, f.Fact)


class Assigner:
    """The definition that the runtime runs."""

    name = "assigner"
    needs_configuration = True

    def settings(self) -> AssignerSettings:
        return AssignerSettings()

    async def prepare(self, stores: Stores) -> None:
        await create_indexes(stores.database["assignments"])
        await MongoDeadlines(stores.database["assignments"]).prepare()
        await MongoDocumentStore(stores.database["assignments"], Assignment).prepare()

    async def build(self, runtime: Runtime) -> None:
        given = runtime.settings
        settings = given if isinstance(given, AssignerSettings) else AssignerSettings(**given.model_dump())
        documents, slots = runtime.database["assignments"], runtime.database["agent_load"]
        store = MongoDocumentStore(documents, Assignment)
        versions = Versions(runtime.configurations.at, lambda: runtime.configurations.latest_version)
        loads = MongoAgentLoads(slots)
        held = HeldKeys(runtime.database, "assigner")
        drain = Drain(
            queue=MongoWaitingQueue(documents),
            loads=loads,
            company=versions.company,
            publisher=runtime.publisher,
            leases=runtime.leases,
            clock=runtime.clock,
            pause_seconds=settings.assigner_drain_seconds,
            held=held,
        )
        sweep = Sweep(slots, documents, store, runtime.clock, settings.assigner_orphan_seconds)
        runtime.configurations.on_change.append(drain.wake)
        adopted = await MongoAdopted(runtime.database["adopted"]).load()
        fold: Fold[Assignment, Round] = Fold(
            service="assigner",
            decider=Assignments(
                loads=loads, versions=versions, clock=runtime.clock, on_free=drain.wake, adopted=adopted
            ),
            store=store,
            publisher=runtime.publisher,
            clock=runtime.clock,
            models=followed(),
            unnumbered=UNNUMBERED,
        )
        timers = TimerLoop(
            service="assigner",
            source=MongoDeadlines(documents),
            command=check_command,
            publisher=runtime.publisher,
            leases=runtime.leases,
            clock=runtime.clock,
            lag_seconds=runtime.lag_seconds,
            held=held,
        )
        await runtime.consume("assigner", fold, ignored_types=ignored())
        runtime.background("gaps", lambda: watch_gaps("assigner", store, runtime.clock))
        runtime.background("drain", drain.run)
        runtime.background("timers", timers.run)
        runtime.background("sweep", lambda: _sweeping(runtime, settings.assigner_sweep_seconds, sweep, drain))


async def _sweeping(runtime: Runtime, pause_seconds: float, sweep: Sweep, drain: Drain) -> None:
    """One replica at a time corrects the counts, and finds the conversations of people who are gone."""
    while True:
        await asyncio.sleep(pause_seconds)
        if await runtime.leases.acquire("sweep", pause_seconds * 2) is not None:
            if await sweep.turn():
                drain.wake()
            await drain.reassign()

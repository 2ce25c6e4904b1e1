"""The assigner's part of `postroom recover`: who was made owner since the backup is taken from the log, not decided again."""

from collections.abc import Sequence

from postroom_contracts.events import Event
from postroom_contracts.registry import source_of
from postroom_runtime.recovery import Recovery, ServiceRecovery
from postroom_runtime.recovery_steps import CHUNK, publish_pending

from postroom_assigner.adapters.adopted import MongoAdopted

_SOURCE = source_of("assigner")


async def to_log(recovery: Recovery) -> list[str]:
    return await publish_pending(recovery, recovery.database("assigner")["assignments"])


async def folds(recovery: Recovery) -> dict[str, tuple[str, ...]]:  # noqa: ARG001 - the form of a part
    return {"assigner": ("assignments",)}


async def owners_from_log(recovery: Recovery) -> list[str]:
    """Keep the facts that are not in our documents, by what caused them: the service takes them over as it reads again."""
    own = [event for event in recovery.log.recent if event.source == _SOURCE]
    database = recovery.database("assigner")
    numbers: dict[str, int] = {}
    ids = sorted({event.subject for event in own})
    for start in range(0, len(ids), CHUNK):
        wanted = {"_id": {"$in": ids[start : start + CHUNK]}}
        found = await database["assignments"].find(wanted, {"sequence": 1}).to_list(length=CHUNK)
        numbers |= {d["_id"]: d["sequence"] for d in found}
    causes = await MongoAdopted(database["adopted"]).replace(_newer(own, numbers))
    return [f"{causes} decisions of the log are taken over as they stand there"] if causes else []


def _newer(events: Sequence[Event], numbers: dict[str, int]) -> list[Event]:
    return [event for event in events if (event.sequence or 0) > numbers.get(event.subject, 0)]


RECOVERY = ServiceRecovery(
    "assigner",
    numbered="assignments",
    follows_commands="assignments",
    folds=folds,
    to_log=to_log,
    from_log=owners_from_log,
)

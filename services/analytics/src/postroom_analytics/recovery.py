"""Analytics' part of `postroom recover`: which documents wait for numbers that will not come."""

from postroom_runtime.recovery import Recovery, ServiceRecovery

from postroom_analytics.generations import Generations


async def folds(recovery: Recovery) -> dict[str, tuple[str, ...]]:
    generation = await Generations(recovery.database("analytics")).active()
    return {"analytics": (f"states_{generation}",)}


RECOVERY = ServiceRecovery("analytics", folds=folds)

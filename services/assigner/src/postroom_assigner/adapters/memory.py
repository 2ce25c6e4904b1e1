"""The double of the loads; it passes the same tests as the real one."""

from collections.abc import Iterable, Mapping
from copy import deepcopy

from postroom_runtime.errors import ConflictError

from postroom_assigner.ports import Load, Release, Take


class InMemoryAgentLoads:
    """Loads in a dictionary."""

    def __init__(self) -> None:
        self.stored: dict[str, Load] = {}

    async def load(self, agent_ids: Iterable[str]) -> dict[str, Load]:
        return {agent_id: deepcopy(self.stored.get(agent_id, Load())) for agent_id in agent_ids}

    async def take(self, takes: Mapping[str, Take]) -> None:
        refused = [agent_id for agent_id, take in takes.items() if not self._take(agent_id, take)]
        if refused:
            raise ConflictError("an agent has no such slot left")

    def _take(self, agent_id: str, take: Take) -> bool:
        load = self.stored.get(agent_id, Load())
        full = take.capacity is not None and load.count + len(take.new) > take.capacity
        if take.new and not full and not any(key in load.reserved for key in take.new):
            load.count += len(take.new)
            load.reserved = {k: r for k, r in load.reserved.items() if k not in take.confirmed} | take.new
            load.last_assigned = max(load.last_assigned, take.last_assigned)
            self.stored[agent_id] = load
        elif take.new:
            return False
        for old, (new, slot) in take.moves.items():
            if load.reserved.pop(old, None) is None:
                return False
            load.reserved[new] = slot
            load.last_assigned = max(load.last_assigned, take.last_assigned)
        return True

    async def give_back(self, releases: Mapping[str, Release]) -> None:
        for agent_id, release in releases.items():
            load = self.stored.get(agent_id, Load())
            if load.generation == release.generation:
                load.count -= release.count
            for key in release.reserved:
                if load.reserved.pop(key, None) is not None:
                    load.count -= 1

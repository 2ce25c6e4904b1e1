"""Double of the port PictureSenders."""


class InMemoryPictureSenders:
    def __init__(self) -> None:
        self.kept: dict[str, list[str]] = {}

    async def of(self, agent_id: str) -> list[str]:
        return list(self.kept.get(agent_id, []))

    async def add(self, agent_id: str, address: str) -> None:
        await self.remove(agent_id, address)
        self.kept[agent_id] = [*self.kept.get(agent_id, []), address][-500:]

    async def remove(self, agent_id: str, address: str) -> None:
        self.kept[agent_id] = [a for a in self.kept.get(agent_id, []) if a != address]

"""How long messages take until they are routed: what the service's objective is measured by."""

from collections.abc import Mapping, Sequence

from postroom_contracts.commands import AcceptMessage
from postroom_contracts.events import Data
from postroom_runtime.clock import Clock
from postroom_runtime.consumer import BatchHandler
from postroom_runtime.records import Incoming

from postroom_router.metrics import ROUTED_SECONDS


class MeasuredRouting:
    """Hands batches to the decide step and notes, once it has published, the age of each message in them."""

    def __init__(self, inner: BatchHandler, clock: Clock) -> None:
        self.models: Mapping[str, type[Data]] = inner.models
        self._inner = inner
        self._clock = clock

    async def handle(self, batch: Sequence[Incoming], committed: Mapping[str, int]) -> None:
        await self._inner.handle(batch, committed)
        now = self._clock.now()
        for incoming in batch:
            data = None if incoming.event is None else incoming.event.data
            if isinstance(data, AcceptMessage) and not data.inbound.imported:
                ROUTED_SECONDS.observe(max(0.0, (now - data.inbound.ingested_at).total_seconds()))

"""Analytics put together: the fold, the business series, the REST API."""

from postroom_runtime.service import Runtime
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stores import Stores
from prometheus_client import REGISTRY

from postroom_analytics.api import application
from postroom_analytics.generations import Generations
from postroom_analytics.handler import MetricsHandler
from postroom_analytics.reads import MetricsReads
from postroom_analytics.series import BusinessSeries
from postroom_analytics.store import MetricsStore


class Analytics:
    """The service `analytics`."""

    name = "analytics"
    needs_configuration = True

    def settings(self) -> RuntimeSettings:
        return RuntimeSettings()

    async def prepare(self, stores: Stores) -> None:
        generations = Generations(stores.database)
        await generations.prepare(await generations.active())

    async def build(self, runtime: Runtime) -> None:
        store = MetricsStore(runtime.database)
        reads = MetricsReads(runtime.database)
        series = BusinessSeries(reads)
        REGISTRY.register(series)

        async def unregister() -> None:
            REGISTRY.unregister(series)

        runtime.on_stop(unregister)
        runtime.door.before_scrape.append(series.refresh)
        runtime.serve(application(reads))
        await runtime.consume("analytics", MetricsHandler(store, runtime.configurations))

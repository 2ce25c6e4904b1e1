"""What `postroom doctor` asks of analytics: the indexes of the generation of figures that is in use."""

from collections.abc import Sequence

from postroom_contracts.configuration import Configuration
from postroom_runtime import mongo
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.findings import ANSWER_SECONDS, Finding, indexes
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stores import Stores

from postroom_analytics.app import Analytics
from postroom_analytics.generations import Generations


class _InUse(Analytics):
    """Analytics with the generation that a database says is in use: `prepare` asks that of the one that it is given."""

    def __init__(self, generation: int) -> None:
        self._generation = generation

    async def prepare(self, stores: Stores) -> None:
        await Generations(stores.database).prepare(self._generation)


async def check(settings: RuntimeSettings, configuration: Configuration | None) -> Sequence[Finding]:
    del configuration
    client = mongo.connect(settings.model_copy(update={"mongo_timeout_seconds": ANSWER_SECONDS}))
    try:
        generation = await Generations(mongo.database(client, settings, Analytics.name)).active()
    except InfrastructureError as error:
        return [Finding(f"indexes of {Analytics.name}", False, f"not read: {error}", "see mongodb")]
    finally:
        await mongo.close(client)
    return [await indexes(settings, _InUse(generation))]

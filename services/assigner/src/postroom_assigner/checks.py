"""What `postroom doctor` asks of the assigner: its indexes."""

from collections.abc import Sequence

from postroom_contracts.configuration import Configuration
from postroom_runtime.findings import Finding, indexes
from postroom_runtime.settings import RuntimeSettings

from postroom_assigner.app import Assigner


async def check(settings: RuntimeSettings, configuration: Configuration | None) -> Sequence[Finding]:
    del configuration
    return [await indexes(settings, Assigner())]

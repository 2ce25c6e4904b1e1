"""What `postroom doctor` asks of the desk: its indexes."""

from collections.abc import Sequence

from postroom_contracts.configuration import Configuration
from postroom_runtime.findings import Finding, indexes
from postroom_runtime.settings import RuntimeSettings

from postroom_desk.adapters import read_model

INDEXES = {
    "conversations": tuple(str(index.document["name"]) for index in read_model.INDEXES),
    "events": ("s_1_o_1", "k_1_p_1_o_1", "c_1", "at_-1"),
    "requests": ("at_1",),
}


async def check(settings: RuntimeSettings, configuration: Configuration | None) -> Sequence[Finding]:
    del configuration
    return [await indexes(settings, "desk", INDEXES)]

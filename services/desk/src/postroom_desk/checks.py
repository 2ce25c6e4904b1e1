"""What `postroom doctor` asks of the desk: its indexes."""

from collections.abc import Sequence

from postroom_contracts.configuration import Configuration
from postroom_runtime.findings import Finding, indexes
from postroom_runtime.settings import RuntimeSettings

INDEXES = {
    "conversations": (
        "state.status_1_state.waiting_order_1__id_1",
        "state.status_1_state.last_activity_at_-1__id_-1",
        "state.owner_id_1_state.status_1_state.waiting_order_1",
        "state.contact_ids_1_state.last_activity_at_-1",
    ),
    "events": ("s_1_o_1", "k_1_p_1_o_1", "c_1", "at_-1"),
    "requests": ("at_1",),
}


async def check(settings: RuntimeSettings, configuration: Configuration | None) -> Sequence[Finding]:
    del configuration
    return [await indexes(settings, "desk", INDEXES)]

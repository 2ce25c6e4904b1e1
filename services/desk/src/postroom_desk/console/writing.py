"""What the composer needs to know of the inbox: who can be mentioned and go on with a draft, what a first key does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postroom_contracts.configuration import Configuration
from postroom_contracts.rights import Ability, can

from postroom_desk.api.shown import agent_name
from postroom_desk.console.viewer import Viewer
from postroom_desk.domain.permissions import Operation


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who can read here, so that a note may name them; `writes`: they can go on with a draft, too."""

    id: str
    name: str
    writes: bool


def composer_context(configuration: Configuration, viewer: Viewer, inbox_id: str) -> Mapping[str, Any]:
    """Return `colleagues` (without the viewer) and `claim_on_reply` for the composer of a conversation in this inbox."""
    inbox = configuration.inbox(inbox_id)
    takes = inbox is not None and viewer.acting_id is not None and viewer.may(Operation.HANDLE, inbox_id)
    return {
        "colleagues": _colleagues(configuration, inbox_id, viewer.acting_id),
        "claim_on_reply": inbox.claim_on_reply if inbox is not None and takes else "never",
    }


def _colleagues(configuration: Configuration, inbox_id: str, without: str | None) -> list[Colleague]:
    return [
        Colleague(a.id, agent_name(configuration, a.id), can(configuration, Ability.NOTE, inbox_id, a.id))
        for a in configuration.agents
        if a.enabled and a.id != without and can(configuration, Ability.READ, inbox_id, a.id)
    ]

"""Who of the company can do what in an inbox: be mentioned, go on with a draft, be given a conversation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from postroom_contracts.configuration import Configuration
from postroom_contracts.rights import Ability, can, who_can

from postroom_desk.api.shown import agent_name
from postroom_desk.console.viewer import Viewer
from postroom_desk.domain.permissions import Operation


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who can read here, so that a note may name them; `writes`: they can go on with a draft, too."""

    id: str
    name: str
    writes: bool


@dataclass(frozen=True, slots=True)
class Assignees:
    """To whom a conversation can be given, by name; `others`: there are more people, who may not handle the inbox."""

    people: list[Colleague]
    others: bool


def assignees_of(configuration: Configuration, inbox_id: str) -> Assignees:
    """Return to whom a conversation of this inbox can be given. What the assigner refuses is not offered."""
    may = who_can(configuration, Ability.HANDLE, inbox_id)
    enabled = [a for a in configuration.agents if a.enabled]
    people = [Colleague(a.id, agent_name(configuration, a.id), writes=True) for a in enabled if a.id in may]
    return Assignees(sorted(people, key=lambda p: p.name.casefold()), others=len(people) < len(enabled))


def assignees_by_inbox(configuration: Configuration, inbox_ids: Iterable[str]) -> dict[str, list[str]]:
    """Return for each inbox the ids of those to whom its conversations can be given."""
    return {i: sorted(who_can(configuration, Ability.HANDLE, i)) for i in sorted(set(inbox_ids))}


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

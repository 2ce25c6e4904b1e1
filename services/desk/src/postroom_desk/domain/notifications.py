"""A person's list of notifications: what stands in it, and who is told. Pure. Which fact rings: `ringing.py`.

A notification names ids and codes; texts and names are read when it is shown, by whoever may read them then.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from postroom_contracts.configuration import Configuration, ToldKind
from postroom_contracts.fields import UtcTime
from postroom_contracts.ids import derived_id
from postroom_contracts.notifying import leads_of, told_of_deadline, told_of_silence, ways_of
from postroom_contracts.rights import Ability, can
from pydantic import BaseModel, ConfigDict

Kind = Literal[
    "assigned",
    "unassigned",
    "replied",
    "mentioned",
    "woken",
    "deadline_warned",
    "deadline_breached",
    "draft_handed",
    "draft_waits",
    "draft_approved",
    "undelivered",
    "refused",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
TOO_OLD = timedelta(hours=72)
"""A fact that is read so late rings no more: it is read by a desk that begins anew. As long as the notifier's bound."""
KEPT_DAYS = 90
KEPT_MOST = 500
_THEIR_TEXT: frozenset[Kind] = frozenset({"undelivered", "refused"})
"""Nobody can do without: they believe that the customer has their text."""
_CHOSEN_AS: dict[Kind, ToldKind] = {"draft_handed": "draft", "draft_waits": "draft", "draft_approved": "draft"}


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Notification(_Plain):
    """One line of somebody's list. `id` is derived from its cause: the same cause rings once."""

    id: str
    agent_id: str
    kind: Kind
    conversation_id: str
    inbox_id: str
    at: UtcTime
    actor_id: str | None = None
    """The agent who did it; None: a customer, a rule, a timer."""
    details: dict[str, str] = {}
    """Codes: `reason`, `deadline`, `watching`; `silent`: who lost it for giving no answer; `for`: whom no mail told."""
    read_at: UtcTime | None = None


class Ring(_Plain):
    """Something that people are told of, unless they do not want it or may not read it.

    Of a deadline: `agent_ids` is the owner, empty where there is none; with `silent` among the details who lost it for
    giving no answer. With `for` it is for the leads: that agent could not be told by mail.
    """

    kind: Kind
    cause_id: str
    agent_ids: tuple[str, ...]
    conversation_id: str
    inbox_id: str
    team_id: str | None
    at: UtcTime
    actor_id: str | None = None
    details: dict[str, str] = {}


def told(rings: Iterable[Ring], configuration: Configuration, now: datetime) -> list[Notification]:
    """Return the notifications of those who want them in the console and may read the inbox; none of what is days old."""
    fresh = (ring for ring in rings if now - ring.at <= TOO_OLD)
    return [
        Notification(
            id=derived_id("notification", ring.cause_id, ring.kind, agent_id),
            agent_id=agent_id,
            **ring.model_dump(exclude={"cause_id", "agent_ids", "team_id"}),
        )
        for ring in fresh
        for agent_id in _whom(ring, configuration)
        if _wants(ring, agent_id, configuration)
    ]


def _whom(ring: Ring, configuration: Configuration) -> Iterable[str]:
    if (silent := ring.details.get("silent")) is not None:
        return told_of_silence(configuration, silent, ring.team_id, ring.inbox_id)
    if (untold := ring.details.get("for")) is not None:
        return [a for a in leads_of(configuration, ring.team_id, ring.inbox_id) if a != untold]
    if ring.kind in ("deadline_warned", "deadline_breached"):
        owner = ring.agent_ids[0] if ring.agent_ids else None
        return told_of_deadline(configuration, owner, ring.team_id, ring.inbox_id)
    return dict.fromkeys(a for a in ring.agent_ids if a != ring.actor_id)


def _wants(ring: Ring, agent_id: str, configuration: Configuration) -> bool:
    agent = configuration.agent(agent_id)
    if agent is None or not agent.enabled or not can(configuration, Ability.READ, ring.inbox_id, agent_id):
        return False
    if ring.kind in _THEIR_TEXT:
        return True
    kind: Any = _CHOSEN_AS.get(ring.kind, ring.kind)
    return "console" in ways_of(configuration, agent_id, kind, ring.inbox_id)

"""Role and inbox rights of one person, changed within the configuration. Pure."""

from collections.abc import Mapping

from postroom_contracts.configuration import Configuration, Inbox, InboxAccess, InboxRight, Role

_STRONGEST: tuple[InboxRight, ...] = ("send_as", "send_on_behalf", "full_access")


def own_right(inbox: Inbox, agent_id: str) -> InboxRight | None:
    """Return the most that an entry in this person's own name gives; None: only what role and teams give."""
    rights = {right for entry in inbox.access or () if entry.agent == agent_id for right in entry.rights}
    return next((right for right in _STRONGEST if right in rights), None)


def with_role(configuration: Configuration, agent_id: str, role: Role) -> Configuration:
    """Return the configuration with this person's role; unchanged where there is no such person."""
    agents = [a.model_copy(update={"role": role}) if a.id == agent_id else a for a in configuration.agents]
    return configuration.model_copy(update={"agents": agents})


def with_rights(configuration: Configuration, agent_id: str, rights: Mapping[str, InboxRight | None]) -> Configuration:
    """Return the configuration with this person's own rights in the inboxes that `rights` names; None takes them away.

    An inbox without `access` gets what that means written down first: its teams keep what they had.
    """
    inboxes = [
        _with_right(i, agent_id, rights[i.id]) if i.id in rights and own_right(i, agent_id) != rights[i.id] else i
        for i in configuration.inboxes
    ]
    return configuration.model_copy(update={"inboxes": inboxes})


def _with_right(inbox: Inbox, agent_id: str, right: InboxRight | None) -> Inbox:
    of_teams = [InboxAccess(team=team, rights=["full_access", "send_as"]) for team in inbox.teams]
    kept = [entry for entry in (of_teams if inbox.access is None else inbox.access) if entry.agent != agent_id]
    given = [] if right is None else [InboxAccess(agent=agent_id, rights=[right])]
    access = [*kept, *given]
    return inbox.model_copy(update={"access": None if access == of_teams else access})

"""Changes somebody's role and rights: in the configuration, through the same writer and the same checks as its file."""

from collections.abc import Mapping

from postroom_contracts.configuration import Configuration, InboxRight, Role
from postroom_contracts.configuration_checks import findings, shown

from postroom_desk.configuration_writer import ConfigurationWriter
from postroom_desk.identity.administration import Administration, UnknownPersonError
from postroom_desk.identity.rights import with_rights, with_role


class UnknownInboxError(Exception):
    """There is no shared inbox of this id."""


class UnfitRightsError(Exception):
    """The configuration would not be in order with it; the text names where and what."""


async def change_rights(
    writer: ConfigurationWriter,
    administration: Administration,
    agent_id: str,
    role: Role | None,
    rights: Mapping[str, InboxRight | None],
    applied_by: str,
) -> int:
    """Apply them and return the configuration's version; what is not named stays as it is.

    Raises UnknownPersonError, UnknownInboxError, UnfitRightsError, LastAdminError, VersionConflictError.
    """
    keep_an_admin = await administration.keeper()

    def changed(before: Configuration) -> Configuration:
        if before.agent(agent_id) is None:
            raise UnknownPersonError(agent_id)
        for inbox_id in rights:
            inbox = before.inbox(inbox_id)
            if inbox is None or inbox.owner is not None:
                raise UnknownInboxError(inbox_id)
        after = with_rights(before, agent_id, rights)
        after = after if role is None else with_role(after, agent_id, role)
        if found := findings(after):
            raise UnfitRightsError(f"{shown(found[0].path)}: {found[0].message}")
        keep_an_admin(before, after)
        return after

    return await writer.change(changed, applied_by=applied_by)

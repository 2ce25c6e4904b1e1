"""The one permission table: every operation of the desk, and what it needs. What is not in it is allowed to nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from postroom_contracts.configuration import Role

from postroom_desk.domain.access import Ability, Access


class Operation(StrEnum):
    """What somebody can ask of the desk. Each route and each stream names exactly one."""

    # in one inbox
    READ_CONVERSATION = "read-conversation"
    ADD_NOTE = "add-note"
    ANSWER = "answer"
    START_CONVERSATION = "start-conversation"
    HANDLE = "handle"
    """Own, assign, tag, route, resolve, reopen, wait, snooze, archive, delete, restore, spam, merge, split, move."""
    WATCH = "watch"
    EDIT_DRAFT = "edit-draft"
    ERASE_CONTACT = "erase-contact"
    # of the house; lists show what the person may read
    LIST_CONVERSATIONS = "list-conversations"
    FOLLOW_EVENTS = "follow-events"
    SEE_COMPANY = "see-company"
    SEE_REPORTS = "see-reports"
    OWN_ACCOUNT = "own-account"
    """One's own password, second factor, sessions, tokens, preferences, filters, notifications, presence."""
    READ_SETTINGS = "read-settings"
    CHANGE_SETTINGS = "change-settings"
    CHANGE_SAVED_REPLIES = "change-saved-replies"
    MANAGE_PEOPLE = "manage-people"
    READ_AUDIT = "read-audit"
    RUN_DEMO = "run-demo"


@dataclass(frozen=True, slots=True)
class Need:
    """An ability in the conversation's inbox, or one of `roles`; `ability` None: only the role counts."""

    ability: Ability | None = None
    roles: frozenset[Role] = frozenset()


_EVERYBODY: frozenset[Role] = frozenset({"admin", "lead", "agent", "auditor"})
_WORKING: frozenset[Role] = frozenset({"admin", "lead", "agent"})
_ADMIN: frozenset[Role] = frozenset({"admin"})

TABLE: Mapping[Operation, Need] = {
    Operation.READ_CONVERSATION: Need(Ability.READ),
    Operation.ADD_NOTE: Need(Ability.NOTE),
    Operation.ANSWER: Need(Ability.SEND),
    Operation.START_CONVERSATION: Need(Ability.SEND),
    Operation.HANDLE: Need(Ability.HANDLE),
    Operation.WATCH: Need(Ability.READ, _WORKING),
    Operation.EDIT_DRAFT: Need(Ability.NOTE),
    Operation.ERASE_CONTACT: Need(None, _ADMIN),
    Operation.LIST_CONVERSATIONS: Need(None, _EVERYBODY),
    Operation.FOLLOW_EVENTS: Need(None, _EVERYBODY),
    Operation.SEE_COMPANY: Need(None, _EVERYBODY),
    Operation.SEE_REPORTS: Need(None, frozenset({"admin", "lead", "auditor"})),
    Operation.OWN_ACCOUNT: Need(None, _EVERYBODY),
    Operation.READ_SETTINGS: Need(None, frozenset({"admin", "auditor"})),
    Operation.CHANGE_SETTINGS: Need(None, _ADMIN),
    Operation.CHANGE_SAVED_REPLIES: Need(None, frozenset({"admin", "lead"})),
    Operation.MANAGE_PEOPLE: Need(None, _ADMIN),
    Operation.READ_AUDIT: Need(None, frozenset({"admin", "auditor"})),
    Operation.RUN_DEMO: Need(None, _EVERYBODY),
}


def allowed(access: Access, operation: Operation, inbox_id: str | None = None) -> bool:
    """Say whether this person may do it; in `inbox_id` where the operation concerns a conversation."""
    need = TABLE.get(operation)
    if need is None or (need.roles and access.role not in need.roles):
        return False
    return need.ability is None or (inbox_id is not None and access.can(need.ability, inbox_id))

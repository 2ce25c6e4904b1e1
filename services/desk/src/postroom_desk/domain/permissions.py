"""The one permission table: every operation of the desk, and what it needs. What is not in it is allowed to nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from postroom_contracts.configuration import Role

from postroom_desk.domain.access import Ability, Access

Scope = Literal["read", "write", "settings", "audit"]
"""What a token may be used for, at most; what its person may do remains the bound."""


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
    UPLOAD_FILE = "upload-file"
    """Bring in a file that a message of one's own will have."""
    OWN_ACCOUNT = "own-account"
    """One's own preferences, filters, notifications, presence."""
    OWN_CREDENTIALS = "own-credentials"
    """One's own password, second factor, sessions, tokens: never by a token that has scopes, lest it make a wider one."""
    READ_SETTINGS = "read-settings"
    CHANGE_SETTINGS = "change-settings"
    CHANGE_SAVED_REPLIES = "change-saved-replies"
    MANAGE_PEOPLE = "manage-people"
    READ_AUDIT = "read-audit"
    RUN_DEMO = "run-demo"


@dataclass(frozen=True, slots=True)
class Need:
    """All of these. `ability`: in the conversation's inbox; None: only the role counts. `roles`: one of them; empty: any.

    `scope`: what a token with scopes must have; None: such a token is not enough.
    """

    scope: Scope | None
    ability: Ability | None = None
    roles: frozenset[Role] = frozenset()


_EVERYBODY: frozenset[Role] = frozenset({"admin", "lead", "agent", "auditor"})
_WORKING: frozenset[Role] = frozenset({"admin", "lead", "agent"})
_ADMIN: frozenset[Role] = frozenset({"admin"})

TABLE: Mapping[Operation, Need] = {
    Operation.READ_CONVERSATION: Need("read", Ability.READ),
    Operation.ADD_NOTE: Need("write", Ability.NOTE),
    Operation.ANSWER: Need("write", Ability.SEND),
    Operation.START_CONVERSATION: Need("write", Ability.SEND),
    Operation.HANDLE: Need("write", Ability.HANDLE),
    Operation.WATCH: Need("write", Ability.READ, _WORKING),
    Operation.EDIT_DRAFT: Need("write", Ability.NOTE),
    Operation.ERASE_CONTACT: Need("write", None, _ADMIN),
    Operation.LIST_CONVERSATIONS: Need("read", None, _EVERYBODY),
    Operation.FOLLOW_EVENTS: Need("read", None, _EVERYBODY),
    Operation.SEE_COMPANY: Need("read", None, _EVERYBODY),
    Operation.SEE_REPORTS: Need("read", None, frozenset({"admin", "lead", "auditor"})),
    Operation.UPLOAD_FILE: Need("write", None, _WORKING),
    Operation.OWN_ACCOUNT: Need("write", None, _EVERYBODY),
    Operation.OWN_CREDENTIALS: Need(None, None, _EVERYBODY),
    Operation.READ_SETTINGS: Need("settings", None, frozenset({"admin", "auditor"})),
    Operation.CHANGE_SETTINGS: Need("settings", None, _ADMIN),
    Operation.CHANGE_SAVED_REPLIES: Need("settings", None, frozenset({"admin", "lead"})),
    Operation.MANAGE_PEOPLE: Need("settings", None, _ADMIN),
    Operation.READ_AUDIT: Need("audit", None, frozenset({"admin", "auditor"})),
    Operation.RUN_DEMO: Need("write", None, _EVERYBODY),
}


def in_scope(scopes: frozenset[Scope] | None, operation: Operation) -> bool:
    """Say whether a token of these scopes may be used for it; None: all."""
    need = TABLE.get(operation)
    return need is not None and (scopes is None or (need.scope is not None and need.scope in scopes))


def allowed(access: Access, operation: Operation, inbox_id: str | None = None) -> bool:
    """Say whether this person may do it; in `inbox_id` where the operation concerns a conversation."""
    need = TABLE.get(operation)
    if need is None or (need.roles and access.role not in need.roles):
        return False
    return need.ability is None or (inbox_id is not None and access.can(need.ability, inbox_id))

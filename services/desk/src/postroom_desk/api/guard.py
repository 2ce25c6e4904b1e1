"""The permission check of every route and stream: who asks, what they may do, and in which conversation.

A route names its operation once: `asker: Annotated[Asker, Depends(needs(Operation.READ_CONVERSATION))]`. Operations of the
house are decided by the dependency itself; those in an inbox by `Asker.conversation` or `Asker.in_inbox`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request

from postroom_desk.api.auth import Who
from postroom_desk.api.problems import Problem
from postroom_desk.domain.access import Access, access_of, access_of_system
from postroom_desk.domain.permissions import TABLE, Operation, allowed
from postroom_desk.domain.view import ConversationView
from postroom_desk.identity.principal import Principal
from postroom_desk.parts import Parts, parts_of
from postroom_desk.reading import UnknownConversationError


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for `operation`, and their access at this moment."""

    principal: Principal
    access: Access
    operation: Operation

    async def conversation(self, parts: Parts, conversation_id: str) -> ConversationView:
        """Return the conversation. Raises Problem 403 if they may only see it.

        Raises UnknownConversationError if it does not exist for them.
        """
        view = await parts.reader.view(conversation_id)
        if view.inbox_id not in self.access.readable:
            raise UnknownConversationError(conversation_id)
        self.in_inbox(view.inbox_id)
        return view

    def in_inbox(self, inbox_id: str) -> None:
        """Raises Problem 403 unless the operation is allowed in this inbox."""
        if not allowed(self.access, self.operation, inbox_id):
            raise _forbidden(self.operation)


def access_for(principal: Principal, parts: Parts) -> Access:
    """Return what a principal may do now; a change of the configuration counts at once."""
    configuration = parts.reader.configuration
    if principal.agent_id is None:
        return access_of_system(configuration)
    return access_of(configuration, principal.agent_id)


def needs(operation: Operation) -> Callable[[Request, Who], Awaitable[Asker]]:
    """Return the dependency of a route that does `operation`. It raises Problem 401 or 403."""

    async def check(request: Request, who: Who) -> Asker:
        access = access_for(who, parts_of(request))
        if TABLE[operation].ability is None and not allowed(access, operation):
            raise _forbidden(operation)
        return Asker(who, access, operation)

    check.operation = operation  # type: ignore[attr-defined]  # the test of all routes reads it
    return check


def _forbidden(operation: Operation) -> Problem:
    return Problem(403, "forbidden", "Not allowed", f"you have no right to {operation.value.replace('-', ' ')} here")

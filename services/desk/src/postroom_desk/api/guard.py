"""The permission check of every route and stream: who asks, what they may do, and in which conversation.

A route names its operation once: `asker: Annotated[Asker, Depends(needs(Operation.READ_CONVERSATION))]`. Operations of the
house are decided by the dependency itself; those in an inbox by `Asker.conversation`, `Asker.thread`, `Asker.inbox_of`
or `Asker.in_inbox`. A route without an operation fails the test of all routes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import Request

from postroom_desk.api.auth import Who, identify
from postroom_desk.api.problems import Problem
from postroom_desk.audit.trace import Trace
from postroom_desk.domain.access import Access, access_of, access_of_system
from postroom_desk.domain.permissions import TABLE, Operation, allowed, in_scope
from postroom_desk.domain.view import ConversationView
from postroom_desk.domain.window import Window
from postroom_desk.identity.principal import Principal
from postroom_desk.parts import Parts, parts_of
from postroom_desk.reading import Thread, UnknownConversationError


async def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for `operation`, and their access at this moment.

    `still_valid` says whether they would still be let in: their session has not ended, their token not been withdrawn.
    """

    principal: Principal
    access: Access
    operation: Operation
    still_valid: Callable[[], Awaitable[bool]] = _always
    trace: Trace = field(default_factory=lambda: Trace(""))
    """What the audit is told of this request."""

    @property
    def readable(self) -> frozenset[str]:
        """The inboxes that exist for them; every query of conversations is bound by it."""
        return self.access.readable

    async def conversation(self, parts: Parts, conversation_id: str) -> ConversationView:
        """Return the conversation. Raises Problem 403 if they may only see it.

        Raises UnknownConversationError if it does not exist for them.
        """
        self.trace.touches(conversation_id, None)
        view = await parts.reader.view(conversation_id, self.readable)
        self.trace.touches(conversation_id, view.inbox_id)
        self.in_inbox(view.inbox_id)
        return view

    async def thread(self, parts: Parts, conversation_id: str, window: Window | None = None) -> Thread:
        """Return the conversation with its texts, or those in `window`. Raises what `conversation` raises."""
        self.trace.touches(conversation_id, None)
        thread = await parts.reader.thread(conversation_id, self.readable, window)
        self.trace.touches(conversation_id, thread.view.inbox_id)
        self.in_inbox(thread.view.inbox_id)
        return thread

    async def inbox_of(self, parts: Parts, conversation_id: str) -> str:
        """Return the conversation's inbox, as soon as its first fact is known here. Raises what `conversation` raises."""
        self.trace.touches(conversation_id, None)
        inbox_id = await parts.inboxes.of(conversation_id)
        if inbox_id is None or inbox_id not in self.readable:
            raise UnknownConversationError(conversation_id)
        self.trace.touches(conversation_id, inbox_id)
        self.in_inbox(inbox_id)
        return inbox_id

    def in_inbox(self, inbox_id: str) -> None:
        """Raises Problem 403 unless the operation is allowed in this inbox, which they may read."""
        if not allowed(self.access, self.operation, inbox_id):
            raise _forbidden(self.operation)

    def may(self, operation: Operation, inbox_id: str | None = None) -> bool:
        """Say whether another operation would be allowed to them, for what a page offers."""
        return in_scope(self.principal.scopes, operation) and allowed(self.access, operation, inbox_id)


def access_for(principal: Principal, parts: Parts) -> Access:
    """Return what a principal may do now; a change of the configuration counts at once."""
    configuration = parts.reader.configuration
    if principal.agent_id is None:
        return access_of_system(configuration)
    return access_of(configuration, principal.agent_id)


def checked(request: Request, who: Principal, operation: Operation) -> Asker:
    """Return who asks, for a route that does `operation`. Raises Problem 403."""
    trace = request.state.audit = Trace(operation.value, who)
    access = access_for(who, parts_of(request))
    if access.role is None:
        detail = f"{who.agent_id} is not an enabled agent of the configuration"
        raise Problem(403, "no-person", "Not allowed", detail)
    if not in_scope(who.scopes, operation):
        detail = f"this token's scopes do not allow to {_words(operation)}"
        raise Problem(403, "scope", "Not allowed", detail)
    if TABLE[operation].ability is None and not allowed(access, operation):
        raise _forbidden(operation)

    async def still_valid() -> bool:
        return await identify(request) == who

    return Asker(who, access, operation, still_valid, trace)


def needs(operation: Operation) -> Callable[[Request, Who], Awaitable[Asker]]:
    """Return the dependency of a route that does `operation`. It raises Problem 401 or 403."""

    async def check(request: Request, who: Who) -> Asker:
        return checked(request, who, operation)

    check.operation = operation  # type: ignore[attr-defined]  # the test of all routes reads it
    return check


def _words(operation: Operation) -> str:
    return operation.value.replace("-", " ")


def _forbidden(operation: Operation) -> Problem:
    return Problem(403, "forbidden", "Not allowed", f"you have no right to {_words(operation)} here")

"""Who looks at a page: in which language and time zone, as whom, and what they may do."""

import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from fastapi import Request
from postroom_contracts.configuration import Configuration
from postroom_runtime.errors import InfrastructureError

from postroom_desk.api.auth import identify
from postroom_desk.api.guard import Asker, checked
from postroom_desk.console.texts import Texts, language_of, texts
from postroom_desk.domain.access import NOTHING, Access, access_of
from postroom_desk.domain.permissions import Operation, allowed, in_scope
from postroom_desk.parts import parts_of

AGENT_COOKIE = "postroom_agent"
LANGUAGE_COOKIE = "postroom_language"
ZONE_COOKIE = "postroom_zone"
_ZONE = re.compile(r"[A-Za-z]{1,20}(/[A-Za-z0-9_+-]{1,30}){0,2}")


class NotSignedInError(Exception):
    """The browser has no valid session or token: it is sent to the form."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """`acting_id`: the agent whose folders are shown and who acts; None: nobody was chosen. `asker` None: a stranger."""

    texts: Texts
    zone: ZoneInfo | None = None
    asker: Asker | None = None
    acting_id: str | None = None
    acting: Access | None = None
    unread: int | None = None
    """Notifications that the agent has not read; None: nobody was chosen, or a fragment is asked for."""

    @property
    def readable(self) -> frozenset[str]:
        """The inboxes that exist for who looks."""
        return self.asker.access.readable if self.asker else frozenset()

    @property
    def signed_in(self) -> Asker:
        """Who asks. Raises NotSignedInError for a stranger."""
        if self.asker is None:
            raise NotSignedInError
        return self.asker

    @property
    def chooses(self) -> bool:
        """The token is bound to nobody: whoever holds it says whom they act as."""
        return self.asker is not None and self.asker.principal.agent_id is None

    def may(self, operation: str, inbox_id: str | None = None) -> bool:
        """Say whether what a button does is allowed to whom it would be done by."""
        access = self.acting or (self.asker.access if self.asker else NOTHING)
        scopes = self.asker.principal.scopes if self.asker else None
        return in_scope(scopes, Operation(operation)) and allowed(access, Operation(operation), inbox_id)

    @property
    def writes_first(self) -> bool:
        """Whether there is an inbox from which a conversation may be started."""
        return any(self.may(Operation.START_CONVERSATION, i) for i in self.readable)

    def sees(self, operation: Operation) -> bool:
        """Say whether a page of the house is shown: whoever holds the token looks, whomever they act as."""
        return self.asker is not None and self.asker.may(operation)

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone or UTC)


def stranger(request: Request) -> Viewer:
    """Return the viewer of a page for which nobody needs to be signed in."""
    language = language_of(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language"))
    return Viewer(texts(language), _zone(request.cookies.get(ZONE_COOKIE)))


def page_needs(operation: Operation) -> Callable[[Request], Awaitable[Viewer]]:
    """Return the dependency of a page that does `operation`: as `guard.needs`, but who is not signed in goes to the form."""

    async def check(request: Request) -> Viewer:
        parts = parts_of(request)
        principal = await identify(request)
        if principal is None:
            raise NotSignedInError
        asker = checked(request, principal, operation)
        configuration = parts.reader.configuration
        acting_id = principal.agent_id or _chosen(request, configuration)
        acting = access_of(configuration, acting_id) if acting_id else None
        unread = await _unread(request, asker, acting_id)
        return replace(stranger(request), asker=asker, acting_id=acting_id, acting=acting, unread=unread)

    check.operation = operation  # type: ignore[attr-defined]  # the test of all routes reads it
    return check


async def _unread(request: Request, asker: Asker, agent_id: str | None) -> int | None:
    """Return it for a whole page; afterwards the page's live connection tells it."""
    whole = "text/html" in request.headers.get("accept", "") and "hx-request" not in request.headers
    if agent_id is None or not whole or request.method != "GET":
        return None
    with contextlib.suppress(InfrastructureError):
        return await parts_of(request).bell.feed.unread(agent_id, asker.readable)
    return None


def _chosen(request: Request, configuration: Configuration) -> str | None:
    agent = configuration.agent(request.cookies.get(AGENT_COOKIE))
    return agent.id if agent and agent.enabled else None


def _zone(name: str | None) -> ZoneInfo | None:
    if not name or not _ZONE.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None

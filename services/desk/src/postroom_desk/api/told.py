"""Tells the audit what happened to somebody's identity: log-ins, passwords, sessions, second factors, tokens."""

import structlog
from fastapi import Request

from postroom_desk.api.auth import where_of
from postroom_desk.audit.port import MAX_CHARACTERS, Entry, Outcome
from postroom_desk.identity.login import Begun, Refused, TooMany
from postroom_desk.identity.login import Outcome as LogInOutcome
from postroom_desk.identity.sessions import Session
from postroom_desk.parts import parts_of


async def tell(
    request: Request,
    action: str,
    outcome: Outcome = "done",
    *,
    session: Session | None = None,
    person: str | None = None,
    about: str = "",
    **details: str,
) -> None:
    """Return when it stands in the audit. Raises InfrastructureError."""
    where = where_of(request)
    bound = structlog.contextvars.get_contextvars()
    await parts_of(request).audit.record(
        Entry(
            action=action,
            outcome=outcome,
            person=person or (session.agent_id if session else None),
            principal=f"session:{session.agent_id or ''}:{session.name}" if session else "",
            session_id=session.id if session else None,
            ip=where.address,
            user_agent=where.client[:MAX_CHARACTERS],
            request_id=str(bound.get("request_id", "")),
            about=about,
            details=details,
        )
    )


async def tell_log_in(request: Request, outcome: LogInOutcome, by: str) -> None:
    """Tell of a log-in. What was typed in one that failed is told to nobody: it may be a password."""
    match outcome:
        case Begun(_, session):
            action = "log-in" if session.stage == "full" else "first-factor"
            await tell(request, action, session=session, by=by)
        case Refused():
            await tell(request, "failed-log-in", "refused", by=by)
        case TooMany():
            await tell(request, "too-many-log-ins", "refused", by=by)

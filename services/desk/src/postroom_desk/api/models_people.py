"""People as the API shows them: who may log in, and how."""

from datetime import datetime
from typing import Annotated

from postroom_contracts.configuration import InboxRight, Role
from postroom_contracts.fields import Slug
from pydantic import BaseModel, ConfigDict, Field

from postroom_desk.api.models import Answer
from postroom_desk.identity.administration import Known
from postroom_desk.identity.api_tokens import ApiToken
from postroom_desk.identity.letters import State
from postroom_desk.identity.links import Purpose
from postroom_desk.identity.sessions import By, Session
from postroom_desk.identity.states import LoginState


class LetterShown(Answer):
    """The latest mail with a link. `reason`: a code, why it waits or failed."""

    purpose: Purpose
    state: State
    wanted_at: datetime
    reason: str


class PersonShown(Answer):
    """`login`: the state that counts first. `sessions`, `tokens`: how many have not ended."""

    id: str
    name: str
    email: str
    role: Role | None
    login: LoginState
    second_factor: bool
    recovery_codes: int
    last_login_at: datetime | None
    last_login_by: str
    sessions: int
    tokens: int
    letter: LetterShown | None


class People(Answer):
    items: list[PersonShown]


class SessionShown(Answer):
    by: By
    client: str
    address: str
    created_at: datetime
    seen_at: datetime
    ends_at: datetime


class TokenShown(Answer):
    """`id` is a digest: it lets nobody in."""

    id: str
    name: str
    scopes: list[str]
    hint: str
    created_at: datetime
    ends_at: datetime
    used_at: datetime | None


class InboxRights(Answer):
    """`own`: what an entry in this person's name gives. `abilities`: what they can do, by whatever right."""

    inbox_id: str
    own: InboxRight | None
    abilities: list[str]


class PersonDetails(PersonShown):
    open_sessions: list[SessionShown]
    api_tokens: list[TokenShown]
    inboxes: list[InboxRights]


class LinkMade(Answer):
    """`mailed`: it is on its way. Else `link` is to be given to its person; it is not shown again."""

    mailed: bool
    link: str | None = None
    ends_at: datetime | None = None


class RightsAsked(BaseModel):
    """What is left out stays. `inboxes`: by id, the right in this person's own name; null takes it away."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Role | None = None
    inboxes: Annotated[dict[Slug, InboxRight | None], Field(max_length=2000)] = {}


class RightsChanged(Answer):
    configuration_version: int


def person_shown(known: Known) -> PersonShown:
    return PersonShown(**shown_fields(known))


def shown_fields(known: Known) -> dict[str, object]:
    """Return the fields of PersonShown."""
    agent, person, letter = known.agent, known.person, known.letter
    return {
        "id": known.agent_id,
        "name": f"{agent.first_name} {agent.last_name}".strip() if agent else known.agent_id,
        "email": agent.email if agent else "",
        "role": agent.role if agent else None,
        "login": known.state,
        "second_factor": person is not None and person.second_factor is not None,
        "recovery_codes": len(person.recovery) if person else 0,
        "last_login_at": person.last_login_at if person else None,
        "last_login_by": person.last_login_by if person else "",
        "sessions": known.sessions,
        "tokens": known.tokens,
        "letter": letter
        and LetterShown(purpose=letter.purpose, state=letter.state, wanted_at=letter.wanted_at, reason=letter.reason),
    }


def session_shown(s: Session) -> SessionShown:
    return SessionShown(
        by=s.by, client=s.client, address=s.address, created_at=s.created_at, seen_at=s.seen_at, ends_at=s.ends_at
    )


def token_shown(t: ApiToken) -> TokenShown:
    return TokenShown(
        id=t.id,
        name=t.name,
        scopes=list(t.scopes),
        hint=t.hint,
        created_at=t.created_at,
        ends_at=t.ends_at,
        used_at=t.used_at,
    )

"""Who may log in: for admins. Name, address and teams are configuration; the page of it is `/settings/people`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from postroom_contracts.configuration import InboxRight, Role

from postroom_desk.api import models_people as m
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.configuration_writer import VersionConflictError
from postroom_desk.domain.access import access_of
from postroom_desk.domain.permissions import Operation
from postroom_desk.identity.administration import LastAdminError, NotPossibleError, UnknownPersonError
from postroom_desk.identity.links import Purpose, address
from postroom_desk.identity.rights import own_right
from postroom_desk.parts import Parts
from postroom_desk.people_rights import UnfitRightsError, UnknownInboxError, change_rights

router = APIRouter(prefix="/people", responses={409: {"description": "Not possible: `code` says why"}})
Manages = Annotated[Asker, Depends(needs(Operation.MANAGE_PEOPLE))]
AgentId = Annotated[str, Path(max_length=63, pattern=r"^[a-z0-9][a-z0-9-]*$")]
TokenId = Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f]+$")]
LAST_ADMIN = "this is the last admin who can log in: make somebody else an admin first"
_WHY = {
    "not_enabled": "this person is not enabled in the configuration",
    "disabled": "this person was put out: invite them, or let them in again",
    "not_invited": "this person was not invited yet",
    "active": "this person has a password already",
    "sso": "people log in by single sign-on alone here",
}


_LINKED: dict[int | str, dict[str, Any]] = {201: {"model": m.LinkMade, "description": "Not mailed: here it is"}}


@contextmanager
def explained() -> Iterator[None]:
    """Turn what cannot be done into problems: 404 for a person that there is not, 409 or 422 for the rest."""
    try:
        yield
    except UnknownPersonError as error:
        raise not_found("there is no such person") from error
    except LastAdminError as error:
        raise Problem(
            409, "last-admin", "Nobody could manage people any more", LAST_ADMIN, code="last_admin"
        ) from error
    except NotPossibleError as error:
        raise Problem(409, "not-possible", "Not possible", _WHY[error.code], code=error.code) from error
    except UnknownInboxError as error:
        raise Problem(422, "unknown-inbox", "Unknown inbox", f"{error} is no shared inbox") from error
    except UnfitRightsError as error:
        raise Problem(422, "invalid", "The configuration would not be in order", str(error)) from error
    except VersionConflictError as error:
        raise Problem(409, "conflict", "Others write the configuration", "ask again") from error


@router.get("", summary="Everybody who may log in, or could")
async def list_people(parts: PartsOf, _asker: Manages) -> m.People:
    found = await parts.identity.administration.all(parts.reader.configuration)
    return m.People(items=[m.person_shown(known) for known in found])


@router.get("/{agent_id}", summary="One person: sessions, tokens, rights")
async def read_person(agent_id: AgentId, parts: PartsOf, _asker: Manages) -> m.PersonDetails:
    with explained():
        return await details(parts, agent_id)


@router.post(
    "/{agent_id}/invitation",
    summary="Invite: mail a link by which they choose a password",
    status_code=202,
    responses=_LINKED,
)
async def invite(agent_id: AgentId, parts: PartsOf, asker: Manages, response: Response) -> m.LinkMade:
    """Lets a person in again who was put out."""
    return await _linked(parts, asker, agent_id, "invitation", response)


@router.post(
    "/{agent_id}/reset",
    summary="Mail a link by which they choose another password",
    status_code=202,
    responses=_LINKED,
)
async def reset(agent_id: AgentId, parts: PartsOf, asker: Manages, response: Response) -> m.LinkMade:
    """Until it is used the old password stays."""
    return await _linked(parts, asker, agent_id, "reset", response)


@router.post("/{agent_id}/disable", summary="Put out: sessions, links and tokens end", status_code=204)
async def disable(agent_id: AgentId, parts: PartsOf, asker: Manages) -> None:
    with explained():
        await put_out(parts, asker, agent_id)


@router.post("/{agent_id}/enable", summary="Let in again, with the password that they had", status_code=204)
async def enable(agent_id: AgentId, parts: PartsOf, asker: Manages) -> None:
    with explained():
        await let_in(parts, asker, agent_id)


@router.delete("/{agent_id}/sessions", summary="End all sessions", status_code=204)
async def end_sessions(agent_id: AgentId, parts: PartsOf, asker: Manages) -> None:
    with explained():
        await sessions_ended(parts, asker, agent_id)


@router.delete("/{agent_id}/second-factor", summary="Take off the second factor; all sessions end", status_code=204)
async def take_off_second_factor(agent_id: AgentId, parts: PartsOf, asker: Manages) -> None:
    with explained():
        await factor_taken_off(parts, asker, agent_id)


@router.delete("/{agent_id}/tokens/{token_id}", summary="Withdraw one of their API tokens", status_code=204)
async def withdraw_token(agent_id: AgentId, token_id: TokenId, parts: PartsOf, asker: Manages) -> None:
    if not await token_withdrawn(parts, asker, agent_id, token_id):
        raise not_found("this person has no such token")


@router.put("/{agent_id}/rights", summary="Change role and rights in inboxes")
async def put_rights(agent_id: AgentId, asked: m.RightsAsked, parts: PartsOf, asker: Manages) -> m.RightsChanged:
    """Written into the configuration, as the settings' pages do it; every service works by it within five seconds."""
    with explained():
        version = await rights_changed(parts, asker, agent_id, asked.role, asked.inboxes)
    return m.RightsChanged(configuration_version=version)


# --- what the page does, too ----------------------------------------------------------------------------------------


async def details(parts: Parts, agent_id: str) -> m.PersonDetails:
    """Raises UnknownPersonError."""
    configuration, administration = parts.reader.configuration, parts.identity.administration
    known = await administration.one(configuration, agent_id)
    access = access_of(configuration, agent_id)
    return m.PersonDetails(
        **m.shown_fields(known),
        open_sessions=[m.session_shown(s) for s in await administration.sessions_of(agent_id)],
        api_tokens=[m.token_shown(t) for t in await administration.tokens_of(agent_id)],
        inboxes=[
            m.InboxRights(
                inbox_id=i.id, own=own_right(i, agent_id), abilities=sorted(map(str, access.inboxes.get(i.id, ())))
            )
            for i in configuration.inboxes
            if i.owner is None
        ],
    )


async def link_made(parts: Parts, asker: Asker, agent_id: str, purpose: Purpose) -> m.LinkMade:
    """Raises UnknownPersonError, NotPossibleError; Problem 403 where a token with scopes would be shown the link."""
    configuration, letters = parts.reader.configuration, parts.identity.letters
    if not letters.can_send(configuration) and asker.principal.scopes is not None:
        detail = "no mail can be sent here, and a token with scopes is shown no link: ask on the page"
        raise Problem(403, "scope", "Not allowed", detail)
    asker.trace.did("person-invited" if purpose == "invitation" else "reset-link-made", agent_id)
    made = await parts.identity.administration.link(configuration, agent_id, purpose, asker.principal.key)
    if made is None:
        return m.LinkMade(mailed=True)
    return m.LinkMade(mailed=False, link=address(parts.settings.public_url, purpose, made[0]), ends_at=made[1])


async def _linked(parts: Parts, asker: Asker, agent_id: str, purpose: Purpose, response: Response) -> m.LinkMade:
    with explained():
        made = await link_made(parts, asker, agent_id, purpose)
    response.status_code = 202 if made.mailed else 201
    response.headers["Cache-Control"] = "no-store"
    return made


async def put_out(parts: Parts, asker: Asker, agent_id: str) -> None:
    """Raises UnknownPersonError, LastAdminError."""
    asker.trace.did("person-disabled", agent_id)
    await parts.identity.administration.disable(parts.reader.configuration, agent_id)


async def let_in(parts: Parts, asker: Asker, agent_id: str) -> None:
    """Raises UnknownPersonError, NotPossibleError."""
    asker.trace.did("person-enabled", agent_id)
    await parts.identity.administration.enable(parts.reader.configuration, agent_id)


async def sessions_ended(parts: Parts, asker: Asker, agent_id: str) -> None:
    """Raises UnknownPersonError."""
    asker.trace.did("sessions-ended", agent_id, which="all")
    await parts.identity.administration.end_sessions(parts.reader.configuration, agent_id)


async def factor_taken_off(parts: Parts, asker: Asker, agent_id: str) -> None:
    """Raises UnknownPersonError."""
    asker.trace.did("second-factor-taken-off", agent_id)
    await parts.identity.administration.take_off_second_factor(parts.reader.configuration, agent_id)


async def token_withdrawn(parts: Parts, asker: Asker, agent_id: str, token_id: str) -> bool:
    asker.trace.did("token-withdrawn", token_id, of=agent_id)
    return await parts.identity.administration.tokens.remove(agent_id, token_id)


async def rights_changed(
    parts: Parts, asker: Asker, agent_id: str, role: Role | None, rights: Mapping[str, InboxRight | None]
) -> int:
    """Raises what `change_rights` raises, and Problem 503 where the configuration cannot be written."""
    if parts.writer is None:
        raise Problem(503, "unavailable", "Not available", "the configuration cannot be written here")
    told = {"role": role} if role else {}
    named = {f"inbox_{n}": f"{inbox}={right}" for n, (inbox, right) in enumerate(rights.items(), 1)}
    asker.trace.did("rights-changed", agent_id, **told, **named)
    who = asker.principal.agent_id or asker.principal.name
    return await change_rights(
        parts.writer, parts.identity.administration, agent_id, role, rights, applied_by=f"desk: {who}"
    )

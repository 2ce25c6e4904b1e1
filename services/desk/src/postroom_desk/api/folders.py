"""Folders with their counts, saved filters, and what one has read."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.models_folders import FilterAsked, FilterShown, FolderShown, FolderTree
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.domain.filters import SavedFilter
from postroom_desk.domain.folders import folders
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts

router = APIRouter()
AgentNamed = Annotated[
    str | None, Query(alias="agent", max_length=63, description="Whose; needed unless the token names one")
]


def acting(asker: Asker, parts: Parts, named: str | None) -> str | None:
    """Return the agent who asks: the token's own, or the one that a token of the deployment names.

    Raises Problem 403 for another than the token's own, 422 for one that is not an enabled agent.
    """
    own = asker.principal.agent_id
    if own is not None and named not in (None, own):
        raise Problem(403, "other-agent", "Not allowed", f"this token acts as {own} only")
    agent_id = own or named
    if agent_id is not None:
        agent = parts.reader.configuration.agent(agent_id)
        if agent is None or not agent.enabled:
            raise Problem(422, "unknown-agent", "Unknown agent", "`agent` must name an enabled agent")
    return agent_id


def acting_agent(asker: Asker, parts: Parts, named: str | None) -> str:
    """Return the agent who asks. Raises Problem 422 when nobody is named, and what `acting` raises."""
    agent_id = acting(asker, parts, named)
    if agent_id is None:
        raise Problem(422, "unknown-agent", "Unknown agent", "name the agent in `agent`: this token is bound to nobody")
    return agent_id


def _teams(parts: Parts, agent_id: str) -> list[str]:
    return [t.id for t in parts.reader.configuration.teams if agent_id in t.members]


# --- folders ----------------------------------------------------------------------------------------------------


@router.get("/folders", summary="Folders with their counts")
async def read_folders(
    parts: PartsOf, asker: Annotated[Asker, Depends(needs(Operation.LIST_CONVERSATIONS))], agent: AgentNamed = None
) -> FolderTree:
    """Every folder with what lies in it now, at most a second old, counted over what one may read.

    `query` are the parameters of `GET /conversations` that list it. The live event `counts` holds the same numbers.
    """
    agent_id = acting(asker, parts, agent)
    readable = asker.access.readable
    counts = (await parts.folders.current()).counts(readable, agent_id)
    found = folders(parts.reader.configuration, counts, readable, agent_id)
    saved = await parts.filters.of(agent_id, _teams(parts, agent_id)) if agent_id else []
    return FolderTree(
        folders=[
            FolderShown(key=f.key, section=f.section, name=f.name, count=f.count, query=dict(f.query)) for f in found
        ],
        filters=[_shown(s) for s in saved],
    )


# --- saved filters ----------------------------------------------------------------------------------------------

Own = Annotated[Asker, Depends(needs(Operation.OWN_ACCOUNT))]


@router.get("/filters", summary="Saved filters")
async def read_filters(parts: PartsOf, asker: Own, agent: AgentNamed = None) -> list[FilterShown]:
    """One's own, and those shared with one's teams."""
    agent_id = acting_agent(asker, parts, agent)
    return [_shown(s) for s in await parts.filters.of(agent_id, _teams(parts, agent_id))]


@router.post("/filters", summary="Save a filter", status_code=201)
async def add_filter(asked: FilterAsked, parts: PartsOf, asker: Own) -> FilterShown:
    agent_id = acting_agent(asker, parts, asked.agent)
    if len(await parts.filters.of(agent_id, ())) >= MOST_FILTERS:
        raise Problem(422, "too-many", "Too many filters", f"at most {MOST_FILTERS} filters are kept for a person")
    _may_share(parts, agent_id, asked.team_id)
    return await _save(parts, asked, uuid.uuid4().hex, agent_id)


@router.put("/filters/{filter_id}", summary="Change a saved filter")
async def change_filter(filter_id: str, asked: FilterAsked, parts: PartsOf, asker: Own) -> FilterShown:
    """One's own; an admin may change those that are shared."""
    agent_id = acting_agent(asker, parts, asked.agent)
    saved = await _changeable(parts, asker, filter_id, agent_id)
    _may_share(parts, saved.owner_id, asked.team_id)
    return await _save(parts, asked, filter_id, saved.owner_id)


@router.delete("/filters/{filter_id}", summary="Delete a saved filter", status_code=204)
async def delete_filter(filter_id: str, parts: PartsOf, asker: Own, agent: AgentNamed = None) -> Response:
    await _changeable(parts, asker, filter_id, acting_agent(asker, parts, agent))
    await parts.filters.delete(filter_id)
    return Response(status_code=204)


MOST_FILTERS = 100


def _may_share(parts: Parts, agent_id: str, team_id: str | None) -> None:
    if team_id is not None and team_id not in _teams(parts, agent_id):
        raise Problem(422, "unknown-team", "Not a team of yours", "`team_id` must name a team that its owner is in")


async def _changeable(parts: Parts, asker: Asker, filter_id: str, agent_id: str) -> SavedFilter:
    saved = await parts.filters.get(filter_id)
    seen = saved is not None and (saved.owner_id == agent_id or saved.team_id in _teams(parts, agent_id))
    if saved is None or not (seen or (saved.team_id is not None and asker.access.role == "admin")):
        raise not_found("there is no such filter")
    if saved.owner_id != agent_id and asker.access.role != "admin":
        raise Problem(403, "forbidden", "Not allowed", "this filter is another's")
    return saved


async def _save(parts: Parts, asked: FilterAsked, filter_id: str, owner_id: str) -> FilterShown:
    saved = SavedFilter(
        id=filter_id,
        name=asked.name,
        owner_id=owner_id,
        team_id=asked.team_id,
        query=asked.query,
        search=asked.search,
    )
    await parts.filters.put(saved)
    return _shown(saved)


def _shown(saved: SavedFilter) -> FilterShown:
    return FilterShown(
        id=saved.id,
        name=saved.name,
        owner_id=saved.owner_id,
        team_id=saved.team_id,
        query=saved.query.model_dump(mode="json", exclude_defaults=True),
        search=saved.search,
    )


# --- read and unread --------------------------------------------------------------------------------------------

Reading = Annotated[Asker, Depends(needs(Operation.READ_CONVERSATION))]


@router.put("/conversations/{conversation_id}/read", summary="Mark as read", status_code=204)
async def mark_read(conversation_id: str, parts: PartsOf, asker: Reading, agent: AgentNamed = None) -> Response:
    """For this person: all that is there now, and their notifications of it. It is no longer unattended."""
    agent_id = acting_agent(asker, parts, agent)
    view = await asker.conversation(parts, conversation_id)
    await parts.marks.read(conversation_id, agent_id, parts.clock.now())
    await parts.bell.opened(agent_id, [conversation_id, *view.absorbed])
    parts.folders.touch()
    return Response(status_code=204)


@router.delete("/conversations/{conversation_id}/read", summary="Mark as unread", status_code=204)
async def mark_unread(conversation_id: str, parts: PartsOf, asker: Reading, agent: AgentNamed = None) -> Response:
    """For this person alone."""
    agent_id = acting_agent(asker, parts, agent)
    await asker.conversation(parts, conversation_id)
    await parts.marks.unread(conversation_id, agent_id)
    parts.folders.touch()
    return Response(status_code=204)

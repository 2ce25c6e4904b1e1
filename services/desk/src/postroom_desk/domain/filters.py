"""Saved filters: a name for what a list asks for, of one person, or shared with a team."""

from typing import Annotated, Literal

from postroom_contracts.fields import Slug
from postroom_contracts.values import Status
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from postroom_desk.domain.queries import Cursor, ListQuery, Sort

ME = "me"
Person = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""An agent's id, or `me`: whoever asks."""
Named = Annotated[str, StringConstraints(max_length=200)]


class ListParameters(BaseModel):
    """What a list of conversations can be asked for; all that is given must hold. A saved filter holds the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Annotated[list[Status], Field(max_length=7, description="Default: all but spam, deleted, merged")] = []
    inbox: Named | None = None
    team: Named | None = None
    tag: Named | None = None
    owner: Annotated[Person | None, Field(description="An agent, or `me`")] = None
    contact: Named | None = None
    mentioned: Annotated[Person | None, Field(description="Who is named in a note; `me`")] = None
    watcher: Annotated[Person | None, Field(description="An agent, or `me`")] = None
    unassigned: bool = False
    unattended: Annotated[bool, Field(description="A customer waits, and no agent has looked at it since")] = False
    archived: bool = False
    sort: Sort = "waiting"

    def query(
        self, readable: frozenset[str], agent_id: str | None, limit: int = 50, cursor: Cursor | None = None
    ) -> ListQuery:
        """Return the query of somebody who may read `readable`. With no agent, `me` is nobody."""

        def person(named: str | None) -> str | None:
            return (agent_id or "") if named == ME else named

        return ListQuery(
            readable=readable,
            statuses=tuple(self.status),
            inbox_id=self.inbox,
            team_id=self.team,
            tag=self.tag,
            owner_id=person(self.owner),
            contact_id=self.contact,
            mentioned=person(self.mentioned),
            watcher=person(self.watcher),
            unassigned=self.unassigned,
            unattended=self.unattended,
            archived=self.archived,
            sort=self.sort,
            limit=limit,
            cursor=cursor,
        )


class SavedFilter(BaseModel):
    """`team_id` None: for its owner alone. `query` are the parameters of the list; `search` those of the search page."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    owner_id: str
    team_id: Slug | None = None
    query: ListParameters = ListParameters()
    search: str = ""

    kind: Literal["filter"] = "filter"

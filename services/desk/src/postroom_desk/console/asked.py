"""What a list is asked for, as its address says it: the same parameters as the API's."""

from typing import Annotated, Any
from urllib.parse import urlencode

from postroom_contracts.values import Status
from pydantic import BaseModel, ConfigDict, Field

from postroom_desk.api.problems import Problem
from postroom_desk.domain.queries import CursorError, ListQuery, Sort, decode_cursor

LIMIT = 50


class ListAsked(BaseModel):
    """All that is given must hold. Unknown parameters are passed over: an old link still opens."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Annotated[list[Status], Field(max_length=7)] = []
    inbox: str | None = None
    team: str | None = None
    tag: str | None = None
    owner: str | None = None
    contact: str | None = None
    unassigned: bool = False
    archived: bool = False
    sort: Sort = "waiting"
    cursor: Annotated[str | None, Field(max_length=500)] = None

    def query(self, readable: frozenset[str]) -> ListQuery:
        """Return the query of somebody who may read `readable`. Raises Problem 400 for a cursor that is none of this list."""
        try:
            after = decode_cursor(self.cursor, self.sort) if self.cursor else None
        except CursorError as error:
            raise Problem(400, "bad-cursor", "Bad cursor", str(error)) from error
        return ListQuery(
            readable=readable,
            statuses=tuple(self.status),
            inbox_id=self.inbox,
            team_id=self.team,
            tag=self.tag,
            owner_id=self.owner,
            contact_id=self.contact,
            unassigned=self.unassigned,
            archived=self.archived,
            sort=self.sort,
            limit=LIMIT,
            cursor=after,
        )

    def address(self, path: str, **changes: Any) -> str:
        """Return `path` with these parameters, some of them changed; the page within the list is left out unless named."""
        return address(path, self.model_dump(mode="json", exclude_defaults=True, exclude={"cursor"}) | changes)

    def hidden_fields(self) -> list[tuple[str, str]]:
        """Return what a form that changes the order must keep."""
        given = self.model_dump(mode="json", exclude_defaults=True, exclude={"cursor", "sort"})
        return [(k, str(v).lower() if isinstance(v, bool) else str(v)) for k, vs in given.items() for v in _listed(vs)]

    def is_folder(self, query: dict[str, str]) -> bool:
        """Say whether this is the list of a folder, in whatever order."""
        given = self.model_dump(mode="json", exclude_defaults=True, exclude={"cursor", "sort"})
        own = ListAsked.model_validate({**query, "status": [query["status"]] if "status" in query else []})
        return given == own.model_dump(mode="json", exclude_defaults=True, exclude={"cursor", "sort"})


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def address(path: str, parameters: dict[str, Any]) -> str:
    said = [(k, str(v).lower() if isinstance(v, bool) else v) for k, vs in parameters.items() for v in _listed(vs)]
    return f"{path}?{urlencode(said)}" if said else path

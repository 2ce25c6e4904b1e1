"""What a list is asked for, as its address says it: the same parameters as the API's."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import ConfigDict, Field

from postroom_desk.api.problems import Problem
from postroom_desk.domain.filters import ListParameters
from postroom_desk.domain.queries import CursorError, ListQuery, decode_cursor

LIMIT = 50


class ListAsked(ListParameters):
    """A list of the console. Unknown parameters are passed over: an old link still opens."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    cursor: Annotated[str | None, Field(max_length=500)] = None

    def list_query(self, readable: frozenset[str], agent_id: str | None) -> ListQuery:
        """Return the query of somebody who may read `readable`. Raises Problem 400 for a cursor that is none of this list."""
        try:
            after = decode_cursor(self.cursor, self.sort) if self.cursor else None
        except CursorError as error:
            raise Problem(400, "bad-cursor", "Bad cursor", str(error)) from error
        return self.query(readable, agent_id, LIMIT, after)

    def address(self, path: str, **changes: Any) -> str:
        """Return `path` with these parameters, some of them changed; the page within the list is left out unless named."""
        return address(path, self.model_dump(mode="json", exclude_defaults=True, exclude={"cursor"}) | changes)

    def hidden_fields(self) -> list[tuple[str, str]]:
        """Return what a form that changes the order must keep."""
        given = self.model_dump(mode="json", exclude_defaults=True, exclude={"cursor", "sort"})
        return [(k, str(v).lower() if isinstance(v, bool) else str(v)) for k, vs in given.items() for v in _listed(vs)]

    def is_folder(self, query: Mapping[str, Any]) -> bool:
        """Say whether this is the list of a folder, in whatever order."""
        given = self.model_dump(mode="json", exclude_defaults=True, exclude={"cursor", "sort"})
        own = ListAsked.model_validate({**query, "status": _listed(query.get("status", []))})
        return given == own.model_dump(mode="json", exclude_defaults=True, exclude={"cursor", "sort"})


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def address(path: str, parameters: dict[str, Any]) -> str:
    said = [(k, str(v).lower() if isinstance(v, bool) else v) for k, vs in parameters.items() for v in _listed(vs)]
    return f"{path}?{urlencode(said)}" if said else path

"""The bodies of folders and saved filters."""

from typing import Annotated, Any, Literal

from postroom_contracts.fields import Slug
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from postroom_desk.api.models import Answer
from postroom_desk.domain.filters import ListParameters


class FolderShown(Answer):
    """`name` is empty for folders that every desk has: they are named in the reader's language by their `key`."""

    key: str
    section: Literal["personal", "shared", "inboxes", "teams", "people", "tags"]
    name: str
    count: int
    query: dict[str, str]


class FilterShown(Answer):
    """`query` are parameters of `GET /conversations`; `search` is the `q` of `GET /search`, when it has one."""

    id: str
    name: str
    owner_id: str
    team_id: str | None
    query: dict[str, Any]
    search: str


class FolderTree(Answer):
    folders: list[FolderShown]
    """In the order in which they are shown."""
    filters: list[FilterShown]


class FilterAsked(BaseModel):
    """A filter to save; `team_id` shares it with a team of its owner."""

    model_config = ConfigDict(extra="forbid")

    agent: Slug | None = None
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    team_id: Slug | None = None
    query: ListParameters = ListParameters()
    search: Annotated[str, Field(max_length=500)] = ""

"""The folders of the left pane for one viewer, and the filters that they have saved."""

from dataclasses import dataclass

from postroom_desk.console.asked import ListAsked, address
from postroom_desk.console.viewer import Viewer
from postroom_desk.domain.folders import Folder, folders
from postroom_desk.parts import Parts


def folders_of(parts: Parts, viewer: Viewer) -> list[Folder]:
    """Return the folders in the order in which they are shown, without counts."""
    return folders(parts.reader.configuration, {}, viewer.readable, viewer.acting_id)


async def counted_folders(parts: Parts, viewer: Viewer) -> tuple[list[Folder], int]:
    """Return the folders with what lies in each, at most a second old; and how many drafts the viewer has."""
    counts = (await parts.folders.current()).counts(viewer.readable, viewer.acting_id)
    found = folders(parts.reader.configuration, counts, viewer.readable, viewer.acting_id)
    return found, counts.get("drafts", 0)


@dataclass(frozen=True, slots=True)
class SavedList:
    """A saved filter as a link: to a list, or to a search."""

    id: str
    name: str
    search: str
    asked: ListAsked
    owner_id: str = ""
    team_id: str | None = None
    """With whom it is shared."""

    @property
    def address(self) -> str:
        return address("/search", {"q": self.search}) if self.search else self.asked.address("/conversations")

    def lists(self, asked: ListAsked) -> bool:
        """Say whether this is the list that `asked` asks for, in whatever order."""
        return not self.search and asked.is_folder(self.asked.model_dump(mode="json", exclude_defaults=True))


async def saved_filters(parts: Parts, viewer: Viewer) -> list[SavedList]:
    """Return one's own filters and those shared with one's teams, by name."""
    agent_id = viewer.acting_id
    if agent_id is None:
        return []
    teams = [t.id for t in parts.reader.configuration.teams if agent_id in t.members]
    found = await parts.filters.of(agent_id, teams)
    return [
        SavedList(f.id, f.name, f.search, ListAsked.model_validate(f.query.model_dump()), f.owner_id, f.team_id)
        for f in found
    ]

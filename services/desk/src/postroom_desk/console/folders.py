"""The folders of the left pane: which there are for this viewer, what each lists, and how many lie in it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from postroom_contracts.configuration import Configuration
from postroom_contracts.values import Status

from postroom_desk.console.viewer import Viewer
from postroom_desk.ports import CountRow
from postroom_desk.reading import summed

SECTIONS = ("personal", "shared", "inboxes", "teams", "people", "tags")


@dataclass(frozen=True, slots=True)
class Folder:
    """`query` are the parameters of its list; `name` is empty for those that every desk has; `count` None: not counted."""

    key: str
    section: str
    query: Mapping[str, str]
    name: str = ""
    count: int | None = None


def folders_of(configuration: Configuration, viewer: Viewer, rows: Iterable[CountRow]) -> list[Folder]:
    """Return the folders in the order in which they are shown; without `rows` none has a count."""
    counts = dict(_counts(list(rows)))
    found = [*_personal(viewer), *_shared(), *_named(configuration, viewer)]
    return [Folder(f.key, f.section, f.query, f.name, counts.get(f.key) if counts else None) for f in found]


def _open(**query: str) -> dict[str, str]:
    return {"status": Status.OPEN.value, **query}


def _personal(viewer: Viewer) -> Iterator[Folder]:
    if viewer.acting_id is not None:
        yield Folder("mine", "personal", _open(owner=viewer.acting_id))


def _shared() -> Iterator[Folder]:
    yield Folder("unassigned", "shared", _open(unassigned="true"))
    yield Folder("open", "shared", _open())
    for status in (Status.WAITING, Status.SNOOZED, Status.RESOLVED):
        yield Folder(status.value, "shared", {"status": status.value, "sort": "newest"})
    yield Folder("archived", "shared", {"status": Status.RESOLVED.value, "archived": "true", "sort": "newest"})
    for status in (Status.SPAM, Status.DELETED):
        yield Folder(status.value, "shared", {"status": status.value, "sort": "newest"})


def _named(configuration: Configuration, viewer: Viewer) -> Iterator[Folder]:
    for inbox in configuration.inboxes:
        if inbox.id in viewer.readable:
            yield Folder(f"inbox:{inbox.id}", "inboxes", _open(inbox=inbox.id), inbox.name)
    for team in configuration.teams:
        yield Folder(f"team:{team.id}", "teams", _open(team=team.id), team.name)
    for agent in configuration.agents:
        if agent.enabled:
            name = f"{agent.first_name} {agent.last_name}".strip()
            yield Folder(f"person:{agent.id}", "people", _open(owner=agent.id), name)
    for tag in configuration.tags:
        yield Folder(f"tag:{tag.id}", "tags", _open(tag=tag.id), tag.name or tag.id)


def _counts(rows: list[CountRow]) -> Iterator[tuple[str, int]]:
    opened = [r for r in rows if r.status == Status.OPEN]
    yield "open", summed(opened)
    yield "unassigned", summed(r for r in opened if not r.owned)
    for status in (Status.WAITING, Status.SNOOZED, Status.RESOLVED, Status.SPAM, Status.DELETED):
        yield status.value, summed(r for r in rows if r.status == status and not r.archived)
    for inbox_id in {r.inbox_id for r in opened}:
        yield f"inbox:{inbox_id}", summed(r for r in opened if r.inbox_id == inbox_id)
    for team_id in {r.team_id for r in opened}:
        yield f"team:{team_id}", summed(r for r in opened if r.team_id == team_id)

"""Folders: what lies in them for one person, counted, and the query of the list that each stands for. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from postroom_contracts.configuration import Configuration
from postroom_contracts.values import Status

Section = Literal["personal", "shared", "inboxes", "teams", "people", "tags"]


@dataclass(frozen=True, slots=True)
class FacetRow:
    """How many conversations share status and facet (see `ConversationView.facet`); `unattended` of them are such."""

    status: str
    facet: str
    conversations: int
    unattended: int


@dataclass(frozen=True, slots=True)
class PersonRow:
    """How many conversations of one inbox concern one person."""

    agent_id: str
    inbox_id: str
    conversations: int


@dataclass(frozen=True, slots=True)
class Folder:
    """`query` are the parameters of the list of conversations; `count` what lies in it now.

    `key` names it among all folders: `mine`, `inbox:support`. `name` is a name of the configuration, empty for those
    that every desk has.
    """

    key: str
    section: Section
    query: Mapping[str, str]
    name: str = ""
    count: int = 0


@dataclass(slots=True)
class FolderTable:
    """The counts of the whole house at one moment; what one person may see is picked out of it.

    `mentions`: conversations with a mention that its person has not read. `watched`: open ones, by watcher.
    `drafts`: what people have begun to write; it has a place of its own and no list of conversations.
    """

    rows: Sequence[FacetRow] = ()
    mentions: Sequence[PersonRow] = ()
    watched: Sequence[PersonRow] = ()
    drafts: Sequence[PersonRow] = ()
    _picked: dict[tuple[frozenset[str], str | None], Counter[str]] = field(default_factory=dict, compare=False)

    def counts(self, readable: frozenset[str], agent_id: str | None) -> Mapping[str, int]:
        """Return folder key to number, without zeros. Conversations outside `readable` do not exist."""
        asked = (readable, agent_id)
        if asked not in self._picked:
            self._picked[asked] = self._pick(readable, agent_id)
        return self._picked[asked]

    def _pick(self, readable: frozenset[str], agent_id: str | None) -> Counter[str]:
        counts: Counter[str] = Counter()
        for row in self.rows:
            inbox, _, rest = row.facet.partition("/")
            if inbox in readable:
                _count(counts, row, inbox, rest, agent_id)
        for name, rows in (("mentions", self.mentions), ("watching", self.watched), ("drafts", self.drafts)):
            counts[name] += sum(r.conversations for r in rows if r.agent_id == agent_id and r.inbox_id in readable)
        return +counts


def _count(counts: Counter[str], row: FacetRow, inbox: str, rest: str, agent_id: str | None) -> None:
    team, owner, tags = rest.split("/")
    counts["unattended"] += row.unattended
    if row.status != Status.OPEN:
        counts[row.status] += row.conversations
        return
    keys = ["open", f"inbox:{inbox}", f"person:{owner}" if owner else "unassigned"]
    keys += [f"team:{team}"] if team else []
    keys += ["mine"] if owner and owner == agent_id else []
    keys += [f"tag:{tag}" for tag in tags.split(",") if tag]
    for key in keys:
        counts[key] += row.conversations


def folders(
    configuration: Configuration, counts: Mapping[str, int], readable: frozenset[str], agent_id: str | None
) -> list[Folder]:
    """Return all folders of a person in the order in which they are shown, empty ones included.

    Tags that the configuration does not name come last, when they are in use.
    """
    found = [*_personal(agent_id), *_shared(), *_named(configuration, readable)]
    known = {f.key for f in found}
    more = sorted(key for key in counts if key.startswith("tag:") and key not in known)
    found += [Folder(key, "tags", _open(tag=key[4:]), key[4:]) for key in more]
    return [Folder(f.key, f.section, f.query, f.name, counts.get(f.key, 0)) for f in found]


def _open(**query: str) -> dict[str, str]:
    return {"status": Status.OPEN.value, **query}


def _personal(agent_id: str | None) -> Iterator[Folder]:
    if agent_id is not None:
        yield Folder("mine", "personal", _open(owner=agent_id))
        yield Folder("mentions", "personal", {"mentioned": agent_id, "sort": "newest"})
        yield Folder("watching", "personal", _open(watcher=agent_id))


def _shared() -> Iterator[Folder]:
    yield Folder("unassigned", "shared", _open(unassigned="true"))
    yield Folder("unattended", "shared", {"unattended": "true"})
    yield Folder("open", "shared", _open())
    yield Folder("waiting", "shared", {"status": Status.WAITING.value, "sort": "newest"})
    yield Folder("snoozed", "shared", {"status": Status.SNOOZED.value, "sort": "newest"})
    yield Folder("resolved", "shared", {"status": Status.RESOLVED.value, "sort": "newest"})
    yield Folder("archived", "shared", {"status": Status.RESOLVED.value, "archived": "true", "sort": "newest"})
    yield Folder("spam", "shared", {"status": Status.SPAM.value, "sort": "newest"})
    yield Folder("deleted", "shared", {"status": Status.DELETED.value, "sort": "newest"})


def _named(configuration: Configuration, readable: frozenset[str]) -> Iterator[Folder]:
    shown: Iterable[tuple[str, str, Section]] = [(i.id, i.name, "inboxes") for i in configuration.inboxes]
    for identifier, name, section in shown:
        if identifier in readable:
            yield Folder(f"inbox:{identifier}", section, _open(inbox=identifier), name)
    for team in configuration.teams:
        yield Folder(f"team:{team.id}", "teams", _open(team=team.id), team.name)
    for agent in configuration.agents:
        if agent.enabled:
            name = f"{agent.first_name} {agent.last_name}".strip()
            yield Folder(f"person:{agent.id}", "people", _open(owner=agent.id), name)
    for tag in configuration.tags:
        yield Folder(f"tag:{tag.id}", "tags", _open(tag=tag.id), tag.name or tag.id)

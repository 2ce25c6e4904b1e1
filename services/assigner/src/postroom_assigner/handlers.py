"""The assigner's part of the fold: read loads, decide on a board, take slots before owners are saved, free them after."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from postroom_contracts import commands as c
from postroom_contracts import facts as f
from postroom_contracts.business_time import to_epoch_ms
from postroom_contracts.configuration import Configuration, Team
from postroom_contracts.events import Data, Event
from postroom_contracts.response_times.model import ConversationClocks
from postroom_contracts.response_times.view import versions_of
from postroom_runtime.clock import Clock
from postroom_runtime.documents import Decision, Document, Emit
from postroom_runtime.errors import ConflictError
from postroom_runtime.fold import QuietDecider
from postroom_runtime.records import Incoming

from postroom_assigner.domain.adopting import adopt
from postroom_assigner.domain.assignment import Assignment
from postroom_assigner.domain.board import Board, Standing, UnforeseenAgentError
from postroom_assigner.domain.company import Company
from postroom_assigner.domain.deadlines import check, follow
from postroom_assigner.domain.decide_facts import decide_fact
from postroom_assigner.domain.decide_requests import FullUntilSavedError, decide_request
from postroom_assigner.domain.ownership import Case, Outcome
from postroom_assigner.ports import AgentLoads, Load, Release, Reserved, Take, slot_key

_COMPANIES_KEPT = 8
_FOLLOWING_A_MESSAGE = (
    f.MessageReceived,
    f.ConversationStarted,
    f.ReplyAccepted,
    f.ConversationRouted,
    f.ConversationSplitOff,
)
"""Facts that name the version they were made with."""
RESULTS = (f.MessageSent, f.MessageFailed, f.MessageCancelled)
"""The notifier's facts that deadlines depend on. They need no order among each other."""


class Versions:
    """The configurations as they come, indexed; the last few are kept."""

    def __init__(self, at: Callable[[int], Configuration], latest: Callable[[], int]) -> None:
        self._at = at
        self._latest = latest
        self._kept: dict[int, Company] = {}

    def company(self, version: int = 0) -> Company:
        """Return version `version`, 0: the newest. Raises ConfigurationNotYetError when it has not come."""
        number = version or self._latest()
        known = self._kept.get(number)
        if known is None:
            known = self._kept[number] = Company(self._at(number), number)
            while len(self._kept) > _COMPANIES_KEPT:
                del self._kept[min(self._kept)]
        return known

    def clocked(self, clocks: ConversationClocks | None, data: Data) -> dict[int, Configuration]:
        """Return the configurations that these clocks and this fact name. Raises ConfigurationNotYetError."""
        named = set() if clocks is None else versions_of(clocks)
        named.add(getattr(data, "configuration_version", 0))
        return {version: self._at(version) for version in named if version}

    def for_data(self, data: Data) -> Company:
        """Return the company that this record is decided with: the message's own, for all else the newest."""
        if isinstance(data, f.MessageReceived):
            return self.company(data.configuration_version)
        if isinstance(data, _FOLLOWING_A_MESSAGE) and data.configuration_version > self._latest():
            return self.company(data.configuration_version)
        return self.company()


@dataclass(slots=True)
class Round:
    """What one batch's decisions share."""

    board: Board
    loads: dict[str, Load]
    orphans: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Conversation -> (agent, key) of slots that were reserved for it and whose owner is not saved."""


class Assignments(QuietDecider[Assignment, Round]):
    """The decider of group `assigner`. `on_free` is told when a place became free.

    `adopted`: what was decided before a loss, by its cause; it is not decided again.
    """

    def __init__(
        self,
        *,
        loads: AgentLoads,
        versions: Versions,
        clock: Clock,
        on_free: Callable[[], None] = lambda: None,
        adopted: Mapping[str, Sequence[f.Fact]] = MappingProxyType({}),
    ) -> None:
        self._adopted = adopted
        self._loads = loads
        self._versions = versions
        self._clock = clock
        self._on_free = on_free
        self._confirmed: dict[str, list[str]] = {}
        self._read_everybody = False

    async def prepare(self, batch: Sequence[Incoming], documents: Mapping[str, Document[Assignment]]) -> Round:
        """Read the loads of everybody whom this batch may give or take something: one query."""
        agents: set[str] = set()
        teams: dict[tuple[int, str], Team] = {}
        for incoming in batch:
            if incoming.event is not None:
                self._look_at(documents[incoming.key].state, incoming.event.data, agents, teams)
        for team in teams.values():
            agents.update(team.members)
        if self._read_everybody or any(document.ahead for document in documents.values()):
            agents.update(self._versions.company().agents)
            self._read_everybody = False
        agents.update(d.state.slot for d in documents.values() if d.state is not None and d.state.slot)
        loads = await self._loads.load(agents)
        standings = {agent_id: Standing(load.count, load.last_assigned) for agent_id, load in loads.items()}
        return Round(Board(self._clock.now(), standings), loads, _orphans(loads, documents))

    def _look_at(
        self, state: Assignment | None, data: Data, agents: set[str], teams: dict[tuple[int, str], Team]
    ) -> None:
        """Add the agents and teams among whom this record may choose; none where a look shows that nothing changes."""
        company = self._versions.for_data(data)
        if isinstance(data, RESULTS) or (isinstance(data, f.MessageReceived) and _changes_nothing(state, data)):
            return
        for team_id in _teams(state, data, company):
            team = company.team(team_id)
            if team is not None:
                teams[company.version, team.id] = team
        agents.update(_named(state, data))

    def decide(self, state: Assignment | None, incoming: Incoming, context: Round) -> Decision[Assignment] | None:
        event = incoming.the_event
        company = self._versions.for_data(event.data)
        self._free_orphans(incoming.key, context)
        case = Case(context.board, company, incoming.key, event.id)
        try:
            outcome = self._decided(state, event, case)
            if (then := self._adopted.get(event.id)) is not None:  # it was decided before a loss, and the log says how
                outcome = adopt(outcome or Outcome(state or Assignment()), then, company)
            if outcome is None:
                return None
            _move(state, outcome.state, case)
        except UnforeseenAgentError as error:
            self._read_everybody = True
            raise ConflictError(f"the load of {error} was not read") from error
        except FullUntilSavedError as error:
            raise ConflictError(f"{error} is full until this batch is saved") from error
        return Decision(outcome.state, [Emit(fact, _discriminator(fact)) for fact in outcome.facts])

    def _decided(self, state: Assignment | None, event: Event, case: Case) -> Outcome | None:
        data, clocks = event.data, state.clocks if state is not None else None
        if isinstance(data, c.CheckDeadline):
            return check(state, data, event.time, case, self._versions.clocked(clocks, data))
        outcome = _decided(state, data, case)
        if clocks is None and not case.company.configuration.policies:
            return outcome
        return follow(state, outcome, data, event.time, case, self._versions.clocked(clocks, data))

    def _free_orphans(self, conversation_id: str, context: Round) -> None:
        """A slot that was reserved for this very conversation must not stand in its own way."""
        for agent_id, key in context.orphans.get(conversation_id, ()):
            if key in context.loads[agent_id].reserved:
                context.board.give_back(agent_id)
                del context.loads[agent_id].reserved[key]

    async def before_save(self, documents: Sequence[Document[Assignment]], context: Round) -> None:
        """Take a slot for each owner that these documents will name, before they do."""
        takes: dict[str, Take] = {}
        for document in documents:
            agent_id = _slot(document.state)
            if agent_id is None or agent_id == _slot(document.before):
                continue
            assert document.state is not None
            key = slot_key(document.id, document.state.epoch)
            take = takes.get(agent_id)
            if take is None:
                take = takes[agent_id] = self._take_of(agent_id, context)
            slot = Reserved(document.id, document.state.epoch, context.board.now)
            old = next((k for a, k in context.orphans.get(document.id, ()) if a == agent_id), None)
            if old is None:
                take.new[key] = slot
            else:
                take.moves[old] = (key, slot)
        if takes:
            await self._loads.take(takes)

    def _take_of(self, agent_id: str, context: Round) -> Take:
        return Take(
            capacity=context.board.capacities.get(agent_id),
            last_assigned=context.board.standings[agent_id].last_assigned,
            confirmed=self._confirmed.pop(agent_id, []),
        )

    async def after_save(self, documents: Sequence[Document[Assignment]], context: Round) -> None:
        """Free what is not held any more. Only now: until the save another's place may depend on it.

        A crash before this leaves a count too high, never too low; the sweep corrects it.
        """
        releases: dict[str, Release] = {}
        for document in documents:
            if not document.changed:
                continue  # another replica may be about to save it: only who changed the document knows that it cannot
            before, now = _slot(document.before), _slot(document.state)
            if before is not None and before != now and before in context.loads:
                _release_of(before, releases, context).count += 1
            for agent_id, key in context.orphans.get(document.id, ()):
                if agent_id != now:
                    _release_of(agent_id, releases, context).reserved.append(key)
            if now is not None and now != before:
                assert document.state is not None
                self._confirmed.setdefault(now, []).append(slot_key(document.id, document.state.epoch))
        if releases:
            await self._loads.give_back(releases)
            self._on_free()


def _decided(state: Assignment | None, data: Data, case: Case) -> Outcome | None:
    if isinstance(data, f.Fact):
        return decide_fact(state, data, case)
    return decide_request(state, data, case) if isinstance(data, c.Command) else None


def _discriminator(fact: f.Fact) -> str:
    """One cause may tell of several targets of one kind: a turn's that was replaced, and the one in its place."""
    if isinstance(fact, f.DeadlineWarned | f.DeadlineBreached):
        at = fact.due_at if isinstance(fact, f.DeadlineWarned) else fact.breached_at
        began = to_epoch_ms(fact.started_at) if fact.started_at else 0
        return f"{fact.deadline} {fact.policy_id} {began} {to_epoch_ms(at)}"
    return ""


def _move(before: Assignment | None, after: Assignment, case: Case) -> None:
    """Bring the board up to this decision for those that follow in the batch."""
    old, new = _slot(before), _slot(after)
    if old == new:
        return
    if old is not None:
        case.board.released.add(old)
    if new is not None:
        case.board.take(case.company, new)


def _slot(state: Assignment | None) -> str | None:
    return None if state is None else state.slot


def _release_of(agent_id: str, releases: dict[str, Release], context: Round) -> Release:
    found = releases.get(agent_id)
    if found is None:
        found = releases[agent_id] = Release(context.loads[agent_id].generation)
    return found


def _orphans(
    loads: Mapping[str, Load], documents: Mapping[str, Document[Assignment]]
) -> dict[str, list[tuple[str, str]]]:
    """Return reservations for this batch's conversations that the documents do not show as used."""
    found: dict[str, list[tuple[str, str]]] = {}
    for agent_id, load in loads.items():
        for key, reserved in load.reserved.items():
            document = documents.get(reserved.conversation_id)
            if document is None:
                continue
            used = document.state is not None and document.state.epoch >= reserved.epoch
            if not (used and _slot(document.state) == agent_id):
                found.setdefault(reserved.conversation_id, []).append((agent_id, key))
    return found


def _changes_nothing(state: Assignment | None, data: f.MessageReceived) -> bool:
    """Say whether the message goes to a conversation that has its owner and keeps team, status and priority."""
    return (
        state is not None
        and state.slot is not None
        and data.status == state.status
        and (data.team_id is None or data.team_id == state.routed_team_id)
    )


def _teams(state: Assignment | None, data: Data, company: Company) -> Iterable[str | None]:
    if state is not None:
        yield state.team_id
        if isinstance(data, c.CheckDeadline) and state.clocks is not None:
            policy = company.configuration.policy(state.clocks.policy)
            yield policy.escalate_to_team if policy else None
    yield getattr(data, "team_id", None)
    yield company.team_of_inbox(getattr(data, "inbox_id", None) or (state.inbox_id if state else None))


def _named(state: Assignment | None, data: Data) -> Iterable[str]:
    agent_id = getattr(data, "agent_id", None)
    if agent_id is not None:
        yield agent_id
    actor = getattr(data, "actor", None)
    if actor is not None and actor.kind == "agent":
        yield actor.id
    if state is not None:
        yield from (agent for agent in (state.owner, state.previous) if agent)

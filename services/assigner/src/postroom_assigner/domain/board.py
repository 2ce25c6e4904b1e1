"""The board: who has how much, as a batch's decisions see it one after another.

It is made from the loads that were read and moves with each decision, so that two decisions of one batch do not give the
same last place away twice. What other replicas take meanwhile is settled when the slots are taken in the store.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from postroom_contracts.business_time import to_epoch_ms
from postroom_contracts.configuration import Team
from postroom_contracts.values import AssignmentRecord, Candidates, LeftOut, Preferred

from postroom_assigner.domain.company import Company
from postroom_assigner.domain.duty import Duty

Because = Literal["previous_owner", "rule", "claim", "manual", "started"]
BY_HAND: frozenset[str] = frozenset({"claim", "manual", "started"})
"""Preferences that a person stated: they hold off duty too."""
_STAMPS_PER_MS = 1000


class UnforeseenAgentError(Exception):
    """A decision needs an agent whose load was not read: read more and decide again."""


@dataclass(slots=True)
class Standing:
    """What is known of one agent. `last_assigned` rises with each assignment anywhere; 0: never."""

    load: int = 0
    last_assigned: int = 0


@dataclass(slots=True)
class Line:
    """A team's members as the next decision sees them: the eligible ones in round robin's order, and the others."""

    company: Company
    team: Team
    agent_ids: list[str]
    loads: list[int]
    capacities: list[int | None]
    left_out: dict[tuple[str, ...], tuple[list[str], list[int], list[int | None]]]
    calendar_state: dict[str, Literal["open", "closed"]]
    limited: bool
    _left_out: list[LeftOut] | None = None

    def take(self, agent_id: str) -> None:
        """Give `agent_id` one more: to the end of the line, or out of it when that was the last place."""
        try:
            n = self.agent_ids.index(agent_id)
        except ValueError:
            self._take_left_out(agent_id)
            return
        del self.agent_ids[n]
        load, capacity = self.loads.pop(n) + 1, self.capacities.pop(n)
        if capacity is not None and load >= capacity:
            self._leave_out(agent_id, load, capacity, ("full",))
            return
        self.agent_ids.append(agent_id)
        self.loads.append(load)
        self.capacities.append(capacity)

    def _take_left_out(self, agent_id: str) -> None:
        """Who claims may be off duty: then only the load moves, and perhaps the reasons."""
        for reasons, (agents, loads, capacities) in self.left_out.items():
            if agent_id in agents:
                n = agents.index(agent_id)
                load, capacity = loads.pop(n) + 1, capacities.pop(n)
                del agents[n]
                now_full = capacity is not None and load >= capacity and "full" not in reasons
                self._leave_out(agent_id, load, capacity, (*reasons, "full") if now_full else reasons)
                return

    def _leave_out(self, agent_id: str, load: int, capacity: int | None, reasons: tuple[str, ...]) -> None:
        group = self.left_out.setdefault(reasons, ([], [], []))
        for items, item in zip(group, (agent_id, load, capacity), strict=True):
            items.append(item)  # type: ignore[attr-defined]  # three lists of three types
        self._left_out = None

    def others(self) -> list[LeftOut]:
        """Return those left out, as the record has them; built when something changed."""
        if self._left_out is None:
            self._left_out = [
                LeftOut(
                    agent_ids=list(agents),
                    loads=list(loads),
                    capacities=_capacities(list(capacities)),
                    reasons=list(reasons),
                )
                for reasons, (agents, loads, capacities) in sorted(self.left_out.items())
                if agents
            ]
        return self._left_out


def _capacities(values: list[int | None]) -> list[int | None]:
    return values if any(value is not None for value in values) else []


@dataclass(slots=True)
class Board:
    """The standings of one batch at one instant."""

    now: datetime
    standings: Mapping[str, Standing]
    capacities: dict[str, int] = field(default_factory=dict)
    """Of the limited agents who were given something: the smallest capacity that a decision went by."""
    released: set[str] = field(default_factory=set)
    """Who lost something in this batch: their place is free only when the batch is saved."""
    _lines: dict[tuple[int, str, frozenset[str]], Line] = field(default_factory=dict)
    _duties: dict[int, Duty] = field(default_factory=dict)
    _stamp: int = 0
    """Higher than every `last_assigned` that is known; by the clock, so that replicas rise together."""

    def __post_init__(self) -> None:
        latest = max((s.last_assigned for s in self.standings.values()), default=0)
        self._stamp = max(latest, to_epoch_ms(self.now) * _STAMPS_PER_MS)

    def record(
        self,
        company: Company,
        team: Team | None,
        *,
        inbox_id: str | None,
        preferred: Preferred | None = None,
        without: str | None = None,
        because: str = "released_it",
    ) -> AssignmentRecord:
        """Return what a choice for `team` is made from now, for a conversation of that inbox.

        `without`: who is not asked again, and `because` of what: they put the conversation back, or were silent.
        """
        if team is None:
            return AssignmentRecord(
                policy="manual", preferred=preferred, decided_at=self.now, configuration_version=company.version
            )
        line = self._line(company, team, company.barred(team, inbox_id))
        agent_ids, loads, capacities, left_out = line.agent_ids, line.loads, line.capacities, line.others()
        if without is not None and without in agent_ids:
            n = agent_ids.index(without)
            left_out = [*left_out, _without(line, n, because)]
            agent_ids, loads, capacities = (_omit(x, n) for x in (agent_ids, loads, capacities))  # type: ignore[assignment, arg-type]
        # What stands in the lines is ours and of the right types: checking 200 ids once more is a third of the cost.
        eligible = Candidates.model_construct(
            agent_ids=list(agent_ids), loads=list(loads), capacities=list(capacities) if line.limited else []
        )
        return AssignmentRecord.model_construct(
            policy=team.assignment,
            team_id=team.id,
            preferred=preferred,
            eligible=eligible,
            left_out=left_out,
            decided_at=self.now,
            calendar_state=line.calendar_state,
            configuration_version=company.version,
        )

    def by_hand(self, company: Company, team_id: str | None, preferred: Preferred) -> AssignmentRecord:
        """Return the record of what a person decided: nobody else was asked."""
        return AssignmentRecord(
            policy="manual",
            team_id=team_id,
            preferred=preferred,
            decided_at=self.now,
            configuration_version=company.version,
        )

    def of_private_inbox(self, company: Company, owner: str) -> AssignmentRecord:
        """Return the record of what belongs to `owner` whatever else they have; their load is nobody's business."""
        agent = company.agents.get(owner)
        duty = agent is not None and self._duty(company).of(agent, None)
        return self.by_hand(company, None, Preferred(agent_id=owner, because="rule", load=0, on_duty=duty))

    def preferred(
        self,
        company: Company,
        team: Team | None,
        agent_id: str,
        because: Because,
        *,
        inbox_id: str | None,
        without: str | None = None,
        passed_over: str = "released_it",
    ) -> Preferred:
        """Return the agent to try first, with what excludes them: nothing but rights, capacity and absence if by hand."""
        agent, standing = company.agents.get(agent_id), self._standing(agent_id)
        duty = agent is not None and self._duty(company).of(agent, team)
        capacity = agent.capacity if agent else None
        excluded = [] if agent is not None and agent.enabled else ["disabled"]
        if not excluded and not company.may_handle(agent_id, inbox_id):
            excluded.append("no_right")
        if not duty and because not in BY_HAND:
            excluded.append("off_duty")
        if capacity is not None and standing.load >= capacity:
            excluded.append("full")
        if agent_id == without and because not in BY_HAND:
            excluded.append(passed_over)
        return Preferred(
            agent_id=agent_id,
            because=because,
            load=standing.load,
            capacity=capacity,
            on_duty=duty,
            excluded=excluded,
        )

    def take(self, company: Company, agent_id: str) -> None:
        """Note that `agent_id` was given one more conversation."""
        standing = self._standing(agent_id)
        self._stamp += 1
        standing.load += 1
        standing.last_assigned = self._stamp
        agent = company.agents.get(agent_id)
        if agent is not None and agent.capacity is not None:
            self.capacities[agent_id] = min(agent.capacity, self.capacities.get(agent_id, agent.capacity))
        for line in self._lines.values():
            line.take(agent_id)

    def give_back(self, agent_id: str) -> None:
        """Note that a place which the loads count as taken is free after all. Rare: the lines are made anew."""
        self._standing(agent_id).load -= 1
        self._lines.clear()

    def _standing(self, agent_id: str) -> Standing:
        standing = self.standings.get(agent_id)
        if standing is None:
            raise UnforeseenAgentError(agent_id)
        return standing

    def _duty(self, company: Company) -> Duty:
        duty = self._duties.get(company.version)
        if duty is None:
            duty = self._duties[company.version] = Duty(company.configuration, self.now)
        return duty

    def _line(self, company: Company, team: Team, barred: frozenset[str]) -> Line:
        key = (company.version, team.id, barred)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = self._build(company, team, barred)
        return line

    def _build(self, company: Company, team: Team, barred: frozenset[str]) -> Line:
        duty = Duty(company.configuration, self.now)
        rows: list[tuple[int, int, str, int, int | None]] = []
        line = Line(company, team, [], [], [], {}, {}, limited=False)
        for n, agent_id in enumerate(team.members):
            agent = company.agents.get(agent_id)
            if agent is None:
                continue
            standing = self._standing(agent_id)
            reasons = [] if agent.enabled else ["disabled"]
            if agent_id in barred:
                reasons.append("no_right")
            if not duty.of(agent, team):
                reasons.append("off_duty")
            if agent.capacity is not None and standing.load >= agent.capacity:
                reasons.append("full")
            if reasons:
                line._leave_out(agent_id, standing.load, agent.capacity, tuple(reasons))  # noqa: SLF001 - its maker
            else:
                rows.append((standing.last_assigned, n, agent_id, standing.load, agent.capacity))
        rows.sort(key=lambda row: row[:2])
        line.agent_ids = [row[2] for row in rows]
        line.loads = [row[3] for row in rows]
        line.capacities = [row[4] for row in rows]
        line.limited = any(c is not None for c in line.capacities)
        line.calendar_state = {name: "open" if is_open else "closed" for name, is_open in duty.calendars.items()}
        return line


def _without(line: Line, n: int, reason: str) -> LeftOut:
    return LeftOut(
        agent_ids=[line.agent_ids[n]],
        loads=[line.loads[n]],
        capacities=_capacities([line.capacities[n]]),
        reasons=[reason],
    )


def _omit(items: list[object], n: int) -> list[object]:
    return items[:n] + items[n + 1 :]

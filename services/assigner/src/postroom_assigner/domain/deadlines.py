"""Deadlines of the policies: which stand, what is due next, and what is told when a moment has come.

What was answered when, and what became of a target, is decided by `postroom_contracts.response_times`, the code that the
figures go by. A target is told of once as about to be missed and once as missed; the marks stand on the target itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from postroom_contracts import facts as f
from postroom_contracts.business_time import from_epoch_ms, to_epoch_ms
from postroom_contracts.commands import CheckDeadline
from postroom_contracts.configuration import Calendar
from postroom_contracts.response_times.fold import apply
from postroom_contracts.response_times.intervals import Interval, net_deadline
from postroom_contracts.response_times.model import ConversationClocks, Target
from postroom_contracts.response_times.sealing import seal
from postroom_contracts.response_times.targets import Verdict
from postroom_contracts.response_times.view import (
    Configurations,
    calendar_of,
    configuration_of,
    resolution_verdicts,
    response_verdicts,
    view_of,
)

from postroom_assigner.domain.assignment import LOST, Assignment, Timer
from postroom_assigner.domain.ownership import Case, Outcome, assign
from postroom_assigner.domain.silence import begin, give_back, is_over, listen

GRACE_MS = 60_000
"""How long after a deadline a reply that was accepted may take to be told as sent before the target counts as missed."""
_BEGIN = (f.MessageReceived, f.ConversationStarted, f.ConversationSplitOff)


@dataclass(frozen=True, slots=True)
class Due:
    """A target that is neither met nor told of as missed. Instants in milliseconds since 1970."""

    targets: list[Target]
    place: int
    """Of the target in `targets`, which is the clocks' own list."""
    start: int
    deadline: int
    warn_at: int | None
    over: bool
    """What it stood on ended after the deadline, or it was replaced after that."""
    pending: bool
    """A reply was accepted of which it is not known yet when it was sent."""

    @property
    def target(self) -> Target:
        return self.targets[self.place]

    @property
    def missed_from(self) -> int:
        """When it counts as missed: after the deadline, for who meets it exactly has met it."""
        return self.deadline + (GRACE_MS if self.pending else 1)

    @property
    def next_moment(self) -> int:
        """When it is to be looked at next: to warn, if that has not been done, else when it counts as missed."""
        return self.missed_from if self.warn_at is None or self.over else self.warn_at

    def mark(self, **changes: object) -> None:
        self.targets[self.place] = replace(self.target, **changes)  # type: ignore[arg-type]


def follow(
    before: Assignment | None, outcome: Outcome | None, data: object, at: datetime, case: Case, known: Configurations
) -> Outcome | None:
    """Return `outcome` with the clocks moved on by `data`, a fact decided `at`, and by the facts of the outcome itself.

    A company without a policy has no clocks. Those of a conversation that is older than its company's first policy begin
    with the next message.
    """
    state = outcome.state if outcome is not None else before
    clocks = _clocks(before, data, case)
    if state is None or clocks is None:
        return outcome
    time_ms = to_epoch_ms(at)
    told = outcome.facts if outcome is not None else ()
    moved = [apply(clocks, fact, time_ms, known) for fact in (data, *told)]
    heard = listen(before, state.after(clocks=clocks), data, at, case)
    if not any(moved) and heard.silence == state.silence:
        return outcome
    state = heard
    clocks.tags, clocks.channel, clocks.gaps = (), "", []  # these are of the figures alone
    dues = list(open_targets(clocks, known))
    missed = [due for due in dues if due.over and not due.pending]
    if missed:
        return _told(state, told, case, known, at, missed=missed)
    seal(clocks, lambda _: None, lambda _: None)  # of what is settled none stands among `dues`
    return Outcome(_armed(state, dues), told)


def check(
    state: Assignment | None, command: CheckDeadline, at: datetime, case: Case, known: Configurations
) -> Outcome | None:
    """Carry out a timer's command of `at`; None when something happened since: then it is none."""
    if state is None or state.clocks is None or state.timer is None or command.generation != state.timer.generation:
        return None
    now, clocks = to_epoch_ms(at), state.clocks.clone()
    dues = list(open_targets(clocks, known))
    missed = [due for due in dues if now >= due.missed_from]
    near = [due for due in dues if due not in missed and due.next_moment <= now]
    soon = [due for due in near if now <= due.deadline]
    for due in near:
        due.mark(warned=True)
    return _told(state.after(clocks=clocks), (), case, known, at, missed=missed, soon=soon, late=command.late)


def _clocks(before: Assignment | None, data: object, case: Case) -> ConversationClocks | None:
    if before is not None and before.clocks is not None:
        return before.clocks.clone()
    if not case.company.configuration.policies or not isinstance(data, _BEGIN):
        return None
    # Whatever stood before is unknown; a message that does not open the conversation opens no first turn.
    opens = before is None or not isinstance(data, f.MessageReceived) or data.opened
    return ConversationClocks(episode_count=0 if opens else 1)


def open_targets(clocks: ConversationClocks, known: Configurations) -> Iterator[Due]:
    """Yield the targets that are neither met, cancelled nor told of as missed, and whose deadline can be said."""
    for episode in clocks.episodes:
        if not episode.targets and not any(run.targets for run in episode.runs):
            continue
        view, pending = view_of(clocks, episode), episode.pending
        for turn in view.turns:
            if turn.targets:
                calendar = calendar_of(turn.clock, known)
                basis = _Basis(turn.targets, calendar, turn.start, [], pending)
                yield from _dues(response_verdicts(turn, calendar), basis, known)
        if episode.targets:
            calendar = calendar_of(episode.clock, known)
            basis = _Basis(episode.targets, calendar, view.start, view.pauses, pending)
            yield from _dues(resolution_verdicts(view, calendar), basis, known)


@dataclass(frozen=True, slots=True)
class _Basis:
    """What the targets of a turn or episode are reckoned from."""

    targets: list[Target]
    calendar: Calendar
    start: int
    pauses: list[Interval]
    pending: bool


def _dues(verdicts: Iterable[tuple[Target, Verdict]], basis: _Basis, known: Configurations) -> Iterator[Due]:
    for target, verdict in verdicts:
        deadline = verdict.deadline_at
        told = target.noticed_at is not None and deadline is not None and target.noticed_at >= deadline
        if deadline is None or told or verdict.outcome in ("met", "cancelled"):
            continue
        place = next(n for n, each in enumerate(basis.targets) if each is target)
        warn_at = _warn_at(target, basis, known)
        over = verdict.outcome == "breached"
        yield Due(basis.targets, place, basis.start, deadline, warn_at, over, basis.pending)


def _warn_at(target: Target, basis: _Basis, known: Configurations) -> int | None:
    policy = configuration_of(target.version, known).policy(target.policy)
    percent = policy.warned_at_percent if policy is not None and not target.warned else None
    if percent is None:
        return None
    return net_deadline(basis.calendar, basis.start, target.duration_ms * percent // 100, basis.pauses)


def _told(
    state: Assignment,
    facts: tuple[f.Fact, ...],
    case: Case,
    known: Configurations,
    at: datetime,
    *,
    missed: Sequence[Due] = (),
    soon: Sequence[Due] = (),
    late: bool = False,
) -> Outcome:
    """Return the state with its next timer, and what is told of the targets; their marks are set."""
    warned = tuple(_warning(due, state, case, late=late) for due in soon)
    breached = tuple(_breach(due, state, case, late=late) for due in missed)
    for due in missed:
        due.mark(noticed_at=due.deadline)
    outcome = Outcome(state, (*facts, *warned, *breached))
    if missed:
        outcome = _escalated(outcome, case, known)
    outcome = _taken_back(state, outcome, missed, case, known, at)
    assert outcome.state.clocks is not None
    seal(outcome.state.clocks, lambda _: None, lambda _: None)
    return Outcome(_armed(outcome.state, open_targets(outcome.state.clocks, known)), outcome.facts)


def _warning(due: Due, state: Assignment, case: Case, *, late: bool) -> f.DeadlineWarned:
    return f.DeadlineWarned(
        href=case.href,
        deadline=due.target.kind,
        due_at=from_epoch_ms(due.deadline),
        generation=state.generation,
        late=late,
        policy_id=due.target.policy,
        agent_id=state.owner,
        started_at=from_epoch_ms(due.start),
    )


def _breach(due: Due, state: Assignment, case: Case, *, late: bool) -> f.DeadlineBreached:
    return f.DeadlineBreached(
        href=case.href,
        deadline=due.target.kind,
        breached_at=from_epoch_ms(due.deadline),
        generation=state.generation,
        late=late,
        policy_id=due.target.policy,
        agent_id=state.owner,
        started_at=from_epoch_ms(due.start),
    )


def _escalated(outcome: Outcome, case: Case, known: Configurations) -> Outcome:
    """Give the conversation to the team that the policy names, unless its owner is of that team."""
    state = outcome.state
    assert state.clocks is not None
    policy = case.company.configuration.policy(state.clocks.policy)
    team = case.company.team(policy.escalate_to_team if policy else None)
    private = case.company.owner_of_inbox(state.inbox_id) is not None
    if team is None or private or not state.active or team.id == state.team_id or state.slot in team.members:
        return outcome
    moved = assign(state.after(team_id=team.id), case, lost="team_changed")
    _applied(state, moved.facts, case, known)
    return Outcome(moved.state, (*outcome.facts, *moved.facts))


def _taken_back(
    before: Assignment, outcome: Outcome, missed: Sequence[Due], case: Case, known: Configurations, at: datetime
) -> Outcome:
    """Take it from an owner who was silent for too long, and count the silence after what was missed now."""
    state = listen(before, outcome.state, None, at, case)
    facts = outcome.facts
    if is_over(state, at):
        given = give_back(state, case)
        state, facts = given.state, (*facts, *given.facts)
        _applied(state, given.facts, case, known)
    unanswered = [(due.target, due.deadline) for due in missed if not due.over and not due.pending]
    return Outcome(begin(state, unanswered, case, at), facts)


def _applied(state: Assignment, facts: Sequence[f.Fact], case: Case, known: Configurations) -> None:
    assert state.clocks is not None
    for fact in facts:
        apply(state.clocks, fact, to_epoch_ms(case.board.now), known)


def _armed(state: Assignment, dues: Iterable[Due]) -> Assignment:
    """Return the state with a timer for what is due next; one that stands for the same moment stays."""
    moments = [(from_epoch_ms(due.next_moment), due.target.kind) for due in dues]
    if state.silence is not None and state.silence.due_at is not None:
        moments.append((state.silence.due_at, state.silence.deadline))
    first = None if state.status in LOST else min(moments, key=lambda moment: moment[0], default=None)
    if first is None:
        return state if state.timer is None else state.after(timer=None)
    due_at, kind = first
    if state.timer is not None and (state.timer.kind, state.timer.due_at) == (kind, due_at):
        return state
    generation = state.generation + 1
    return state.after(timer=Timer(kind=kind, generation=generation, due_at=due_at), generation=generation)

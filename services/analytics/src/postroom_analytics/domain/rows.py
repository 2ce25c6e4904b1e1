"""Rows: the figures of one conversation as they stand, each with the calendar, the cuts and the credit it has."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from postroom_contracts.business_time import business_milliseconds
from postroom_contracts.configuration import Calendar
from postroom_contracts.ids import derived_id
from postroom_contracts.response_times.intervals import Interval, business_total, wall_total
from postroom_contracts.response_times.model import Clock, Credit, Episode, Target
from postroom_contracts.response_times.targets import Verdict
from postroom_contracts.response_times.turns import Turn
from postroom_contracts.response_times.view import (
    Configurations,
    EpisodeView,
    calendar_of,
    resolution_verdicts,
    response_verdicts,
    view_of,
)

from postroom_analytics.domain.model import ConversationMetrics, Row, Whole

TURN_KINDS = frozenset(
    {"first_response", "first_response_handoff", "next_response", "sla_first_response", "sla_next_response"}
)
"""What a conversation keeps when it is merged into another; everything else it then has no more."""


def rows(state: ConversationMetrics, configurations: Configurations) -> list[Row]:
    """Return all rows that the state holds, with those that left it since it was loaded, in no promised order."""
    projected = [*state.sealed, *conversation_rows(state), *whole_rows(state, configurations)]
    for episode in state.episodes:
        if _has_no_row(state, episode):
            continue
        view = view_of(state, episode)
        projected.extend(turn_rows(state, view, configurations))
        projected.extend(episode_rows(state, view, configurations))
    if state.spam_at is None and state.merged_at is None:
        return projected
    return [recount(state, row) for row in projected]


def _has_no_row(state: ConversationMetrics, episode: Episode) -> bool:
    """Say of the common case, a customer who waits, that there is nothing to tell yet."""
    if state.spam_at is not None or state.merged_at is not None or episode.resolved is not None or episode.targets:
        return False
    return not any(run.replies or run.targets for run in episode.runs)


def recount(state: ConversationMetrics, row: Row) -> Row:
    """Return the row, counted or not as the conversation stands: spam counts nowhere, a merged one in its turns."""
    counted = state.spam_at is None and (state.merged_at is None or row.kind in TURN_KINDS)
    return row if row.counted is counted else replace(row, counted=counted)


def _row(state: ConversationMetrics, kind: str, n: int, clock: Clock, discriminator: str = "") -> Row:
    return Row(
        id=derived_id(state.conversation_id, kind, f"{n}{discriminator}"),
        conversation_id=state.conversation_id,
        kind=kind,
        n=n,
        outcome="",
        started_at=0,
        closed_at=0,
        calendar=clock.name,
        configuration_version=clock.version,
        inbox=state.inbox,
        channel=state.channel,
        credit=Credit(),
    )


def conversation_rows(state: ConversationMetrics) -> Iterator[Row]:
    """Yield the conversation's own row, the one that volumes count; dated by its opening."""
    if state.opened_at is None:
        return
    marks = {
        "agent_started": state.agent_started,
        "never_answered": not state.answered,
        "undelivered": state.undelivered,
    }
    yield Row(
        id=derived_id(state.conversation_id, "conversation", "0"),
        conversation_id=state.conversation_id,
        kind="conversation",
        n=0,
        outcome="merged" if state.merged_at is not None else "opened",
        started_at=state.opened_at,
        closed_at=state.opened_at,
        calendar="",
        configuration_version=0,
        inbox=state.inbox,
        channel=state.channel,
        # No agent: a volume counts conversations, and owners change.
        credit=Credit(None, state.team, state.tags),
        marks=tuple(name for name, holds in marks.items() if holds),
    )


# --- responses ----------------------------------------------------------------------------------------------------


def turn_rows(state: ConversationMetrics, view: EpisodeView, configurations: Configurations) -> Iterator[Row]:
    for turn in view.turns:
        if turn.closed_at is None and not turn.targets:
            continue
        calendar = calendar_of(turn.clock, configurations)
        first = turn.opens_episode and view.episode.n == 1 and not state.agent_started
        kind = "first_response" if first else "next_response"
        yield from response_target_rows(state, turn, calendar)
        if turn.closed_at is None or turn.credit is None:
            continue
        row = replace(
            _judged(_row(state, kind, turn.n, turn.clock), *_active_response(turn, calendar)),
            outcome=turn.outcome,
            started_at=turn.start,
            closed_at=turn.closed_at,
            credit=turn.credit,
            reopened=turn.opens_episode and view.episode.n > 1,
        )
        if turn.outcome != "answered":
            yield row
            continue
        yield _measured(row, calendar)
        if first and turn.handed_off_at is not None and turn.start <= turn.handed_off_at <= turn.closed_at:
            name = "first_response_handoff"
            anchored = replace(row, id=derived_id(state.conversation_id, name, str(turn.n)), kind=name)
            yield _measured(replace(anchored, started_at=turn.handed_off_at), calendar)


def _measured(row: Row, calendar: Calendar) -> Row:
    """Return the row with the duration from its start to its close on both clocks."""
    return replace(
        row,
        wall_ms=row.closed_at - row.started_at,
        business_ms=business_milliseconds(calendar, row.started_at, row.closed_at),
    )


def _judged(row: Row, target: Target | None, verdict: Verdict | None) -> Row:
    if target is None or verdict is None:
        return row
    return replace(
        row,
        policy=target.policy,
        breached=verdict.breached,
        deadline_at=verdict.deadline_at,
        breached_at=verdict.deadline_at if verdict.breached else None,
    )


def _active_response(turn: Turn, calendar: Calendar) -> tuple[Target | None, Verdict | None]:
    """Return the target that counted when the turn closed: the last that was set by then."""
    verdicts = response_verdicts(turn, calendar)
    return verdicts[-1] if verdicts else (None, None)


def response_target_rows(state: ConversationMetrics, turn: Turn, calendar: Calendar) -> Iterator[Row]:
    for position, (target, verdict) in enumerate(response_verdicts(turn, calendar)):
        row = _row(state, f"sla_{target.kind}", turn.n, turn.clock, f".{position}")
        yield from _target_row(state, row, target, verdict, _Held(turn.start, turn.closed_at, turn.credit))


@dataclass(frozen=True, slots=True)
class _Held:
    """What a target stands on: where its turn or episode begins, where that ended, and to whom that counts."""

    start: int
    closed_at: int | None
    credit: Credit | None


def _target_row(state: ConversationMetrics, row: Row, target: Target, verdict: Verdict, held: _Held) -> Iterator[Row]:
    """Yield the row of a target that is decided; a breach is dated by the deadline, the rest by what ended it."""
    if verdict.outcome == "open":
        return
    ends = (verdict.deadline_at,) if verdict.breached else (target.cancelled_at, held.closed_at)
    yield replace(
        _judged(row, target, verdict),
        outcome=verdict.outcome,
        started_at=held.start,
        closed_at=min(end for end in ends if end is not None),
        credit=held.credit or replace(state.credit, agent=None),
        configuration_version=target.version,
    )


# --- resolutions --------------------------------------------------------------------------------------------------


def episode_rows(state: ConversationMetrics, view: EpisodeView, configurations: Configurations) -> Iterator[Row]:
    """Yield the resolution rows of an episode; the net ones once no reply in it is under way any more."""
    episode, resolved = view.episode, view.episode.resolved
    if resolved is None and not episode.targets:
        return
    calendar = calendar_of(episode.clock, configurations)
    resolved_at = view.resolved_at
    verdicts = resolution_verdicts(view, calendar)
    for position, (target, verdict) in enumerate(verdicts):
        row = _row(state, "sla_resolution", episode.n, episode.clock, f".{position}")
        held = _Held(view.start, resolved_at, resolved.credit if resolved else None)
        yield from _target_row(state, row, target, verdict, held)
    if resolved is None or resolved_at is None:
        return
    gross = _measured(
        replace(
            _judged(_row(state, "resolution", episode.n, episode.clock), *(verdicts[-1] if verdicts else (None, None))),
            outcome="resolved",
            started_at=view.start,
            closed_at=resolved_at,
            credit=resolved.credit,
            reopened=episode.n > 1,
        ),
        calendar,
    )
    kinds = ("resolution", "first_resolution") if episode.n == 1 else ("resolution",)
    settled = not episode.pending
    excluded = (wall_total(view.pauses), business_total(calendar, view.pauses)) if settled else None
    for kind in kinds:
        yield from _with_net(state, replace(gross, kind=kind), excluded)


def _with_net(state: ConversationMetrics, gross: Row, excluded: tuple[int, int] | None) -> Iterator[Row]:
    """Yield a resolution and, when it is known what does not count, the same net of that."""
    conversation, n = state.conversation_id, str(gross.n)
    yield replace(gross, id=derived_id(conversation, gross.kind, n))
    if excluded is None or gross.wall_ms is None or gross.business_ms is None:
        return
    yield replace(
        gross,
        id=derived_id(conversation, f"net_{gross.kind}", n),
        kind=f"net_{gross.kind}",
        wall_ms=max(0, gross.wall_ms - excluded[0]),
        business_ms=max(0, gross.business_ms - excluded[1]),
    )


def whole_rows(state: ConversationMetrics, configurations: Configurations) -> Iterator[Row]:
    """Yield `full_resolution` and its net: from the start of episode 1 to the latest resolve."""
    latest = state.last_resolve
    if latest is None or state.episode_count == 0:
        return
    settled = state.whole is not None and not any(e.resolved for e in state.episodes)
    whole = state.whole
    if whole is None:
        view = view_of(state, state.episodes[0])
        whole = _whole_start(view)
    closed_at = max(latest.at, whole.start)
    calendar = calendar_of(whole.clock, configurations)
    gross = replace(
        _row(state, "full_resolution", 0, whole.clock),
        outcome="resolved",
        started_at=whole.start,
        closed_at=closed_at,
        credit=latest.credit,
    )
    excluded = (whole.excluded_ms, whole.excluded_business_ms) if settled else None
    yield from _with_net(state, _measured(gross, calendar), excluded)


def _whole_start(view: EpisodeView) -> Whole:
    return Whole(view.start, view.episode.clock)


def exclude(whole: Whole, intervals: Iterable[Interval], configurations: Configurations) -> Whole:
    """Return `whole` with further time that does not count net."""
    spans = list(intervals)
    calendar = calendar_of(whole.clock, configurations)
    return replace(
        whole,
        excluded_ms=whole.excluded_ms + wall_total(spans),
        excluded_business_ms=whole.excluded_business_ms + business_total(calendar, spans),
    )

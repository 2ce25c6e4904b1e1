"""What is so now: how many conversations are open, unassigned, unattended, per cut."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from postroom_contracts.response_times.model import Credit, Episode, is_private
from postroom_contracts.response_times.turns import turns_of
from postroom_contracts.values import Status

from postroom_analytics.domain.cells import NOW_CELL, PRIVATE, TOTAL, Cell, Increments, cuts_of
from postroom_analytics.domain.model import ConversationMetrics

MARKS = ("open", "unassigned", "unattended")
_NOTHING: frozenset[str] = frozenset()
_OPEN_STATUS = frozenset({str(Status.OPEN), str(Status.WAITING), str(Status.SNOOZED)})


def gauges(state: ConversationMetrics | None) -> frozenset[str]:
    """Return what the conversation is now, of MARKS; nothing when it is settled.

    `open`: neither resolved, spam, deleted nor merged. `unattended`: open with an open turn, snoozed or not.
    `unassigned`: open without an owner.
    """
    if state is None or state.opened_at is None or state.spam_at is not None or state.merged_at is not None:
        return _NOTHING
    if state.status not in _OPEN_STATUS:
        return _NOTHING
    marks = {"open": True, "unattended": _waits(state.open_episode), "unassigned": state.owner is None}
    return frozenset(name for name, holds in marks.items() if holds)


def _waits(episode: Episode | None) -> bool:
    """Say whether a turn is open in it."""
    if episode is None:
        return False
    if any(run.replies for run in episode.runs):
        return any(turn.closed_at is None for turn in turns_of(episode))
    return bool(episode.runs)


class Gauges(NamedTuple):
    """What one conversation adds to the counts of now, in which cuts."""

    marks: frozenset[str]
    inbox: str
    channel: str
    credit: Credit


GaugesMoved = tuple[Gauges, Gauges]
"""Before and after a batch."""
_NO_GAUGES = Gauges(_NOTHING, "", "", Credit())


def gauges_of(state: ConversationMetrics | None) -> Gauges:
    return _NO_GAUGES if state is None else Gauges(gauges(state), state.inbox, state.channel, state.credit)


def move_gauges(result: Increments, moves: Iterable[GaugesMoved]) -> None:
    """Add the moves up by what they have in common, agents apart from the rest: there are many of them."""
    groups: dict[tuple[frozenset[str], str, str, Credit], int] = {}
    agents: dict[tuple[frozenset[str], str | None], int] = {}
    for move in moves:
        if move[0] == move[1]:
            continue
        for (marks, inbox, channel, credit), sign in zip(move, (-1, 1), strict=True):
            group = (marks, inbox, channel, Credit(None, credit.team, credit.tags))
            groups[group] = groups.get(group, 0) + sign
            if is_private(inbox):
                continue
            agents[marks, credit.agent] = agents.get((marks, credit.agent), 0) + sign
    now = result.setdefault(NOW_CELL, {})
    for (marks, inbox, channel, credit), change in groups.items():
        for cut, value in cuts_of(inbox, channel, credit):
            target = result.setdefault(Cell(TOTAL, cut, value), {}) if cut == "tag" else now
            _move(target, "now" if cut == "tag" else _now_path(cut, value), marks, change)
    for (marks, agent), change in agents.items():
        if agent is not None:
            _move(now, _now_path("agent", agent), marks, change)


def _move(target: dict[str, int], prefix: str, marks: frozenset[str], change: int) -> None:
    for mark in marks:
        path = f"{prefix}.{mark}"
        target[path] = target.get(path, 0) + change


_EMPTY = "_"
"""Stands for the empty value of the cut `all`, which cannot be a field's name; no name of a configuration is like it."""


def _now_path(cut: str, value: str) -> str:
    """Return the place of a value in the shared document: a field's name has no dot and no dollar in a path."""
    return f"{cut}.{value.replace('%', '%25').replace('.', '%2E').replace('$', '%24') or _EMPTY}"


def now_counts(shared: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, int]]]:
    """Yield cut, value and present counts of each value in the shared document NOW_CELL."""
    for cut in ("all", "inbox", "channel", "team", "agent", PRIVATE):
        for name, counts in shared.get(cut, {}).items():
            value = "" if name == _EMPTY else name.replace("%24", "$").replace("%2E", ".").replace("%25", "%")
            yield cut, value, {mark: counts.get(mark, 0) for mark in MARKS}


def now_of(rollups: Mapping[Cell, Mapping[str, Any]], cut: str, value: str) -> dict[str, int]:
    """Return the present counts of one cut from rollup documents by their cell."""
    if cut == "tag":
        counts = rollups.get(Cell(TOTAL, cut, value), {}).get("now", {})
        return {mark: counts.get(mark, 0) for mark in MARKS}
    for found_cut, found_value, counts in now_counts(rollups.get(NOW_CELL, {})):
        if (found_cut, found_value) == (cut, value):
            return counts
    return dict.fromkeys(MARKS, 0)

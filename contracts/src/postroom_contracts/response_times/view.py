"""An episode as its facts leave it: its turns, its pauses, and what became of its targets."""

from collections.abc import Mapping
from dataclasses import dataclass

from postroom_contracts.configuration import Calendar, Configuration
from postroom_contracts.response_times.intervals import FOREVER, Interval, clip, subtract
from postroom_contracts.response_times.model import Clock, ConversationClocks, Episode, Target
from postroom_contracts.response_times.targets import Verdict, concerns, judge_resolution, judge_response
from postroom_contracts.response_times.turns import Turn, close_all, turns_of

Configurations = Mapping[int, Configuration]
"""Every configuration by its version: figures are made with the version that their turn began under."""


class UnknownConfigurationError(LookupError):
    """A fact was decided with a configuration version that was not given: it has to be read first."""


def configuration_of(version: int, configurations: Configurations) -> Configuration:
    """Return the configuration of that version. Raises UnknownConfigurationError."""
    found = configurations.get(version)
    if found is None:
        raise UnknownConfigurationError(f"configuration version {version} is not known")
    return found


def calendar_of(clock: Clock, configurations: Configurations) -> Calendar:
    """Return the calendar as it was in the version that the clock names. Raises UnknownConfigurationError."""
    return configuration_of(clock.version, configurations).calendar(clock.calendar)


def versions_of(state: ConversationClocks) -> set[int]:
    """Return the configuration versions that the clocks name; `apply` also looks up the fact's own."""
    needed = {state.version}
    for episode in state.episodes:
        needed.add(episode.clock.version)
        needed.update(run.clock.version for run in episode.runs)
    needed.discard(0)
    return needed


@dataclass(frozen=True, slots=True)
class EpisodeView:
    """An episode with its turns and pauses as they now stand."""

    episode: Episode
    turns: list[Turn]
    start: int
    pauses: list[Interval]
    """Disjoint, in order, up to the resolve; one that goes on ends at FOREVER."""

    @property
    def resolved_at(self) -> int | None:
        """When it ended, by the clocks of its own start; None: it goes on."""
        resolved = self.episode.resolved
        return None if resolved is None else max(resolved.at, self.start)


def view_of(state: ConversationClocks, episode: Episode) -> EpisodeView:
    turns = turns_of(episode)
    if state.merged_at is not None:
        close_all(turns, "moved", state.merged_at, state.credit)
    elif state.spam_at is not None:
        close_all(turns, "closed_unanswered", state.spam_at, state.credit)
    start = turns[0].start if turns and turns[0].opens_episode else episode.start
    quiet = list(episode.quiet)
    if episode.resolved is None and state.pause is not None:
        until = state.pause.until
        quiet.append((state.pause.since, FOREVER if until is None else until))
    if not quiet:
        return EpisodeView(episode, turns, start, [])
    end = FOREVER if episode.resolved is None else episode.resolved.at
    return EpisodeView(episode, turns, start, clip(subtract(quiet, (turn.interval for turn in turns)), start, end))


def response_verdicts(turn: Turn, calendar: Calendar) -> list[tuple[Target, Verdict]]:
    """Return the turn's targets in the order in which they were set, each with what became of it."""
    answered = turn.outcome == "answered"
    return [
        (target, judge_response(target, calendar, turn.start, turn.closed_at, answered=answered))
        for target in turn.targets
        if concerns(target, turn.closed_at)
    ]


def resolution_verdicts(view: EpisodeView, calendar: Calendar) -> list[tuple[Target, Verdict]]:
    """Return the episode's targets in the order in which they were set, each with what became of it."""
    resolved_at = view.resolved_at
    return [
        (target, judge_resolution(target, calendar, view.start, view.pauses, resolved_at))
        for target in view.episode.targets
        if concerns(target, resolved_at)
    ]

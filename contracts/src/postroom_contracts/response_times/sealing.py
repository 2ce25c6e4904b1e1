"""Sealing: what no later fact can change leaves the state, which so stays small."""

from collections.abc import Callable

from postroom_contracts.response_times.intervals import FOREVER, subtract
from postroom_contracts.response_times.model import ConversationClocks, Episode, Pause
from postroom_contracts.response_times.view import EpisodeView, view_of

Leaving = Callable[[EpisodeView], None]
"""Told of an episode that leaves, or with some of its turns of turns that leave, before they do."""


def seal(state: ConversationClocks, turns_leave: Leaving, episode_leaves: Leaving) -> None:
    """Take settled turns and episodes out of the state, having told of each.

    Settled means that the provider has said of every reply in the episode whether it went out. Until then a refusal
    could join two turns. Episodes leave in order, because the whole conversation's net time adds up over them.
    """
    while state.episodes and not state.episodes[0].pending:
        episode = state.episodes[0]
        if episode.resolved is None:
            _seal_turns(state, episode, turns_leave)
            break
        episode_leaves(view_of(state, episode))
        state.episodes.pop(0)


def _seal_turns(state: ConversationClocks, episode: Episode, turns_leave: Leaving) -> None:
    """Seal the turns of an open episode up to the last reply that went out."""
    answered = max(
        (n for n, run in enumerate(episode.runs) if any(r.sent_at is not None for r in run.replies)), default=-1
    )
    if answered < 0:
        return
    view = view_of(state, episode)
    done = [turn for turn in view.turns if turn.position <= answered]
    turns_leave(EpisodeView(episode, done, view.start, view.pauses))
    holes = [turn.interval for turn in done]
    episode.start = view.start
    episode.quiet = subtract(episode.quiet, holes)
    _shorten_pause(state, episode, holes)
    del episode.runs[: answered + 1]


def _shorten_pause(state: ConversationClocks, episode: Episode, holes: list[tuple[int, int]]) -> None:
    """Take the time of sealed turns out of a pause that goes on: waiting set while the reply was under way."""
    if state.pause is None:
        return
    until = FOREVER if state.pause.until is None else state.pause.until
    pieces = subtract([(state.pause.since, until)], holes)
    episode.quiet.extend(piece for piece in pieces if piece[1] != until)
    since = pieces[-1][0] if pieces and pieces[-1][1] == until else until
    state.pause = Pause(since, state.pause.until)

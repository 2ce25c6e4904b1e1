"""Sealing: what no later fact can change becomes rows and leaves the state, which so stays small."""

from postroom_analytics.domain.intervals import FOREVER, subtract
from postroom_analytics.domain.model import ConversationMetrics, Episode, Pause, Whole
from postroom_analytics.domain.rows import (
    Configurations,
    EpisodeView,
    episode_rows,
    exclude,
    turn_rows,
    view_of,
)


def seal(state: ConversationMetrics, configurations: Configurations) -> None:
    """Move settled turns and episodes out of the state into `state.sealed`.

    Settled means that the provider has said of every reply in the episode whether it went out. Until then a refusal
    could join two turns. Episodes leave in order, because the whole conversation's net time adds up over them.
    """
    while state.episodes and not state.episodes[0].pending:
        episode = state.episodes[0]
        if episode.resolved is None:
            _seal_turns(state, episode, configurations)
            break
        view = view_of(state, episode)
        state.sealed.extend(turn_rows(state, view, configurations))
        state.sealed.extend(episode_rows(state, view, configurations))
        _add_to_whole(state, view, configurations)
        state.episodes.pop(0)
    _flush_gaps(state, configurations)


def _seal_turns(state: ConversationMetrics, episode: Episode, configurations: Configurations) -> None:
    """Seal the turns of an open episode up to the last reply that went out."""
    answered = max(
        (n for n, run in enumerate(episode.runs) if any(r.sent_at is not None for r in run.replies)), default=-1
    )
    if answered < 0:
        return
    view = view_of(state, episode)
    done = [turn for turn in view.turns if turn.position <= answered]
    settled = EpisodeView(episode, done, view.start, view.pauses)
    state.sealed.extend(turn_rows(state, settled, configurations))
    holes = [turn.interval for turn in done]
    episode.start = view.start
    episode.quiet = subtract(episode.quiet, holes)
    _shorten_pause(state, episode, holes)
    del episode.runs[: answered + 1]


def _shorten_pause(state: ConversationMetrics, episode: Episode, holes: list[tuple[int, int]]) -> None:
    """Take the time of sealed turns out of a pause that goes on: waiting set while the reply was under way."""
    if state.pause is None:
        return
    until = FOREVER if state.pause.until is None else state.pause.until
    pieces = subtract([(state.pause.since, until)], holes)
    episode.quiet.extend(piece for piece in pieces if piece[1] != until)
    since = pieces[-1][0] if pieces and pieces[-1][1] == until else until
    state.pause = Pause(since, state.pause.until)


def _add_to_whole(state: ConversationMetrics, view: EpisodeView, configurations: Configurations) -> None:
    episode = view.episode
    spans = list(view.pauses)
    if state.whole is None:
        state.whole = Whole(view.start, episode.clock)
    elif episode.gap_from is not None and episode.gap_from < view.start:
        spans.append((episode.gap_from, view.start))
    state.whole = exclude(state.whole, spans, configurations)


def _flush_gaps(state: ConversationMetrics, configurations: Configurations) -> None:
    if state.whole is not None and state.gaps:
        state.whole = exclude(state.whole, state.gaps, configurations)
        state.gaps = []

"""Sealing: what no later fact can change becomes rows and leaves the state."""

from postroom_contracts.response_times import sealing
from postroom_contracts.response_times.view import Configurations, EpisodeView

from postroom_analytics.domain.model import ConversationMetrics, Whole
from postroom_analytics.domain.rows import episode_rows, exclude, turn_rows


def seal(state: ConversationMetrics, configurations: Configurations) -> None:
    """Move settled turns and episodes out of the state into `state.sealed` (`response_times/sealing.py`)."""

    def turns_leave(view: EpisodeView) -> None:
        state.sealed.extend(turn_rows(state, view, configurations))

    def episode_leaves(view: EpisodeView) -> None:
        turns_leave(view)
        state.sealed.extend(episode_rows(state, view, configurations))
        _add_to_whole(state, view, configurations)

    sealing.seal(state, turns_leave, episode_leaves)
    _flush_gaps(state, configurations)


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

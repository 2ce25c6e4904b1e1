"""Notifications of deadlines that are near or were missed, and of owners who then gave no answer. Pure."""

from postroom_contracts.events import Event
from postroom_contracts.facts import ConversationUnassigned, DeadlineBreached, DeadlineWarned
from postroom_contracts.fields import format_time
from postroom_contracts.notifying import told_of_deadline, told_of_silence

from postroom_notifier.domain.conversation import Conversation
from postroom_notifier.domain.telling import Surroundings, tell


def on_deadline(
    state: Conversation, event: Event, data: DeadlineWarned | DeadlineBreached, around: Surroundings
) -> Conversation:
    """Tell the owner; without one the team's leads, else the team. A warning that would come after the deadline is not sent."""
    configuration = around.configuration_at(around.newest_version)
    warned = isinstance(data, DeadlineWarned)
    at = data.due_at if isinstance(data, DeadlineWarned) else data.breached_at
    if warned and at <= max(event.time, around.now):
        return state
    for agent_id in told_of_deadline(configuration, state.owner_id, state.team_id, state.inbox_id):
        state = tell(
            state,
            event,
            "deadline_warned" if warned else "deadline_breached",
            agent_id,
            around,
            useless_from=at if warned else None,
            details={"deadline": data.deadline, "at": format_time(at), "owner": state.owner_id == agent_id},
        )
    return state


def on_silence(state: Conversation, event: Event, data: ConversationUnassigned, around: Surroundings) -> Conversation:
    """Tell who lost the conversation for giving no answer, and the leads of the team whose queue it is in again."""
    missed = data.unanswered
    assert missed is not None
    configuration = around.configuration_at(around.newest_version)
    for agent_id in told_of_silence(configuration, data.previous_agent_id, data.team_id, state.inbox_id):
        details = {
            "deadline": missed.deadline,
            "at": format_time(missed.breached_at),
            "owner": agent_id == data.previous_agent_id,
            "silent": data.previous_agent_id,
        }
        state = tell(state, event, "deadline_breached", agent_id, around, details=details)
    return state

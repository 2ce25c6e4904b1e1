"""Which service makes each event type and which handles each command: exactly one of each."""

from dataclasses import dataclass

from postroom_contracts import commands as c
from postroom_contracts import configuration as cfg
from postroom_contracts import facts as f
from postroom_contracts import inbound as i
from postroom_contracts import presence as p
from postroom_contracts import states as s
from postroom_contracts.events import Data
from postroom_contracts.topics import (
    AGENT_PRESENCE,
    CONFIGURATION,
    CONVERSATION_COMMANDS,
    CONVERSATION_EVENTS,
    CONVERSATION_STATES,
    INBOUND_MESSAGES,
    Topic,
)


@dataclass(frozen=True, slots=True)
class Registration:
    """`producers` publish the type; `handler` is the one service that carries a command out (None for facts)."""

    model: type[Data]
    topic: Topic
    producers: tuple[str, ...]
    handler: str | None = None
    since: str = "0.1"
    """The release that first published it."""


def _facts(producer: str, *models: type[f.Fact]) -> list[Registration]:
    return [Registration(model, CONVERSATION_EVENTS, (producer,)) for model in models]


def _commands(handler: str, producers: tuple[str, ...], *models: type[c.Command]) -> list[Registration]:
    return [Registration(model, CONVERSATION_COMMANDS, producers, handler) for model in models]


REGISTRATIONS: tuple[Registration, ...] = (
    Registration(i.InboundReceived, INBOUND_MESSAGES, ("ingest",), "router"),
    Registration(cfg.ConfigurationApplied, CONFIGURATION, ("desk",)),
    Registration(s.ConversationState, CONVERSATION_STATES, ("desk",)),
    Registration(p.AgentPresence, AGENT_PRESENCE, ("desk",)),
    *_commands(
        "router", ("router",), c.AcceptMessage, c.RefuseAnswer, c.AbsorbConversation, c.OpenSplit, c.WakeConversation
    ),
    *_commands(
        "router",
        ("desk", "router"),  # the router passes on what reaches a conversation that was merged
        c.SendReply,
        c.CancelReply,
        c.MergeConversations,
        c.AddNote,
        c.StartConversation,
        c.ResolveConversation,
        c.ReopenConversation,
        c.SnoozeConversation,
        c.SetWaiting,
        c.ArchiveConversation,
        c.DeleteConversation,
        c.RestoreConversation,
        c.MarkSpam,
        c.UnmarkSpam,
        c.SplitConversation,
        c.WatchConversation,
        c.UnwatchConversation,
        c.TagConversation,
        c.RouteConversation,
        c.EraseContact,
    ),
    *_commands("assigner", ("desk",), c.ClaimConversation, c.AssignConversation),
    *_commands("assigner", ("assigner",), c.AssignFromQueue, c.CheckDeadline),
    *_facts(
        "router",
        f.MessageReceived,
        f.ConversationStarted,
        f.ReplyAccepted,
        f.ReplyCancelled,
        f.RequestRefused,
        f.NoteAdded,
        f.ConversationTagged,
        f.ConversationRouted,
        f.ConversationResolved,
        f.ConversationReopened,
        f.ConversationSnoozed,
        f.ConversationWoken,
        f.ConversationWaiting,
        f.ConversationArchived,
        f.ConversationDeleted,
        f.ConversationRestored,
        f.ConversationMarkedSpam,
        f.ConversationUnmarkedSpam,
        f.ConversationMerged,
        f.ConversationAbsorbed,
        f.ConversationSplit,
        f.ConversationSplitOff,
        f.ConversationHandedOff,
        f.ContentErased,
    ),
    *_facts(
        "assigner",
        f.ConversationAssigned,
        f.ConversationQueued,
        f.ConversationUnassigned,
        f.ClaimRefused,
        f.DeadlineWarned,
        f.DeadlineBreached,
    ),
    *_facts(
        "notifier",
        f.MessageSent,
        f.MessageCancelled,
        f.MessageFailed,
        f.MessageBounced,
        f.NotificationSent,
        f.NotificationFailed,
    ),
)

BY_TYPE: dict[str, Registration] = {r.model.type_name(): r for r in REGISTRATIONS}
MODELS: dict[str, type[Data]] = {name: r.model for name, r in BY_TYPE.items()}


def source_of(service: str) -> str:
    """Return the CloudEvents `source` of a service."""
    return f"/postroom/{service}"


def models_of(*topics: Topic) -> dict[str, type[Data]]:
    """Return type name to model for all that may stand on `topics`."""
    return {name: r.model for name, r in BY_TYPE.items() if r.topic in topics}


def commands_handled_by(service: str) -> dict[str, type[Data]]:
    """Return type name to model of the commands that `service` carries out."""
    return {n: r.model for n, r in BY_TYPE.items() if r.handler == service and r.topic is CONVERSATION_COMMANDS}

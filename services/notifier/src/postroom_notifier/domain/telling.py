"""The making of deliveries: who wants to be told, what leaves by itself, and what is held back. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from postroom_contracts.configuration import Configuration, MailAccount
from postroom_contracts.events import Event
from postroom_contracts.notifying import ways_of
from postroom_contracts.rights import Ability, can

from postroom_notifier.domain.chat import PREFIX, destinations
from postroom_notifier.domain.conversation import Conversation
from postroom_notifier.domain.delivery import Delivery, DeliveryKind, Result, failed
from postroom_notifier.domain.limits import is_exceeded, noted
from postroom_notifier.domain.quiet import quiet_until

ALWAYS_TOLD = frozenset({"refused", "undelivered"})
"""Cannot be muted: the agent believes that the customer has their text."""

NEVER_HELD = ALWAYS_TOLD | {"deadline_breached"}
"""Quiet hours do not hold it back: a customer waits for longer than was promised."""
_THEIR_OWN = frozenset({"refused", "undelivered"})
"""What somebody is given back who may not read the conversation (any more)."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a decision knows beside the conversation."""

    now: datetime
    configuration_at: Callable[[int], Configuration]
    """Version to configuration; 0 is the newest. Raises ConfigurationNotYetError."""
    newest_version: int
    bounced: Mapping[str, Delivery]
    """The deliveries that bounces of this batch name, as far as they are ours."""
    too_old: timedelta


def counted(state: Conversation, event: Event, around: Surroundings, *, answers_machine: bool = False) -> Conversation:
    """Count the last delivery against the limits if it leaves by itself; one too many, or an answer to a machine, is skipped.

    What gives somebody their text back has the limits for itself: mails to a large team must not keep it from them.
    """
    if not state.due[-1].leaves_by_itself:
        return state
    if answers_machine:
        return end_last(state, "skipped", around.now, "automatic", silent=not state.due[-1].is_reply)
    of = "given_back_at" if state.due[-1].kind in ALWAYS_TOLD else "left_at"
    left_at: tuple[datetime, ...] = getattr(state, of)
    if is_exceeded(left_at, event.time):
        return end_last(state, "skipped", around.now, "loop_limit")
    return state.after(**{of: noted(left_at, event.time)})


def end_last(state: Conversation, became: str, now: datetime, reason: str, *, silent: bool = False) -> Conversation:
    """End the last delivery before it begins. `silent`: it is kept and counted, but no fact says so."""
    done = _ended(state.due[-1], became, now, reason)
    if silent:
        done = done.model_copy(update={"results": [], "unreported_since": None})
    return state.after(due=(*state.due[:-1], done))


def _ended(delivery: Delivery, state: str, now: datetime, reason: str) -> Delivery:
    result = Result.of(failed(delivery, now, reason, None))
    return delivery.model_copy(
        update={
            "state": state,
            "next_at": None,
            "results": [result],
            "unreported_since": now,
            "done_at": now,
            "last_reason": reason,
        }
    )


def tell(
    state: Conversation,
    event: Event,
    kind: DeliveryKind,
    agent_id: str,
    around: Surroundings,
    *,
    configuration_version: int = 0,
    extra: Mapping[str, str] | None = None,
    answers_machine: bool = False,
    useless_from: datetime | None = None,
    **fields: Any,
) -> Conversation:
    """Make a notification, unless the agent is unknown, disabled, may not read the inbox, or does not want this kind.

    `answers_machine`: it would tell of what a machine wrote; it is skipped, so that two systems which notify each other's
    addresses stop. `useless_from`: a mail that quiet hours hold back until then is not sent at all.
    """
    version = configuration_version or around.newest_version
    configuration = around.configuration_at(version)
    if not answers_machine:
        about = fields.get("details", {})
        state = _told_in_chat(state, event, kind, agent_id, configuration, version, about)
    if not wants(configuration, kind, agent_id, state.inbox_id):
        return state
    contents = dict(extra or {})
    readable = can(configuration, Ability.READ, state.inbox_id, agent_id)
    if not readable and state.inbox_id is not None and kind not in ALWAYS_TOLD:
        return state
    if not readable:  # or the beginning was never seen here: nothing of the texts, then
        contents = {role: i for role, i in contents.items() if role in _THEIR_OWN}
    elif state.customer_content_id:
        contents.setdefault("customer", state.customer_content_id)
    fields.setdefault("message_id", state.customer_message_id)
    if kind not in NEVER_HELD and not state.urgent:
        held = fields["due_at"] = _held_until(configuration, agent_id, max(event.time, around.now))
        if held is not None and useless_from is not None and held >= useless_from:
            return state
    state = state.with_due(
        event,
        kind,
        agent_id,
        account_id=notification_account(configuration, state.inbox_id),
        configuration_version=version,
        contents=contents,
        **fields,
    )
    return counted(state, event, around, answers_machine=answers_machine)


_TOLD_IN_CHAT = ("deadline", "at", "owner", "silent")


def _told_in_chat(
    state: Conversation,
    event: Event,
    kind: DeliveryKind,
    agent_id: str,
    configuration: Configuration,
    version: int,
    about: Mapping[str, Any],
) -> Conversation:
    """Add what chat tools are sent of it: one of each event to each, however many people it is for."""
    agent = configuration.agent(agent_id)
    if agent is None or not agent.enabled or not getattr(configuration.notifications, kind, False):
        return state
    for destination in destinations(configuration, kind, agent_id, state.inbox_id, state.team_id):
        receiver = f"{PREFIX}{destination.id}"
        if any(d.receiver == receiver and d.cause_id == event.id for d in state.due):
            continue
        contents = {"customer": state.customer_content_id} if destination.subject and state.customer_content_id else {}
        state = state.with_due(
            event,
            "chat",
            receiver,
            account_id=receiver,
            configuration_version=version,
            contents=contents,
            details={"kind": kind, "agent": agent_id} | {k: about[k] for k in _TOLD_IN_CHAT if k in about},
        )
    return state


def _held_until(configuration: Configuration, agent_id: str, at: datetime) -> datetime | None:
    preferences = configuration.notifications.preferences.get(agent_id)
    return quiet_until(preferences.quiet_hours, at) if preferences else None


def wants(configuration: Configuration, kind: DeliveryKind, agent_id: str, inbox_id: str | None = None) -> bool:
    """Say whether the agent is told of `kind` by mail, of a conversation in this inbox."""
    agent = configuration.agent(agent_id)
    if agent is None or not agent.enabled:
        return False
    chosen: Any = kind
    return kind in ALWAYS_TOLD or "mail" in ways_of(configuration, agent_id, chosen, inbox_id)


def notification_account(configuration: Configuration, inbox_id: str | None) -> str | None:
    """Return the account that sends notifications: the configured one, else the inbox's, else the first that can send."""
    inbox = configuration.inbox(inbox_id or "")
    wanted = configuration.notifications.account or (inbox.account if inbox else None)
    able = [a.id for a in configuration.accounts if isinstance(a, MailAccount) and a.smtp is not None]
    return wanted if wanted in able else next(iter(able), None)

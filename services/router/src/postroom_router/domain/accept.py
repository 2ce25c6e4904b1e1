"""What a message that came in makes of its conversation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from postroom_contracts.commands import AcceptMessage
from postroom_contracts.facts import MessageReceived
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.signed_ids import read_signed_message_id
from postroom_contracts.thread_keys import normalised_address, without_plus
from postroom_contracts.values import Address, Status

from postroom_router.domain.cancelling import hold_back
from postroom_router.domain.company import Company
from postroom_router.domain.conversation import Aside, Conversation, customer_arrived
from postroom_router.domain.merging import absorb_waiting
from postroom_router.domain.outcome import Asked, Outcome, Passed, World
from postroom_router.domain.permitted import readers
from postroom_router.domain.rules import NOTHING, Effects, Subject, more_urgent
from postroom_router.domain.splitting import unanswered_with, went_on_in

MAX_OTHERS = 20
"""How many further people of one message become participants: more is a mailing, not a conversation."""
MAX_REPLY_TO = 5
MAX_PARTICIPANTS = 200
_PUT_AWAY = frozenset({Status.RESOLVED, Status.DELETED})
_POWERLESS = frozenset({"bounce", "status", "echo"})
"""Kinds whose sender is a machine or our own side, never a customer."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message and where it arrives, worked out once."""

    inbound: InboundReceived
    contact_id: str
    others: Sequence[tuple[str, str]]
    reply_to: Sequence[tuple[str, str]]
    """(contact, address) of those to whom answers are asked for, other than the sender."""
    opens: bool
    stranger: bool
    source: str
    effects: Effects

    @property
    def by_customer(self) -> bool:
        return self.inbound.message_kind == "message"

    @property
    def is_news(self) -> bool:
        """A customer wrote it, and just now."""
        return self.by_customer and not self.inbound.imported


def accept_message(state: Conversation, command: AcceptMessage, asked: Asked, world: World) -> Outcome | None:
    """Return the conversation with this message; None when it stands there already, however often it comes.

    Only kind `message` ends waiting and snooze, reopens, and starts a turn; an `echo` is a public reply of ours.
    On a conversation marked spam the message is kept, and the mark stays. Imported history does none of it: a
    conversation that it opens is resolved, one that it joins stays as it is.
    """
    inbound = command.inbound
    if inbound.message_id in state.messages:
        return None
    if state.moved_replies and (target := went_on_in(state, inbound, world)):
        return Outcome(state, commands=[Passed(target, command, asked.request_id)])
    arrival = _arrival(state, command, world)
    if state.scheduled and arrival.is_news and not arrival.stranger:
        held = hold_back(state, asked)
        if held.facts:
            following = _accepted(held.state, arrival, asked, world)
            return replace(following, facts=[*held.facts, *following.facts])
    return _accepted(state, arrival, asked, world)


def _accepted(state: Conversation, arrival: Arrival, asked: Asked, world: World) -> Outcome:
    changes = (
        {**_identity(arrival), **_routing(state, arrival, world)} if arrival.opens else _later(state, arrival, world)
    )
    changes |= _people(state, arrival)
    changes |= _latest(state, arrival)
    changes |= _status(state, arrival)
    if arrival.is_news:
        changes |= unanswered_with(state, arrival.inbound)
    changes["sequence"] = state.sequence + 1
    after = state.model_copy(update=changes)
    reopened = not arrival.opens and state.status in _PUT_AWAY and after.status is Status.OPEN
    result = Outcome(after, [_fact(after, arrival, asked, world, reopened=reopened)])
    return absorb_waiting(result, asked) if state.to_absorb else result


def addresses_of(inbound: InboundReceived, company: Company) -> list[str]:
    """Return whose contact ids the decision needs: the sender, first, and other people among the recipients."""
    sender = normalised_address(inbound.sender.address)
    others = _outside([*inbound.to, *inbound.cc], company)
    return list(dict.fromkeys([sender, *others]))[: MAX_OTHERS + 1] if others else [sender]


def reply_addresses_of(inbound: InboundReceived, company: Company) -> list[str]:
    """Return to whom, other than the sender, a message wants its answers."""
    if not inbound.reply_to:
        return []
    sender = normalised_address(inbound.sender.address)
    return [a for a in dict.fromkeys(_outside(inbound.reply_to, company)) if a != sender][:MAX_REPLY_TO]


def _outside(addresses: Sequence[Address], company: Company) -> list[str]:
    """Return the addresses, normalised, of people outside the company."""
    ours = company.own_addresses
    named = (normalised_address(a.address) for a in addresses)
    return [a for a in named if a and a not in ours and without_plus(a) not in ours]


def _arrival(state: Conversation, command: AcceptMessage, world: World) -> Arrival:
    inbound = command.inbound
    sender, *others = addresses_of(inbound, world.company)
    contact_id = world.contact_id(inbound.channel, sender)
    opens = not state.exists
    inbox = world.company.inboxes.get(inbound.inbox_id)
    source = inbound.source_of_contact or (inbox and inbox.source_of_contact) or inbound.inbox_id
    unknown = not opens and contact_id not in state.participants and inbound.message_kind not in _POWERLESS
    tags = [source] if opens else state.tags
    rules = world.company.rules
    ruled = rules.rules and not inbound.probe
    effects = rules.match(Subject(inbound, opens=opens, source=source, tags=tags)) if ruled else NOTHING
    return Arrival(
        inbound=inbound,
        contact_id=contact_id,
        others=[(world.contact_id(inbound.channel, a), a) for a in others],
        reply_to=[(world.contact_id(inbound.channel, a), a) for a in reply_addresses_of(inbound, world.company)],
        opens=opens,
        stranger=command.from_stranger or unknown,
        source=source,
        effects=effects,
    )


def _identity(arrival: Arrival) -> dict[str, Any]:
    inbound = arrival.inbound
    return {"inbox_id": inbound.inbox_id, "channel": inbound.channel, "source_of_contact": arrival.source}


def _routing(state: Conversation, arrival: Arrival, world: World) -> dict[str, Any]:
    """Return what the rules, else the inbox, make of a new conversation."""
    effects = arrival.effects
    inbox = world.company.inboxes.get(arrival.inbound.inbox_id)
    changes: dict[str, Any] = {
        "tags": list(dict.fromkeys([*state.tags, arrival.source, *effects.tags])),
        "team_id": (effects.team_id or inbox.teams[0] if inbox.owner is None else None) if inbox else effects.team_id,
        "policy_id": effects.policy_id or (inbox.policy if inbox else None),
    }
    if effects.priority is not None:
        changes["priority"] = effects.priority
    if watchers := _watchers(arrival, world):
        changes["watchers"] = watchers
    return changes


def _watchers(arrival: Arrival, world: World) -> list[str]:
    """Return whom the rules make watch: nobody who may not read the inbox."""
    return readers(arrival.effects.watchers, arrival.inbound.inbox_id, world)


def _later(state: Conversation, arrival: Arrival, world: World) -> dict[str, Any]:
    """Return what the rules do on a message that opens nothing: they add tags and watchers, and raise the priority.

    Team, agent, policy and the spam mark belong to the first message: people may have changed them since.
    """
    effects = arrival.effects
    changes: dict[str, Any] = {}
    if effects.tags:
        changes["tags"] = list(dict.fromkeys([*state.tags, *effects.tags]))
    if watchers := _watchers(arrival, world):
        changes["watchers"] = list(dict.fromkeys([*state.watchers, *watchers]))
    if effects.priority is not None:
        changes["priority"] = more_urgent(state.priority, effects.priority)
    return changes


def _people(state: Conversation, arrival: Arrival) -> dict[str, Any]:
    """Return who takes part. A stranger does not become a participant, nor do those whom a stranger brings.

    Who opens a conversation says by Reply-To where it is to be answered (a form on a web page, for instance); later on
    From is too easily forged for that.
    """
    inbound = arrival.inbound
    changes: dict[str, Any] = {
        "messages": {**state.messages, inbound.message_id: f"{arrival.contact_id}/{inbound.ledger_id}"}
    }
    if inbound.message_kind in _POWERLESS:
        changes["machine_messages"] = [*state.machine_messages, inbound.message_id]
    if (arrival.stranger and not arrival.opens) or (inbound.message_kind in _POWERLESS and not arrival.opens):
        return changes
    people = {arrival.contact_id: normalised_address(inbound.sender.address), **dict(arrival.others)}
    if arrival.opens:
        people |= dict(arrival.reply_to)
    new = {c: a for c, a in people.items() if c not in state.participants}
    if new and len(state.participants) < MAX_PARTICIPANTS:
        changes["participants"] = {**state.participants, **new}
    return changes


def _latest(state: Conversation, arrival: Arrival) -> dict[str, Any]:
    """Return what there is to answer: the customer's latest message by its own time, whatever order they came in.

    A stranger's message is seen and makes a request stale, but is never what a reply answers: a reply that names nobody
    would go to whoever knew an id.
    """
    inbound, sequence = arrival.inbound, state.sequence + 1
    changes: dict[str, Any] = {}
    if arrival.is_news:
        changes["message_sequence"] = sequence
    elif inbound.message_kind == "echo":
        changes |= {"reply_sequence": sequence, "turn_started_at": None}
    if (arrival.stranger and not arrival.opens) or arrival.contact_id in state.third_parties:
        return changes | ({"stranger_sequence": sequence} if arrival.by_customer else {})
    newest = state.last_customer_at is None or inbound.received_at >= state.last_customer_at
    if (arrival.by_customer and newest) or (state.last_customer_content is None and inbound.message_kind != "status"):
        changes |= {
            "last_customer_content": inbound.content,
            "last_customer_message_id": inbound.message_id,
            "last_customer_contact_id": arrival.contact_id,
            "last_customer_from_only": not arrival.opens
            and any(c not in state.participants for c, _ in arrival.reply_to),
        }
        if arrival.by_customer:
            changes["last_customer_at"] = inbound.received_at
    return changes


def _status(state: Conversation, arrival: Arrival) -> dict[str, Any]:
    if arrival.opens and arrival.effects.spam:
        aside = Aside(turn_started_at=arrival.inbound.received_at if arrival.is_news else None)
        return {"status": Status.SPAM, "before_spam": aside}
    if arrival.inbound.imported:
        return {"status": Status.RESOLVED} if arrival.opens else {}
    return customer_arrived(state, arrival.inbound.received_at) if arrival.by_customer else {}


def _fact(after: Conversation, arrival: Arrival, asked: Asked, world: World, *, reopened: bool) -> MessageReceived:
    inbound, effects = arrival.inbound, arrival.effects
    return MessageReceived(
        href=f"/api/v1/conversations/{asked.conversation_id}/messages/{inbound.message_id}",
        message_id=inbound.message_id,
        ledger_id=inbound.ledger_id,
        account_id=inbound.account_id,
        inbox_id=after.inbox_id,  # wherever the mail came in
        channel=inbound.channel,
        message_kind=inbound.message_kind,
        automatic=inbound.automatic,
        imported=inbound.imported,
        probe=inbound.probe,
        contact_id=arrival.contact_id,
        content=inbound.content,
        body_bytes=inbound.body_bytes,
        attachments=len(inbound.attachments),
        received_at=inbound.received_at,
        ingested_at=inbound.ingested_at,
        opened=arrival.opens,
        reopened=reopened,
        status=after.status,
        source_of_contact=arrival.source,
        tags=after.tags,
        priority=after.priority,
        team_id=after.team_id,
        agent_id=_named_owner(arrival, world),
        watchers=after.watchers,
        policy_id=after.policy_id,
        rules=list(effects.rules),
        from_stranger=arrival.stranger,
        forwarded=inbound.forwarded_by is not None,
        delivery_id=_delivery(inbound, world),
        delivery_status=inbound.delivery_status,
        delivery_status_code=inbound.delivery_status_code,
        from_agent=_agent(inbound, world) if inbound.message_kind == "echo" else None,
        configuration_version=world.company.version,
    )


def _named_owner(arrival: Arrival, world: World) -> str | None:
    """Return the owner whom a rule names; of a private inbox it is its owner, whatever a rule says."""
    if not arrival.opens or arrival.inbound.imported:
        return None
    return _private_owner(arrival, world) or arrival.effects.agent_id


def _private_owner(arrival: Arrival, world: World) -> str | None:
    inbox = world.company.inboxes.get(arrival.inbound.inbox_id)
    return inbox.owner if inbox else None


def _delivery(inbound: InboundReceived, world: World) -> str | None:
    """Return which delivery of ours a bounce or status speaks of, when it names a Message-ID that we signed."""
    if inbound.message_kind not in ("bounce", "status") or inbound.about_external_id is None or inbound.imported:
        return None
    signed = read_signed_message_id(inbound.about_external_id, world.keys)
    return signed.delivery_id if signed else None


def _agent(inbound: InboundReceived, world: World) -> str | None:
    agent = world.company.agents.get(normalised_address(inbound.sender.address))
    return agent.id if agent else None

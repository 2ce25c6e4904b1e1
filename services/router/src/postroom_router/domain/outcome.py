"""What a decision is given and what it gives back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from postroom_contracts.commands import Command, Request
from postroom_contracts.facts import Fact, RequestRefused
from postroom_contracts.values import Channel, ContentReference

from postroom_router.domain.company import Company
from postroom_router.domain.conversation import Conversation

Via = Literal["api", "mail", "console", "rule"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A command's envelope. `at` is when it was asked for: a router that was away does not move anybody's times."""

    conversation_id: str
    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class World:
    """What the decisions of a batch know beside the conversations.

    `contacts`: contact key (`contact_key`) -> contact id. `addresses`: contact id -> address, of those whom an absorbed
    conversation brings. `merged`: conversation -> all that it was merged into, nearest first. `targets`: those
    targets of the batch's merges that exist. `keys`: signing keys. `erased`: those of `contacts` who were erased after
    what names them had come in. For erasures alone: `erased_addresses`, contact id -> address; `texts`, content
    documents by id.
    """

    company: Company
    contacts: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    merged: Mapping[str, Sequence[str]] = field(default_factory=dict)
    targets: frozenset[str] = frozenset()
    keys: Sequence[bytes] = ()
    erased: frozenset[str] = frozenset()
    erased_addresses: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def contact_id(self, channel: Channel, address: str) -> str:
        """Return the id of whoever has this normalised address or handle."""
        return self.contacts[contact_key(channel, address)]


def contact_key(channel: Channel, address: str) -> str:
    """Return what a contact is looked up by: kind of channel and the address, which is normalised already."""
    return f"{channel}:{address}"


@dataclass(frozen=True, slots=True)
class Passed:
    """A command for another conversation. `request_id`: kept when one is passed on; None: derived from its cause."""

    key: str
    command: Command
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The new state, the facts that made it (in order), and commands for other conversations."""

    state: Conversation
    facts: Sequence[Fact] = ()
    commands: Sequence[Passed] = ()


def outcome(state: Conversation, *facts: Fact, commands: Sequence[Passed] = (), **changes: Any) -> Outcome:
    """Return `state` with `changes`, and its sequence counted up by the facts. The changes must be valid values."""
    changes["sequence"] = state.sequence + len(facts)
    return Outcome(state.model_copy(update=changes), facts, commands)


def refused(
    state: Conversation,
    request: Request,
    asked: Asked,
    reason: str,
    *,
    changed: Sequence[str] = (),
    content: ContentReference | None = None,
    via: Via = "api",
    request_type: str | None = None,
) -> Outcome:
    """Return a refusal: nothing changes but the log. `router_sequence` is the last before it: what to look at."""
    fact = RequestRefused(
        request_id=asked.request_id,
        request_type=request_type or type(request).type_name(),
        actor=request.actor,
        reason=reason,
        changed=list(changed),
        router_sequence=state.sequence,
        content=content,
        via=via,
    )
    return outcome(state, fact)

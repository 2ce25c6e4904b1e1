"""Where probes were seen: what the topics and the desk said, matched to the mails that are under way."""

import asyncio
from dataclasses import dataclass, field

from postroom_contracts.events import Event
from postroom_contracts.facts import MessageReceived
from postroom_contracts.inbound import InboundReceived
from postroom_runtime.clock import monotonic

from postroom_notifier.probe.metrics import SECONDS


@dataclass
class Underway:
    """One probe that was sent, at `sent_at` (monotonic seconds). `conversation_id` is known once it is routed."""

    account_id: str
    sent_at: float = field(default_factory=monotonic)
    message_id: str = ""
    conversation_id: str = ""
    stored: asyncio.Event = field(default_factory=asyncio.Event)
    routed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, stage: str) -> None:
        SECONDS.labels(self.account_id, stage).observe(monotonic() - self.sent_at)


@dataclass
class Sightings:
    """The probes of this process that nobody has seen yet, by their Message-ID."""

    _underway: dict[str, Underway] = field(default_factory=dict)
    _by_message: dict[str, Underway] = field(default_factory=dict)

    def expect(self, external_id: str, account_id: str) -> Underway:
        """Note that a mail is sent now."""
        found = self._underway[external_id] = Underway(account_id)
        return found

    def forget(self, external_id: str) -> None:
        found = self._underway.pop(external_id, None)
        if found is not None:
            self._by_message.pop(found.message_id, None)

    def take(self, event: Event) -> None:
        """Take an event of either topic; those of others' probes and of customers are passed over."""
        if isinstance(event.data, InboundReceived):
            self._stored(event.data)
        elif isinstance(event.data, MessageReceived):
            self._routed(event, event.data)

    def _stored(self, inbound: InboundReceived) -> None:
        found = self._underway.get(inbound.external_id or "")
        if found is not None and inbound.probe and not found.stored.is_set():
            found.message_id = inbound.message_id
            self._by_message[inbound.message_id] = found
            found.note("stored")
            found.stored.set()

    def _routed(self, event: Event, fact: MessageReceived) -> None:
        found = self._by_message.get(fact.message_id)
        if found is not None and not found.routed.is_set():
            found.conversation_id = event.subject
            found.note("routed")
            found.routed.set()

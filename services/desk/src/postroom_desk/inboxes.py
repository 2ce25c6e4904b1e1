"""In which inbox a conversation is: a bounded memory of it, for facts that do not say so and for requests."""

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass, field

from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.ports import ConversationReads

REMEMBERED = 50_000


@dataclass(slots=True)
class Inboxes:
    """Learns from the facts of the tail, and asks the read model for what it has not seen. Single event loop."""

    conversations: ConversationReads
    _known: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _asking: dict[str, asyncio.Task[str | None]] = field(default_factory=dict)

    def learn(self, event: LoggedEvent) -> None:
        """Remember what a fact says of its conversation's inbox; a later fact counts more."""
        if (inbox_id := _named(event, "inbox_id")) is not None:
            self._remember(event.conversation_id, inbox_id)

    async def of(self, conversation_id: str) -> str | None:
        """Return the inbox, or None for an unknown conversation. Raises InfrastructureError.

        However many ask at once for the same one, the read model is asked once.
        """
        known = self._known.get(conversation_id)
        if known is not None:
            self._known.move_to_end(conversation_id)
            return known
        if conversation_id not in self._asking:
            self._asking[conversation_id] = asyncio.create_task(self._ask(conversation_id))
        return await asyncio.shield(self._asking[conversation_id])

    def remembered(self, conversation_id: str) -> str | None:
        """Return the inbox as far as it is known without asking anybody."""
        return self._known.get(conversation_id)

    async def concerned(self, event: LoggedEvent) -> frozenset[str]:
        """Return the inboxes whose readers a fact concerns: where its conversation is, and what it left by this fact."""
        present, left = await self.of(event.conversation_id), _named(event, "previous_inbox_id")
        return frozenset(filter(None, (present, left)))

    async def _ask(self, conversation_id: str) -> str | None:
        try:
            found = (await self.conversations.inboxes([conversation_id])).get(conversation_id)
            if found is not None and conversation_id not in self._known:  # else a fact came meanwhile and knows better
                self._remember(conversation_id, found)
            return self._known.get(conversation_id)
        finally:
            del self._asking[conversation_id]

    def _remember(self, conversation_id: str, inbox_id: str) -> None:
        self._known[conversation_id] = inbox_id
        self._known.move_to_end(conversation_id)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _named(event: LoggedEvent, field_name: str) -> str | None:
    if f'"{field_name}"'.encode() not in event.body:
        return None
    value = json.loads(event.body).get(field_name)
    return value if isinstance(value, str) else None

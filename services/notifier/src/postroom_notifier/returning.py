"""Marks and clears addresses by what comes in: bounces mark, a person's mail clears."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from postroom_contracts.events import Data, Event
from postroom_contracts.facts import MessageReceived, ReplyAccepted
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.content_store import ContentStore

from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.reply_mail import CannotBeSentError, recipients_of
from postroom_notifier.domain.returned import whom_it_is_about
from postroom_notifier.ports import AddressBook


@dataclass(frozen=True)
class Returns:
    """Every step may be repeated. Raises InfrastructureError."""

    content: ContentStore
    configurations: Configurations
    addresses: AddressBook

    async def heard_from(self, events: Sequence[Event]) -> None:
        """Clear the marks of those who wrote: customers, and agents who answered by mail."""
        contents = [data.content.content_id for data in (e.data for e in events) if _is_from_a_person(data)]
        agents = {e.data.actor.id for e in events if isinstance(e.data, ReplyAccepted) and e.data.via == "mail"}
        if not (contents or agents) or not await self.addresses.any():
            return
        found = await self.content.get(contents, only=["from"])
        senders = [str((document.get("from") or {}).get("address") or "") for document in found.values()]
        known = (self.configurations.latest.agent(agent_id) for agent_id in agents)
        await self.addresses.clear([a for a in (*senders, *(k.email for k in known if k)) if a])

    async def came_back(self, bounces: Sequence[Delivery], about: Mapping[str, Delivery]) -> None:
        """Mark the addresses that these bounces say cannot be reached. `about`: the deliveries that came back, by id."""
        for bounce in bounces:
            original = about.get(bounce.receiver)
            if original is None or not bounce.details.get("undeliverable"):
                continue
            address = await self._address(bounce, original)
            if address is not None:
                await self.addresses.mark([address], bounce.details.get("code"))

    async def _address(self, bounce: Delivery, original: Delivery) -> str | None:
        if not original.is_reply:
            agent = self.configurations.latest.agent(original.receiver)
            return agent.email if agent else None
        found = await self.content.get([*original.contents.values(), *bounce.contents.values()])
        by_role = {role: found[i] for role, i in (*original.contents.items(), *bounce.contents.items()) if i in found}
        try:
            latest = self.configurations.latest
            recipients = recipients_of(original, latest, by_role.get("reply", {}), by_role.get("answers"))
        except CannotBeSentError:  # erased meanwhile
            return None
        reported = (by_role.get("bounce", {}).get("bounce") or {}).get("recipient")
        return whom_it_is_about(recipients.addresses, reported)


def _is_from_a_person(data: Data) -> TypeGuard[MessageReceived]:
    return isinstance(data, MessageReceived) and data.message_kind == "message" and data.automatic is None

"""What nobody looked after: old letters, missing events, secrets, configuration, receivers of webhooks."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
from postroom_contracts.events import new_event
from postroom_contracts.facts import ConversationTagged
from postroom_contracts.signed_ids import service_key
from postroom_contracts.topics import CONVERSATION_EVENTS, dead_letter_topic
from postroom_contracts.values import Actor
from postroom_runtime.cli_dead_letters import discard_letter, load_letters

from watch import company
from watch.house import SIGNING_KEY, House
from watch.traffic import Traffic


@dataclass
class Neglect:
    """Each pair begins and ends one such trouble."""

    house: House
    traffic: Traffic
    _gap_after: tuple[str, int] = ("", 0)

    async def old_letter(self) -> None:
        """Park a record as it would have been parked 26 days ago."""
        origin = {
            "origin-topic": self.house.settings.topic(CONVERSATION_EVENTS.name),
            "origin-topic-id": "0" * 32,
            "origin-partition": "0",
            "origin-offset": "999999",
            "reason": "permanent",
            "detail": "provoked",
        }
        parked_at = datetime.now(UTC) - timedelta(days=26)
        await self.house.write(
            dead_letter_topic("analytics").name,
            {name: value.encode() for name, value in origin.items()},
            timestamp_ms=int(parked_at.timestamp() * 1000),
        )

    async def discard_letter(self) -> None:
        (letter,) = [one for one in await load_letters(self.house.settings, "analytics") if one.detail == "provoked"]
        await discard_letter(self.house.settings, "analytics", letter.id)

    async def gap(self) -> None:
        """Let the second of two facts of a conversation come alone; in one of which nothing else is heard any more."""
        found = next(one for one in await self.traffic.open_ones(limit="100") if one["channel"] == "webhook")
        await self.traffic.ask(found["id"], "resolve")
        async with self.house.database("desk") as database:

            async def resolved() -> bool:
                document = await database["conversations"].find_one({"_id": found["id"]})
                self._gap_after = found["id"], document["seen"]["/postroom/router"]
                return bool(document["state"]["status"] == "resolved")

            await self.house.until(resolved, "the conversation is resolved", 20)
        await self._tag(2)

    async def close_gap(self) -> None:
        await self._tag(1)

    async def _tag(self, after: int) -> None:
        conversation, seen = self._gap_after
        fact = ConversationTagged(actor=Actor(kind="agent", id=company.AGENTS[0]), added=[f"t{after}"])
        cause, now = f"gap-{conversation}-{after}", datetime.now(UTC)
        event = new_event(
            fact, source="/postroom/router", cause_id=cause, subject=conversation, time=now, sequence=seen + after
        )
        async with self.house.publisher() as publisher:
            await publisher.publish_events(CONVERSATION_EVENTS, [event])

    async def age_secrets(self) -> None:
        await self.house.remove_secret("audit-now")
        await self.house.put_secret("audit-before", days_ago=730)

    async def renew_secrets(self) -> None:
        for name in company.STORED_SECRETS:
            await self.house.put_secret(name)

    async def older_probe(self) -> None:
        await self.house.stop_service("probe")
        self.house.start_service("probe", module=("watch.older", str(self.house.version)))
        await self.house.until(lambda: self.house.is_ready("probe"), "the older probe is ready", 60)
        await self.house.configure()

    async def neglect_receivers(self) -> None:
        """Take one receiver as a replica would that then stands still; let the other be one that failed for six days."""
        self.house.receiver.failing.add("/hooks/erp")
        long_ago = datetime.now(UTC) - timedelta(days=6)
        async with self.house.database("notifier") as database:
            receivers = database["webhook_receivers"]

            async def failing() -> bool:
                known = {"_id": "erp", "failing_since": {"$exists": True}}
                done = await receivers.update_one(known, {"$set": {"failing_since": long_ago}})
                return bool(done.matched_count)

            await self.house.until(failing, "the receiver fails", 30)
            taken = {"lease": "nobody", "until": datetime.now(UTC) + timedelta(days=1)}
            await receivers.update_one({"_id": "crm"}, {"$set": taken}, upsert=True)

    async def serve_receivers(self) -> None:
        self.house.receiver.failing.clear()
        async with self.house.database("notifier") as database:
            given_back = {"$unset": {"lease": "", "until": ""}, "$set": {"next_at": datetime.now(UTC)}}
            await database["webhook_receivers"].update_one({"_id": "crm", "lease": "nobody"}, given_back)
        headers = {"x-postroom-key": service_key(SIGNING_KEY.encode())}
        async with httpx.AsyncClient(base_url=self.house.url("notifier"), headers=headers, timeout=10) as client:
            (await client.post("/api/v1/webhooks/erp/enable")).raise_for_status()

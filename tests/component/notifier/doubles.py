"""Doubles of the notifier's ports. `InMemoryDeliveryStore` passes the same tests as MongoDB's (test_delivery_store.py)."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from postroom_contracts.configuration import MailAccount
from postroom_contracts.events import Event
from postroom_contracts.topics import Topic
from postroom_notifier.adapters.mongo_deliveries import from_mongo, to_mongo
from postroom_notifier.delivery_log import DeliveryLog
from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.mime import OutgoingMail
from postroom_notifier.domain.outcomes import Accepted, Mark, SendOutcome
from postroom_runtime.kafka import Outgoing


class InMemoryDeliveryStore:
    """Keeps the stored form, so that what MongoDB would lose is lost here too."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}

    def all(self) -> list[Delivery]:
        return [from_mongo(d) for d in self.stored.values()]

    async def add(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        added = [d for d in deliveries if d.id not in self.stored]
        self.stored |= {d.id: to_mongo(d) for d in added}
        return added

    async def find(self, ids: Iterable[str]) -> dict[str, Delivery]:
        return {i: from_mongo(self.stored[i]) for i in ids if i in self.stored}

    async def lease(
        self,
        limit: int,
        *,
        now: datetime,
        until: datetime,
        lease: str,
        accounts_out: Collection[str],
        in_hand: Collection[str],
    ) -> list[Delivery]:
        undone = [d for d in self.stored.values() if "next_at" in d and d["due_at"] <= now]
        heads: dict[str, dict[str, Any]] = {}
        for d in sorted(undone, key=lambda d: (d["due_at"], d["number"])):
            heads.setdefault(d["order_key"], d)
        found = [
            d
            for d in sorted(heads.values(), key=lambda d: d["next_at"])
            if d["next_at"] <= now and d.get("account_id") not in accounts_out and d["_id"] not in in_hand
        ][:limit]
        for d in found:
            d |= {"lease": lease, "next_at": until, "attempts": d["attempts"] + 1}
        return [from_mongo(d) for d in found]

    async def mark(self, marks: Sequence[Mark]) -> None:
        for mark in marks:
            stored = self.stored[mark.delivery.id]
            if "next_at" not in stored or not (mark.done or stored.get("lease") == mark.delivery.lease):
                continue
            stored |= mark.fields
            for name in [k for k, v in mark.fields.items() if v is None]:
                del stored[name]

    async def release_followers(self, order_keys: Collection[str]) -> int:
        return 0

    async def unreported(self, before: datetime, limit: int) -> list[Delivery]:
        waiting = [d for d in self.stored.values() if d.get("unreported_since", before + timedelta(1)) <= before]
        return [from_mongo(d) for d in sorted(waiting, key=lambda d: d["unreported_since"])[:limit]]

    async def reported(self, ids: Iterable[str]) -> set[str]:
        return {i for i in ids if "reported_at" in self.stored.get(i, {})}

    async def mark_reported(self, ids: Sequence[str], now: datetime) -> None:
        for i in ids:
            self.stored[i]["reported_at"] = now
            self.stored[i].pop("unreported_since", None)

    async def erase(self, conversation_ids: Sequence[str]) -> None:
        for d in self.stored.values():
            if d["conversation_id"] in conversation_ids and "remaining" in d:
                d["remaining"] = []
                d["details"]["erased"] = True


class InMemoryDeliveryLogStore:
    def __init__(self) -> None:
        self.logs: dict[str, DeliveryLog] = {}

    async def load(self, conversation_ids: Iterable[str]) -> dict[str, DeliveryLog]:
        found = {}
        for i in conversation_ids:
            g = self.logs.get(i) or DeliveryLog(i)
            found[i] = DeliveryLog(i, g.version, g.sequence, list(g.counted), list(g.out))
        return found

    async def save(self, logs: Sequence[DeliveryLog]) -> None:
        for g in logs:
            self.logs[g.conversation_id] = DeliveryLog(
                g.conversation_id, g.version + 1, g.sequence, list(g.counted), list(g.out)
            )


class RecordingMailSender:
    """Takes everything; `outcomes` are given first, in order."""

    def __init__(self, *outcomes: SendOutcome) -> None:
        self.outcomes = list(outcomes)
        self.mails: list[OutgoingMail] = []

    async def send(self, account: MailAccount, mail: OutgoingMail) -> SendOutcome:
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted()
        if isinstance(outcome, Accepted):
            self.mails.append(mail)
        return outcome

    async def close(self) -> None: ...


class RecordingPublisher:
    """Stands for the runtime's publisher."""

    def __init__(self) -> None:
        self.published: list[Outgoing] = []
        self.fail_next = 0

    def outgoing(self, topic: Topic, event: Event) -> Outgoing:
        return Outgoing(topic.name, event.key.encode(), event.id.encode(), [("n", str(event.sequence).encode())])

    async def publish(self, records: Iterable[Outgoing]) -> None:
        if self.fail_next:
            self.fail_next -= 1
            raise ConnectionError("kafka is away")
        self.published += list(records)

"""Doubles of the notifier's ports. `InMemoryDeliveryStore` passes the same tests as MongoDB's (test_delivery_store.py)."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from postroom_contracts.configuration import MailAccount
from postroom_contracts.events import Event
from postroom_contracts.topics import Topic
from postroom_notifier.adapters.mongo_addresses import REST
from postroom_notifier.adapters.mongo_deliveries import from_mongo, to_mongo
from postroom_notifier.delivery_log import DeliveryLog
from postroom_notifier.domain.delivery import Delivery, cancelled
from postroom_notifier.domain.mime import OutgoingMail
from postroom_notifier.domain.outcomes import Accepted, Mark, SendOutcome
from postroom_runtime.clock import Clock
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

    async def cancel(self, conversation_id: str, message_ids: Sequence[str], now: datetime) -> list[Delivery]:
        taken_back = []
        for d in self.stored.values():
            ours = d["conversation_id"] == conversation_id and d.get("message_id") in message_ids
            if ours and d["kind"] == "reply" and d["attempts"] == 0 and "next_at" in d and "remaining" not in d:
                d.update(cancelled(from_mongo(d), now))
                for name in ("next_at", "lease"):
                    d.pop(name, None)
                taken_back.append(from_mongo(d))
        return taken_back

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

    async def erase(self, conversation_ids: Sequence[str], message_ids: Sequence[str], now: datetime) -> None:
        for d in self.stored.values():
            untried = d["kind"] == "reply" and d["attempts"] == 0 and "next_at" in d
            if untried and d["conversation_id"] in conversation_ids and d.get("message_id") in message_ids:
                d |= {"state": "skipped", "last_reason": "content_erased", "done_at": now}
                for name in ("next_at", "lease", "behind", "remaining"):
                    d.pop(name, None)
            if d["conversation_id"] in conversation_ids and "remaining" in d:
                d["remaining"] = []
                d["details"]["erased"] = True
            if d["conversation_id"] in conversation_ids:
                d.pop("refused", None)


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


class InMemoryAddressBook:
    """Passes the same tests as MongoDB's (test_address_stores.py)."""

    def __init__(self, clock: Clock) -> None:
        self.marks: dict[str, datetime] = {}
        self._clock = clock

    async def mark(self, addresses: Sequence[str], code: str | None) -> None:
        self.marks |= dict.fromkeys((a.lower() for a in addresses), self._clock.now())

    async def clear(self, addresses: Sequence[str]) -> None:
        for address in addresses:
            self.marks.pop(address.lower(), None)

    async def any(self) -> bool:
        return bool(self.marks)

    async def resting(self, addresses: Sequence[str]) -> bool:
        since = self._clock.now() - REST
        return any(at > since for a, at in self.marks.items() if a in {x.lower() for x in addresses})


class InMemoryReceiverLimit:
    """Passes the same tests as MongoDB's, for one process."""

    def __init__(self, clock: Clock, mails_per_hour: int = 300) -> None:
        self._clock = clock
        self._most = mails_per_hour
        self._counts: Counter[tuple[int, str]] = Counter()

    def _key(self, address: str) -> tuple[int, str]:
        return int(self._clock.now().timestamp()) // 3600, address.lower()

    async def allows(self, addresses: Sequence[str]) -> bool:
        return all(self._counts[self._key(a)] < self._most for a in addresses)

    def count(self, addresses: Sequence[str]) -> None:
        self._counts.update(self._key(a) for a in addresses)

"""What goes into the pipeline: normalised messages of 2 kB, 30 % replies, and the company that takes them."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from postroom_contracts import ids
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Event, new_event
from postroom_contracts.fields import to_milliseconds
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.values import Address, Channel, ContentReference
from postroom_runtime.clock import SystemClock

AGENTS = 200
REPLY_SHARE = 0.3
TEXT_BYTES = 2000
_WORDS = [
    "order",
    "parcel",
    "invoice",
    "delivery",
    "please",
    "thanks",
    "question",
    "account",
    "refund",
    "address",
    "monday",
    "morning",
    "broken",
    "colour",
    "size",
    "shipping",
    "customer",
    "number",
    "since",
    "waiting",
    "answer",
    "payment",
    "card",
    "return",
    "label",
    "warehouse",
    "tracking",
    "email",
    "phone",
    "again",
]


def company(webhook: bool = False) -> Configuration:
    """Return a company with 200 agents on duty round the clock and unlimited capacity."""
    hours = {day: ["00:00-24:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    agents = [
        {"id": f"agent-{n:03}", "first_name": f"Agent{n}", "email": f"agent{n:03}@acme.test"} for n in range(AGENTS)
    ]
    account: dict[str, Any] = {"id": "mail", "channel": "email"}
    if webhook:
        account = {"id": "mail", "channel": "webhook", "secrets": [{"env": "BENCH_HOOK_SECRET"}]}
    return Configuration.model_validate(
        {
            "company": {"name": "Acme", "default_calendar": "always", "domain": "acme.test"},
            "calendars": [{"id": "always", "time_zone": "Europe/Berlin", "hours": hours}],
            "accounts": [account],
            "inboxes": [
                {
                    "id": "support",
                    "name": "Support",
                    "account": "mail",
                    "address": "support@acme.test",
                    "teams": ["first"],
                }
            ],
            "teams": [{"id": "first", "name": "First line", "members": [a["id"] for a in agents]}],
            "agents": agents,
            "rules": [
                {
                    "id": "refunds",
                    "when": {"field": "subject", "operator": "contains", "value": "refund"},
                    "then": {"add_tags": ["refund"]},
                },
                {"id": "vip", "when": {"field": "sender_domain", "value": "vip.test"}, "then": {"priority": "high"}},
            ],
            "notifications": {"assigned": False, "replied": False},
        }
    )


@dataclass(frozen=True, slots=True)
class Feed:
    """One message; `root` is the number of the message that opened its conversation."""

    number: int
    root: int
    event: Event


def feed(count: int, seed: int = 7, run: str = "") -> Iterator[Feed]:
    """Yield `count` messages, the same for the same seed and run."""
    random_ = random.Random(seed)
    clock = SystemClock()
    roots: list[int] = []
    for number in range(count):
        reply = bool(roots) and random_.random() < REPLY_SHARE
        root = random_.choice(roots[-500:]) if reply else number
        if not reply:
            roots.append(number)
        yield Feed(number, root, _event(number, root, random_, clock, run))


def _event(number: int, root: int, random_: random.Random, clock: SystemClock, run: str) -> Event:
    now = to_milliseconds(clock.now())
    ledger = ids.digest("bench", run, str(number))
    message_id = ids.message_id(ledger, "support")
    text = ""
    while len(text) < TEXT_BYTES:
        text += random_.choice(_WORDS) + " "
    parent = [f"{run}-{root}@customers.test"] if root != number else []
    record = InboundReceived(
        message_id=message_id,
        ledger_id=ledger,
        account_id="mail",
        inbox_id="support",
        channel=Channel.EMAIL,
        source_of_contact="support",
        external_id=f"{run}-{number}@customers.test",
        in_reply_to=parent,
        references=parent,
        sender=Address(address=f"customer{root}@customers.test", name=f"Customer {root}"),
        to=[Address(address="support@acme.test")],
        subject=f"Question {root} about my order",
        text=text[:TEXT_BYTES],
        body_bytes=len(text) + 800,
        content=ContentReference(content_id=ids.content_id(message_id), sha256="0" * 64),
        received_at=now - timedelta(seconds=2),
        ingested_at=now,
    )
    key = f"mail|customer{root}@customers.test"
    return new_event(record, source="/postroom/ingest", cause_id=message_id, subject="support", time=now, key=key)


def json_size(event: Event) -> int:
    return len(json.dumps(event.data.model_dump(mode="json", exclude_none=True)))

"""What a timed run promises, held against what others can see: Kafka, the desk's and analytics' APIs, the mailboxes."""

import asyncio
import imaplib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage

import httpx

from postroom_demo.feed import Feed, Sent
from postroom_demo.mailbox import Mailbox
from postroom_demo.people import INBOXES, PEOPLE
from postroom_demo.tracker import Placed, Tracker

CHECKED_BEFORE_SECONDS = 40.0
"""Mails sent later may still be on their way when the run ends."""
DEADLINE_SECONDS = 60.0
LEAST = {"mails": 60, "senders": 20, "replies": 15, "with attachments": 5, "auto-replies": 1, "bounces": 1}
PLAYED = frozenset(person.id for person in PEOPLE if person.played)
OUT_OF_HOURS = "billing"


@dataclass(slots=True)
class Evidence:
    """What was looked up. `answered`: ids and, for mails without one, subjects that answers in mailboxes refer to."""

    owners: dict[str, str | None] = field(default_factory=dict)
    """By the desk: conversation -> owner."""
    figures: dict[str, dict[str, object]] = field(default_factory=dict)
    """By analytics: conversation -> figures."""
    answered: dict[str, set[str]] = field(default_factory=dict)
    """Customer's address -> Message-IDs and subjects."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`lacking` names each mail that lacks something, and each count that was not reached."""

    counts: dict[str, int]
    lacking: list[str]


def counts(sent: Sequence[Sent], bounces: int) -> dict[str, int]:
    """Return how many there were of what a timed run promises."""
    replies = [one for one in sent if one.kind in ("reply", "reminder")]
    by_client = Counter(one.client for one in replies)
    return {
        "mails": len(sent) + bounces,
        "senders": len({one.customer.address for one in sent}),
        "replies": len(replies),
        **{f"replies by {client}": by_client[client] for client in ("gmail", "outlook", "apple")},
        "with attachments": sum(one.files > 0 for one in sent),
        "auto-replies": sum(one.kind == "absence" for one in sent),
        "bounces": bounces,
        "without Message-ID": sum(one.message_id is None for one in sent),
    }


def lacking_counts(found: Mapping[str, int]) -> list[str]:
    least = LEAST | {"without Message-ID": 1} | {f"replies by {c}": 1 for c in ("gmail", "outlook", "apple")}
    return [f"{found[what]} {what}, at least {n} were promised" for what, n in least.items() if found[what] < n]


def lacks(one: Sent, tracker: Tracker, evidence: Evidence) -> list[str]:
    """Return what a mail lacks; empty when all is there."""
    placed = tracker.find(one.key)
    if placed is None:
        return ["a conversation"]
    if one.kind == "absence":
        return []  # it is kept and marked, and answered to nobody
    owner = tracker.owners.get(placed.conversation_id)
    if owner is None or owner.agent_id is None:
        waits = owner is not None and owner.queued and one.inbox_id == OUT_OF_HOURS
        return [] if waits else ["an owner"]
    missing = []
    if evidence.owners.get(placed.conversation_id) != owner.agent_id:
        missing.append("its owner at the desk")
    if not tracker.was_notified(placed):
        missing.append("a notification")
    if owner.agent_id in PLAYED:
        missing += _lacks_of_answer(one, placed, tracker, evidence)
    return missing


def _lacks_of_answer(one: Sent, placed: Placed, tracker: Tracker, evidence: Evidence) -> list[str]:
    missing = []
    if one.customer.mailbox:
        wanted = one.message_id or f"Re: {one.subject}"
        if wanted not in evidence.answered.get(one.customer.address, set()):
            missing.append("an answer in the customer's mailbox")
    elif placed.conversation_id not in tracker.bounced:
        missing.append("the report that its answer came back")
    figures = evidence.figures.get(placed.conversation_id, {})
    if not (figures.get("next_response") if one.kind == "reply" else figures.get("first_response")):
        missing.append("a response time")
    return missing


@dataclass(slots=True)
class Verifier:
    """Looks until everything is there or the deadline has passed."""

    tracker: Tracker
    feed: Feed
    desk_url: str
    analytics_url: str

    async def verify(self) -> Verdict:
        give_up_at = time.monotonic() + DEADLINE_SECONDS
        while True:
            verdict = await self._look()
            if not verdict.lacking or time.monotonic() > give_up_at:
                return verdict
            await asyncio.sleep(1)

    async def _look(self) -> Verdict:
        bounces = sum(placed.kind == "bounce" for placed in self.tracker.placed.values())
        found = counts(self.feed.sent, bounces)
        checked = [one for one in self.feed.sent if one.at < CHECKED_BEFORE_SECONDS]
        evidence = await self._gather(checked)
        lacking = lacking_counts(found)
        for one in checked:
            if missing := lacks(one, self.tracker, evidence):
                lacking.append(f"{one.name} to {one.inbox_id} lacks {', '.join(missing)}")
        return Verdict(found, lacking)

    async def _gather(self, checked: Sequence[Sent]) -> Evidence:
        conversations = {p.conversation_id for one in checked if (p := self.tracker.find(one.key)) is not None}
        evidence = Evidence(answered=await asyncio.to_thread(self._read_mailboxes))
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            for conversation in conversations:
                shown = await _get(client, f"{self.desk_url}/api/v1/conversations/{conversation}")
                evidence.owners[conversation] = _owner(shown)
                evidence.figures[conversation] = await _get(
                    client, f"{self.analytics_url}/api/v1/metrics/conversations/{conversation}"
                )
        return evidence

    def _read_mailboxes(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for address in {one.customer.address for one in self.feed.sent if one.customer.mailbox}:
            mailbox = Mailbox(self.feed.credentials(address))
            try:
                found[address] = {named for mail in mailbox.all() for named in _refers_to(mail)}
            except (OSError, imaplib.IMAP4.error):
                continue  # looked at again
            finally:
                mailbox.close()
        return found


def _refers_to(mail: EmailMessage) -> set[str]:
    """Return the Message-IDs that a mail of ours is threaded by, and its subject."""
    threaded = f"{mail['In-Reply-To'] or ''} {mail['References'] or ''}".split()
    return {one.strip("<>") for one in threaded} | {str(mail["Subject"] or "")}


def _owner(shown: Mapping[str, object]) -> str | None:
    owner = shown.get("owner_id")
    return owner if isinstance(owner, str) else None


async def _get(client: httpx.AsyncClient, url: str) -> dict[str, object]:
    try:
        answer = await client.get(url)
    except httpx.HTTPError:
        return {}
    found = answer.json() if answer.status_code == 200 else {}
    return found if isinstance(found, dict) else {}


def duty_lines() -> list[str]:
    """Return what the three inboxes show, in one line each."""
    says = {
        "support": "on duty now",
        "sales": "open; its people's shift begins 40 s after the start, and the queue drains",
        OUT_OF_HOURS: "out of hours: its business clock stands still",
    }
    return [f"{inbox.address}: {inbox.team_name}, {says[inbox.id]}" for inbox in INBOXES]

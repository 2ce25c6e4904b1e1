"""What the audit is told: who did what in which conversation, from where; a change is not answered before it stands there."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from postroom_contracts.configuration import ConfigurationApplied
from postroom_desk.api.build import build
from postroom_desk.audit.chain import Head, Link, Verification, linked
from postroom_desk.audit.checking import AuditCheck, AuditChecks
from postroom_desk.audit.port import AuditFullError, Entry
from postroom_desk.audit.search import Search
from postroom_desk.audit.writer import QueuedAudit
from postroom_runtime.clock import ManualClock
from postroom_runtime.errors import InfrastructureError

from tests.component.desk.doubles import NOW, DeskBench, settings
from tests.component.desk.facts import CONVERSATION, customer_content, received
from tests.component.desk.test_rights import OWN, TOKENS, staffed

PATH = f"/api/v1/conversations/{CONVERSATION}"


class InMemoryAuditStore:
    """Port AuditStore and AuditSearch, for small searches."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.away = False

    async def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        if self.away:
            raise InfrastructureError("append to audit: away")
        known = {link["id"] for link in self.links}
        head = Head(len(self.links), self.links[-1]["hash"]) if self.links else Head()
        self.links += linked(head, [e for e in entries if e["id"] not in known])

    async def find(self, search: Search) -> list[Link]:
        return [link for link in self.links[::-1] if self._fits(link, search)][: search.limit + 1]

    async def stream(self, search: Search) -> AsyncIterator[Link]:
        for link in self.links:
            if self._fits(link, search):
                yield link

    async def all(self, begin: datetime | None = None, end: datetime | None = None) -> AsyncIterator[Link]:
        assert begin is end is None
        for link in self.links:
            yield link

    @staticmethod
    def _fits(link: Link, search: Search) -> bool:
        at = datetime.fromisoformat(link["at"])
        return (
            (search.person is None or link["person"] == search.person)
            and (search.action is None or link["action"] == search.action)
            and (search.outcome is None or link["outcome"] == search.outcome)
            and (search.conversation_id is None or link["conversation_id"] == search.conversation_id)
            and (search.conversation_id is None or link["inbox_id"] not in search.hidden)
            and (search.begin is None or at >= search.begin)
            and (search.end is None or at < search.end)
            and (search.before is None or link["sequence"] < search.before)
        )


class InMemoryChecks:
    """Port CheckStore."""

    def __init__(self) -> None:
        self.check: AuditCheck | None = None

    async def latest(self) -> AuditCheck | None:
        return self.check

    async def begin(self, check: AuditCheck, silent_since: datetime) -> bool:
        if self.check is not None and self.check.state == "running" and self.check.seen_at > silent_since:
            return False
        self.check = check
        return True

    async def put(self, check: AuditCheck) -> None:
        if self.check is not None and (self.check.begun_at, self.check.by) == (check.begun_at, check.by):
            self.check = check


class AuditedDesk(DeskBench):
    """A desk whose audit writes when it is told to."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.store = InMemoryAuditStore()
        self.audit = QueuedAudit(self.store, self.clock, seconds=0.2)
        self.checks = AuditChecks(self.store, InMemoryChecks(), self.clock, pause_seconds=0)
        parts = replace(self.app.state.parts, audit=self.audit, audit_log=self.store, audit_checks=self.checks)
        self.app = build(parts)

    async def entries(self, *names: str) -> list[tuple[Any, ...]]:
        await self.audit.flush()
        return [tuple(link[name] for name in names) for link in self.store.links]


@pytest.fixture
async def desk() -> AuditedDesk:
    bench = AuditedDesk(
        settings(api_tokens="house=token-of-the-house-012," + ",".join(f"{n}@{n}={t}" for n, t in TOKENS.items()))
    )
    bench.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=staffed()))
    await bench.content.put([customer_content(subject="canary-of-the-subject", text="canary-of-the-text")])
    await bench.happens(received(), CONVERSATION)
    await bench.happens(received("p1", inbox_id="rita", team_id=None, opened=True), OWN)
    return bench


async def test_who_read_what_from_where_stands_there_once_in_five_minutes(desk: AuditedDesk) -> None:
    headers = {"User-Agent": "Firefox", "X-Request-Id": "request-1"}
    async with desk.client(TOKENS["ana"]) as client:
        client.headers.update(headers)
        for _ in range(3):
            assert (await client.get(PATH)).status_code == 200
        assert (await client.get("/api/v1/conversations")).status_code == 200
        await desk.audit.flush()
        desk.clock.advance(360)
        await client.get(PATH)
    found = await desk.entries("action", "person", "conversation_id", "inbox_id", "ip", "user_agent", "request_id")
    where = ("127.0.0.1", "Firefox", "request-1")
    read = ("read-conversation", "ana", CONVERSATION, "support", *where)
    assert found == [read, ("list-conversations", "ana", None, None, *where), read]
    assert "canary" not in str(desk.store.links)


async def test_what_was_refused_stands_there_too(desk: AuditedDesk) -> None:
    async with desk.client(TOKENS["ana"]) as client:
        await client.get(f"/api/v1/conversations/{OWN}")
        await client.get("/api/v1/conversations/a text that somebody typed")
        await client.get("/api/v1/audit")
    async with desk.client("no-token-of-anybody") as client:
        assert (await client.post(f"{PATH}/resolve", json={})).status_code == 401
    assert await desk.entries("action", "outcome", "person", "conversation_id") == [
        ("read-conversation", "not_found", "ana", OWN),
        ("read-conversation", "not_found", "ana", "?"),
        ("read-audit", "refused", "ana", None),
        ("failed-token", "refused", None, None),
    ]


async def test_a_change_is_answered_when_it_stands_there(desk: AuditedDesk) -> None:
    writing = asyncio.create_task(desk.audit.run())
    async with desk.client("token-of-the-house-012") as client:
        made = await client.post(f"{PATH}/note", json={"agent": "ana", "text": "canary-of-a-note"})
        assert made.status_code == 202
        desk.store.away = True
        away = await client.post(f"{PATH}/resolve", json={"agent": "ana"})
        assert (away.status_code, away.headers["retry-after"], away.json()["type"]) == (
            503,
            "2",
            "urn:postroom:problem:unavailable",
        )
        assert (await client.get(PATH)).status_code == 200, "a read does not wait for the audit"
        desk.store.away = False
    writing.cancel()
    found = await desk.entries("action", "person", "principal", "conversation_id", "about", "details")
    request_id = made.json()["request_id"]
    assert found[0] == ("add-note", "ana", "house", CONVERSATION, request_id, {"command": "AddNote"})
    assert [entry[0] for entry in found] == ["add-note", "handle", "read-conversation"]
    assert "canary" not in str(desk.store.links)
    verification = Verification()
    assert list(verification.check(desk.store.links)) == []


async def test_when_no_more_can_wait_nothing_is_read_unrecorded(desk: AuditedDesk) -> None:
    desk.store.away = True
    desk.audit.capacity = 1
    async with desk.client(TOKENS["ana"]) as client:
        assert (await client.get(PATH)).status_code == 200
        assert (await client.get(PATH)).status_code == 200, "what is noted already can be read"
        full = await client.get("/api/v1/overview")
        assert (full.status_code, full.headers["retry-after"]) == (503, "2")
        stream = await client.get("/api/v1/events")
        assert stream.status_code == 503
    with pytest.raises(AuditFullError):
        await desk.audit.record(Entry("log-in"))


async def test_auditors_read_it_and_see_no_conversation_of_a_private_inbox(desk: AuditedDesk) -> None:
    async with desk.client(TOKENS["rita"]) as client:
        await client.get(f"/api/v1/conversations/{OWN}")
    await desk.audit.flush()
    async with desk.client(TOKENS["otto"]) as client:
        answer = await client.get("/api/v1/audit")
    (entry,) = answer.json()["items"]
    assert (entry["person"], entry["action"], entry["conversation_id"], entry["inbox_id"]) == (
        "rita",
        "read-conversation",
        None,
        None,
    )
    assert OWN not in answer.text


async def test_notes_of_two_replicas_within_one_span_are_one_entry() -> None:
    store, clock = InMemoryAuditStore(), ManualClock(NOW)
    for _ in range(2):
        audit = QueuedAudit(store, clock)
        audit.note(Entry("read-conversation", person="ana", conversation_id="c"))
        await audit.flush()
    assert len(store.links) == 1

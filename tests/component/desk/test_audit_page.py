"""The page of the audit over doubles: filters, pages, export, whether the chain is in order, and who may look."""

import asyncio
import html
import json
import re
from datetime import timedelta

import pytest
from postroom_contracts.configuration import ConfigurationApplied
from postroom_desk.audit.checking import DAY, SILENT
from postroom_desk.audit.port import Entry
from postroom_desk.console.texts import LANGUAGES, texts
from postroom_desk.domain.permissions import Operation
from postroom_desk.identity.people import Person

from tests.component.desk.doubles import NOW, settings
from tests.component.desk.test_audit import AuditedDesk
from tests.component.desk.test_rights import TOKENS, staffed

FOREIGN = "7d1f7c52-8a0b-5e44-9c1d-6f2a7b90e311"
SEEN = "0d1f7c52-8a0b-5e44-9c1d-6f2a7b90e311"


async def bench() -> AuditedDesk:
    desk = AuditedDesk(settings(api_tokens=",".join(f"{n}@{n}={t}" for n, t in TOKENS.items())))
    desk.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=staffed()))
    for n, entry in enumerate(
        [
            Entry("log-in", person="ana", principal="session:ana:ana", ip="192.0.2.7", user_agent="<b>Browser</b>"),
            Entry("answer", person="ana", conversation_id=SEEN, inbox_id="support"),
            Entry("answer", "refused", person="ben", conversation_id=SEEN, inbox_id="support"),
            Entry(
                "read-conversation",
                person="rita",
                conversation_id=FOREIGN,
                inbox_id="rita",
                details={"k": "canary-detail"},
            ),
            Entry("rights-changed", person="ada", about="ben", details={"role": "lead"}),
        ]
    ):
        desk.clock.advance(0 if n == 0 else 3600)
        desk.audit._put(entry, f"e{n}", None)
    await desk.audit.flush()
    return desk


def shown(page: str) -> list[int]:
    """Return the numbers of the entries that a page shows."""
    return [int(n) for n in re.findall(r'id="entry-(\d+)"', page)]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [5, 4, 3, 2, 1]),
        ("?person=ana", [2, 1]),
        ("?action=answer&outcome=refused", [3]),
        (f"?conversation={SEEN}", [3, 2]),
        (f"?conversation={FOREIGN}", []),
        ("?from=2026-03-06T17:30", [5, 4, 3]),
        ("?from=2026-03-06T17:30&to=2026-03-06T18:30", [3]),
        ("?cursor=3", [2, 1]),
        ("?person=%24ne&outcome=nonsense", []),
        ("?from=nonsense", [5, 4, 3, 2, 1]),
    ],
)
async def test_it_is_filtered_by_person_action_conversation_and_time(query: str, numbers: list[int]) -> None:
    desk = await bench()
    async with desk.client(TOKENS["otto"]) as client:
        page = await client.get(f"/audit{query}")
    assert page.status_code == 200
    assert shown(page.text) == numbers
    assert ("was not understood" in page.text) == ("from=nonsense" in query)


async def test_what_is_shown_is_escaped_and_of_private_inboxes_only_that_something_was_done() -> None:
    desk = await bench()
    async with desk.client(TOKENS["otto"]) as client:
        page = (await client.get("/audit")).text
        assert "<b>Browser</b>" not in page
        assert "&lt;b&gt;Browser" in page
        assert "changed somebody’s rights" in html.unescape(page)
        assert FOREIGN not in page
        assert "canary-detail" not in page
        lines = (await client.get("/api/v1/audit/export?person=rita")).text.splitlines()
    (hidden,) = map(json.loads, lines)
    assert (hidden["hidden"], hidden["conversation_id"], hidden["details"]) == (True, None, {})


async def test_pages_lead_to_older_entries_and_keep_the_filters() -> None:
    desk = await bench()
    for n in range(60):
        desk.audit._put(Entry("log-out", person="ana"), f"more-{n}", None)
    await desk.audit.flush()
    async with desk.client(TOKENS["otto"]) as client:
        first = (await client.get("/audit?person=ana")).text
        (older,) = re.findall(r'href="([^"]+)" rel="next"', first)
        second = (await client.get(html.unescape(older))).text
    assert len(shown(first)) == 50
    assert shown(second)[-2:] == [2, 1]
    assert not set(shown(first)) & set(shown(second))
    assert 'rel="next"' not in second


async def test_the_export_is_the_filtered_chain_in_its_order_and_is_told_to_the_audit() -> None:
    desk = await bench()
    async with desk.client(TOKENS["otto"]) as client:
        page = (await client.get("/audit?person=ana&from=2026-03-06T15:00")).text
        (way,) = re.findall(r'id="export" href="([^"]+)"', page)
        answer = await client.get(html.unescape(way))
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.jsonl"'
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["sequence"] for line in lines] == [1, 2]
    assert lines == desk.store.links[:2]
    assert ("audit-exported", "otto") in await desk.entries("action", "person")


async def test_the_chain_is_checked_when_asked_and_once_a_day() -> None:
    desk = await bench()
    async with desk.client(TOKENS["otto"]) as client:
        assert "Not checked yet" in (await client.get("/audit")).text
        assert (await client.get("/api/v1/audit/check")).json()["state"] == "never"
        asking = asyncio.create_task(desk.audit.run())
        assert (await client.post("/audit/check")).status_code == 303
        await desk.checks.wait()
        found = (await client.get("/api/v1/audit/check")).json()
        assert (found["state"], found["by"]) == ("in_order", "otto")
        assert found["entries"] >= 5
        assert found["head"].startswith(f"{found['entries']}:")
        assert found["head"] in (await client.get("/audit")).text
        desk.store.links[1]["person"] = "mira"
        assert (await client.post("/api/v1/audit/check")).status_code == 202
        await desk.checks.wait()
        found = (await client.get("/api/v1/audit/check")).json()
        assert found["state"] == "broken"
        assert "entry 2 is not what was written" in found["faults"][0]
        page = (await client.get("/audit")).text
        assert 'role="alert"' in page
        assert "entry 2 is not" in page
        asking.cancel()


async def test_a_log_written_anew_since_the_last_check_is_found_by_its_head() -> None:
    desk = await bench()
    assert await desk.checks.begin("otto")
    await desk.checks.wait()
    entries = [
        {k: v for k, v in link.items() if k not in ("sequence", "previous", "hash")} for link in desk.store.links
    ]
    desk.store.links = []
    await desk.store.append([*entries[:-1], {**entries[-1], "person": "mira"}])
    assert await desk.checks.begin("otto")
    await desk.checks.wait()
    latest = await desk.checks.latest()
    assert latest is not None
    assert latest.state == "broken"
    assert "cut off or written anew" in latest.faults[0]


async def test_one_runs_at_a_time_unless_it_died() -> None:
    desk = await bench()
    assert await desk.checks.begin("otto")
    assert not await desk.checks.begin("ada")
    desk.clock.advance(SILENT / timedelta(seconds=1))
    assert await desk.checks.begin("ada")
    await desk.checks.wait()
    latest = await desk.checks.latest()
    assert latest is not None
    assert (latest.by, latest.state) == ("ada", "in_order")
    assert timedelta(hours=1) < DAY


@pytest.mark.parametrize("agent_id", ["ana", "lea"])
async def test_nobody_else_reads_it(agent_id: str) -> None:
    desk = await bench()
    desk.stores.people.people[agent_id] = Person(agent_id)
    writing = asyncio.create_task(desk.audit.run())
    client = await desk.browser(agent_id)
    assert 'href="/audit"' not in (await client.get("/")).text
    for way in ("/audit", "/api/v1/audit/export", "/api/v1/audit/check"):
        assert (await client.get(way)).status_code == 403
    assert (await client.post("/audit/check")).status_code == 403
    writing.cancel()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_operation_has_a_name(language: str) -> None:
    assert [o for o in Operation if not texts(language).has(f"audit.action.{o.value}")] == []

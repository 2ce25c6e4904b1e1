"""Replies that wait for their time: whose of them somebody sees, and what the page offers."""

from datetime import timedelta
from typing import Any

import pytest
from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.values import Actor, Status

from tests.component.desk.doubles import NOW, DeskBench
from tests.component.desk.facts import received, replied
from tests.integration.desk.office import company

LATER = NOW + timedelta(hours=3)


def staffed() -> Configuration:
    """Lea leads the workshop, otto is auditor, mira of sales may answer support, too."""
    plain = company().model_dump()
    roles = {"lea": "lead", "otto": "auditor", "noa": "agent"}
    plain["agents"] += [
        {"id": i, "first_name": i.capitalize(), "email": f"{i}@velo.test", "role": role} for i, role in roles.items()
    ]
    plain["teams"][0]["members"] = ["ana", "ben", "lea"]
    own = {"id": "own", "name": "Own", "account": "mail", "address": "o@velo.test", "teams": [], "owner": "noa"}
    return Configuration.model_validate({**plain, "inboxes": [*plain["inboxes"], own]})


def by(agent: str, message: str, hours: int = 3, **changes: Any) -> f.ReplyAccepted:
    actor = Actor(kind="agent", id=agent)
    return replied(message, actor=actor, send_at=NOW + timedelta(hours=hours), **changes)


@pytest.fixture
async def desk() -> DeskBench:
    bench = DeskBench()
    bench.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=staffed()))
    places = {
        "c1": ("support", "workshop"),
        "c2": ("sales", "sales"),
        "c3": ("own", None),
        "c4": ("support", "workshop"),
    }
    for conversation, (inbox, team) in places.items():
        message = f"m-{conversation}"
        await bench.happens(received(message, inbox_id=inbox, team_id=team, opened=True), conversation)
    await bench.happens(by("ana", "r-ana", 3), "c1")
    await bench.happens(by("ben", "r-ben", 2), "c4")
    await bench.happens(by("mira", "r-mira", 1), "c2")
    await bench.happens(by("noa", "r-noa", 4), "c3")
    await bench.happens(replied("r-now"), "c1")
    return bench


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("ana", ["r-ana"]),
        ("lea", ["r-ben", "r-ana"]),
        ("mira", ["r-mira"]),
        ("otto", ["r-mira", "r-ben", "r-ana"]),
        ("noa", ["r-noa"]),
    ],
)
async def test_one_sees_ones_own_a_lead_those_of_their_teams_and_nobody_a_foreign_inbox(
    desk: DeskBench, agent: str, shown: list[str]
) -> None:
    async with await desk.browser(agent) as client:
        items = (await client.get("/api/v1/scheduled")).json()["items"]
        assert [i["message_id"] for i in items] == shown, "the next first"
        page = (await client.get("/scheduled")).text
        assert [m for m in ("r-ana", "r-ben", "r-mira", "r-noa") if f'id="reply-{m}"' in page] == sorted(shown)


async def test_who_may_not_send_is_offered_no_change(desk: DeskBench) -> None:
    async with await desk.browser("otto") as client:
        assert "data-scheduled-cancel" not in (await client.get("/scheduled")).text
    async with await desk.browser("ana") as client:
        page = (await client.get("/scheduled")).text
        etag = desk.conversations.views["c1"].etag
        assert f'data-scheduled-cancel="r-ana" data-conversation="c1" data-etag="{etag}"' in page
        (item,) = (await client.get("/api/v1/scheduled")).json()["items"]
        assert (item["conversation_id"], item["send_at"], item["may_change"]) == ("c1", "2026-03-06T18:30:00Z", True)


def _cancelled(message: str) -> f.ReplyCancelled:
    return f.ReplyCancelled(
        message_id=message,
        actor=Actor(kind="agent", id="ana"),
        reason="asked",
        cancelled_at=NOW,
        previous=Status.OPEN,
        status=Status.OPEN,
    )


async def test_what_was_taken_back_or_sent_is_not_shown(desk: DeskBench) -> None:
    await desk.happens(_cancelled("r-ana"), "c1")
    async with await desk.browser("ana") as client:
        assert (await client.get("/api/v1/scheduled")).json()["items"] == []
        assert "Nothing is scheduled" in (await client.get("/scheduled")).text

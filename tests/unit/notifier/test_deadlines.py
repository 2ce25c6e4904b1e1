"""Deadlines that are near or were missed: who is told, when, by which ways, and what it says."""

from datetime import timedelta
from typing import Any

from postroom_contracts.configuration import Configuration
from postroom_contracts.facts import ConversationUnassigned
from postroom_contracts.values import Actor, Unanswered
from postroom_notifier.domain.chat import chat_body, destination_of

from tests.unit.notifier.company import FRIDAY, Facts, configuration, customer_content
from tests.unit.notifier.test_follow import due, told
from tests.unit.notifier.test_notification_mail import mail

NIGHT = {"start": "15:00", "end": "08:30", "time_zone": "Europe/Berlin"}
"""FRIDAY is 15:02 in Berlin; they end at 07:30 UTC of Saturday."""
SOON = FRIDAY + timedelta(minutes=1)


def with_lead(**notifications: Any) -> Configuration:
    plain = configuration(**notifications).model_dump()
    plain["teams"][0]["members"].append("lea")
    plain["agents"].append({"id": "lea", "first_name": "Lea", "email": "lea@staff.acme.test", "role": "lead"})
    return Configuration.model_validate(plain)


def test_the_owner_is_told_and_without_one_the_leads_or_the_team() -> None:
    f = Facts()
    owned = [f.received(), f.assigned("ana", reason="manual", actor=Actor(kind="agent", id="ana"))]
    warned, breached = f.warned(), f.breached()
    assert told(*owned, warned, now=SOON) == [("deadline_warned", "ana")]
    assert told(*owned, breached, now=SOON) == [("deadline_breached", "ana")]
    lost = ConversationUnassigned(
        previous_agent_id="ana", team_id="workshop", epoch=2, reason="released",
        actor=Actor(kind="agent", id="ana"), unassigned_at=f.now,
    )  # fmt: skip
    unowned = [*owned, f.event(lost)]
    assert told(*unowned, f.breached(), now=SOON) == [("deadline_breached", "ana"), ("deadline_breached", "ben")]
    assert told(*unowned, f.breached(), settings=with_lead(), now=SOON) == [("deadline_breached", "lea")]
    without_right = with_lead().model_dump()
    without_right["inboxes"][0] |= {"owner": "ben", "teams": []}
    own = Configuration.model_validate(without_right)
    assert told(*unowned, f.breached(), settings=own, now=SOON) == [("deadline_breached", "ben")], "a private inbox"


def test_a_breach_is_not_held_back_by_quiet_hours_and_a_warning_only_while_it_is_of_use() -> None:
    settings = configuration(preferences={"ana": {"quiet_hours": NIGHT}})
    f = Facts()
    owned = [f.received(), f.assigned("ana", reason="claim", actor=Actor(kind="agent", id="ana"))]
    [breached] = due(*owned, f.breached(), settings=settings, now=SOON)
    assert breached.due_at < FRIDAY + timedelta(minutes=2)
    [warned] = due(*owned, f.warned(60 * 24), settings=settings, now=SOON)
    assert warned.due_at.isoformat() == "2026-03-07T07:30:00+00:00"
    assert due(*owned, f.warned(60), settings=settings, now=SOON) == [], (
        "by then it was missed, which another mail says"
    )
    assert due(*owned, f.warned(60), now=FRIDAY + timedelta(hours=2)) == [], "read late"


def test_nobody_is_told_of_what_they_or_the_house_do_not_want() -> None:
    f = Facts()
    events = [f.received(), f.assigned("ana", reason="claim", actor=Actor(kind="agent", id="ana")), f.breached()]
    unwanted: list[dict[str, Any]] = [
        {"deadline_breached": False},
        {"muted": {"ana": ["deadline_breached"]}},
        {"preferences": {"ana": {"ways": {"deadline_breached": ["console", "chat"]}}}},
        {"preferences": {"ana": {"inbox_ways": {"support": {"deadline_breached": []}}}}},
        {"defaults": {"deadline_breached": ["console"]}},
    ]
    for notifications in unwanted:
        assert told(*events, settings=configuration(**notifications), now=SOON) == [], notifications
    asked = {"inbox_ways": {"support": {"deadline_breached": ["mail"]}}}
    again = configuration(muted={"ana": ["deadline_breached"]}, preferences={"ana": asked})
    assert told(*events, settings=again, now=SOON) == [("deadline_breached", "ana")]


def test_what_the_mail_says() -> None:
    about = {"deadline": "first_response", "at": "2026-03-06T15:00:00.000Z"}
    text = (
        mail({"customer": customer_content()}, kind="deadline_warned", details=about | {"owner": True})
        .decode()
        .replace("=\r\n", "")
    )
    assert (
        "Ana, the first answer is due at 2026-03-06 15:00 (UTC).\r\nYou are told because this conversation is yours."
        in text
    )
    assert "No more mails of this kind: https://" in text
    assert "List-Id: <deadline_warned.notifications.acme.test>" in text
    breached = mail(kind="deadline_breached", details=about | {"deadline": "resolution", "owner": False}).decode()
    text = breached.replace("=\r\n", "")
    assert "the resolution was due at 2026-03-06 15:00 (UTC), and is missed." in text
    assert "Nobody has it yet; you are told as one of Workshop." in text


def chat_text(settings: Configuration, *events: Any) -> list[str]:
    posts = [d for d in due(*events, settings=settings, now=SOON) if d.kind == "chat"]
    texts = []
    for delivery in posts:
        destination = destination_of(settings, delivery)
        assert destination is not None
        texts.append(chat_body(destination, delivery, settings, {}, "https://desk.test").decode())
    return texts


def test_what_chat_tools_are_told_once_however_many_are() -> None:
    f = Facts()
    room = {"id": "room", "url": {"env": "ROOM"}, "teams": ["workshop"]}
    [text] = chat_text(configuration(chat=[room]), f.received(), f.breached())
    assert "Workshop, nobody's: the first answer was due at 2026-03-06 14:02 (UTC) and is missed (Canary" in text
    [text] = chat_text(configuration(chat=[room | {"format": "json"}]), f.received(), f.warned())
    assert '"kind": "deadline_warned"' in text
    assert '"deadline": "first_response"' in text


def test_a_destination_that_names_somebody_gets_what_they_want_in_chat_and_a_team_s_what_is_the_team_s() -> None:
    f = Facts()
    own = {"id": "own", "url": {"env": "OWN"}, "agents": ["ana"]}
    team = {"id": "team", "url": {"env": "TEAM"}, "teams": ["workshop"]}
    events = [f.received(), f.assigned("ana")]
    for ways, expected in ((["console", "chat"], ["chat:own", "chat:team"]), (["mail"], ["chat:team"])):
        settings = configuration(chat=[own, team], preferences={"ana": {"ways": {"assigned": ways}}})
        found = [d.receiver for d in due(*events, settings=settings) if d.kind == "chat"]
        assert found == expected


def test_who_gave_no_answer_and_the_leads_are_told_that_it_is_in_the_queue_again() -> None:
    f = Facts()
    missed = Unanswered(deadline="first_response", policy_id="p", breached_at=f.now)
    lost = ConversationUnassigned(
        previous_agent_id="ana", team_id="workshop", epoch=2, reason="released",
        actor=Actor(kind="system", id="assigner"), unassigned_at=f.now, unanswered=missed,
    )  # fmt: skip
    events = [f.received(), f.assigned("ana"), f.event(lost)]
    settings = with_lead(chat=[{"id": "room", "url": {"env": "ROOM"}, "teams": ["workshop"]}])
    kinds = [(d.kind, d.receiver) for d in due(*events, settings=settings, now=SOON) if d.cause_id == events[-1].id]
    assert kinds == [("chat", "chat:room"), ("deadline_breached", "ana"), ("deadline_breached", "lea")]
    assert (
        "Ana Ruiz gave no answer, and it is in the queue again: the first answer was due"
        in chat_text(settings, *events)[-1]
    )
    about = {"deadline": "first_response", "at": "2026-03-06T15:00:00.000Z", "silent": "ana"}
    for owner, said in ((True, "was yours, and went back to the queue of Workshop"), (False, "had it; it went back")):
        text = mail(kind="deadline_breached", details=about | {"owner": owner}).decode().replace("=\r\n", "")
        assert "the first answer was due at 2026-03-06 15:00 (UTC), and there is still no answer." in text
        assert said in text

"""Rights at the decision itself: whoever may not send is refused, and a private inbox is its owner's alone."""

from typing import Any

import pytest
from postroom_contracts import commands as c
from postroom_contracts.configuration import Configuration
from postroom_contracts.values import Actor, Address, Priority
from postroom_router.domain.company import company_of
from postroom_router.domain.outcome import World

from tests.unit.router.build import ANN, BEN, KEYS, TEXT, EveryContact, Played, at, configuration

EVE = Actor(kind="agent", id="eve")


def changed(rules: list[dict[str, Any]] | None = None, **support: Any) -> Configuration:
    """Return the company with other settings of `support`, with ben an admin and eve enabled, who reads only."""
    plain = configuration(rules or ()).model_dump()
    plain["inboxes"][0] |= support
    roles = {"ben": "admin"}
    plain["agents"] = [a | {"enabled": True, "role": roles.get(a["id"], "agent")} for a in plain["agents"]]
    return Configuration.model_validate(plain)


def played(rules: list[dict[str, Any]] | None = None, **support: Any) -> Played:
    found = Played()
    found.world = World(company_of(changed(rules, **support), 7), contacts=EveryContact(), keys=KEYS)
    return found


ACCESS = [{"agent": "ann", "rights": ["send_on_behalf"]}, {"agent": "eve", "rights": ["full_access"]}]


@pytest.mark.parametrize(
    ("actor", "refused"),
    [
        (ANN, False),
        (BEN, True),
        (EVE, True),
        (Actor(kind="agent", id="nobody"), True),
        (Actor(kind="rule", id="r"), False),
    ],
    ids=lambda value: getattr(value, "id", str(value)),
)
def test_who_has_no_right_to_send_is_refused_whatever_way_they_come(actor: Actor, refused: bool) -> None:
    conversation = played(access=ACCESS)
    conversation.mail()
    for via in ("api", "mail"):
        request = c.SendReply(actor=actor, message_id=via, content=TEXT, via=via)
        fact = conversation.one(request)
        assert (getattr(fact, "reason", None), getattr(fact, "via", None)) == ("no_right" if refused else None, via)


def test_who_answers_from_another_inbox_needs_the_right_in_both() -> None:
    conversation = played(access=[{"agent": "ben", "rights": ["send_as"]}])
    conversation.mail()
    assert conversation.one(c.SendReply(actor=BEN, message_id="a", content=TEXT, inbox_id="sales")).inbox_id == "sales"
    assert conversation.one(c.SendReply(actor=ANN, message_id="b", content=TEXT, inbox_id="sales")).reason == "no_right"


def test_who_may_not_send_starts_nothing() -> None:
    start = {"message_id": "s", "inbox_id": "support", "to": [Address(address="x@example.test")], "content": TEXT}
    assert played(access=ACCESS).one(c.StartConversation(actor=EVE, **start)).reason == "no_right"
    assert len(played(access=ACCESS).play(c.StartConversation(actor=ANN, **start))) == 2


PRIVATE: dict[str, Any] = {"teams": [], "owner": "ann"}


def test_a_private_inbox_gives_its_mail_to_its_owner_whatever_rules_say() -> None:
    rules = [{"id": "all", "then": {"team": "second", "agent": "ben", "watchers": ["ben", "ann"], "priority": "high"}}]
    conversation = played(rules, **PRIVATE)
    (fact,) = conversation.mail()
    assert (fact.team_id, fact.agent_id, fact.watchers, fact.priority) == (None, "ann", ["ann"], "high")  # type: ignore[attr-defined]
    (later,) = conversation.mail("two")
    assert later.watchers == ["ann"]  # type: ignore[attr-defined]


def test_a_private_conversation_does_not_exist_for_others() -> None:
    conversation = played(**PRIVATE)
    conversation.mail()
    for request in (
        c.SendReply(actor=BEN, message_id="r", content=TEXT),
        c.AddNote(actor=BEN, message_id="n", content=TEXT),
        c.ResolveConversation(actor=BEN),
        c.TagConversation(actor=BEN, add=["x"]),
        c.MergeConversations(actor=BEN, target_id="t"),
    ):
        assert conversation.one(request).reason == "not_found"
    assert conversation.one(c.SendReply(actor=ANN, message_id="r", content=TEXT)).message_id == "r"


def test_a_person_is_erased_in_a_private_inbox_too_whoever_asked() -> None:
    conversation = played(**PRIVATE)
    (received,) = conversation.mail()
    erased = conversation.one(c.EraseContact(actor=BEN, contact_id=received.contact_id))  # type: ignore[attr-defined]
    assert erased.message_ids == [received.message_id]  # type: ignore[attr-defined]


def test_its_owner_lets_nobody_else_in() -> None:
    conversation = played(**PRIVATE)
    conversation.mail()
    assert conversation.one(c.RouteConversation(actor=ANN, team_id="second")).reason == "private"
    assert conversation.one(c.RouteConversation(actor=ANN, watchers=["ben"])).reason == "private"
    assert conversation.one(c.RouteConversation(actor=ANN, watchers=["ann"])).watchers == ["ann"]


def test_its_owner_starts_conversations_without_a_team() -> None:
    to = [Address(address="x@example.test")]
    start = c.StartConversation(actor=ANN, message_id="s", inbox_id="support", to=to, content=TEXT)
    started, _ = played(**PRIVATE).play(start)
    assert started.team_id is None  # type: ignore[attr-defined]


HANDLES: tuple[c.Request, ...] = (
    c.ResolveConversation(actor=EVE),
    c.SetWaiting(actor=EVE),
    c.SnoozeConversation(actor=EVE, until=at(600)),
    c.ArchiveConversation(actor=EVE),
    c.DeleteConversation(actor=EVE),
    c.MarkSpam(actor=EVE),
    c.TagConversation(actor=EVE, add=["x"]),
    c.RouteConversation(actor=EVE, priority=Priority.HIGH),
    c.RouteConversation(actor=EVE, inbox_id="sales"),
    c.MergeConversations(actor=EVE, target_id="t"),
    c.SplitConversation(actor=EVE, message_id="m", new_conversation_id="n"),
)


@pytest.mark.parametrize("request_", HANDLES, ids=lambda r: type(r).__name__)
def test_who_reads_and_notes_only_handles_nothing(request_: c.Request) -> None:
    conversation = played(access=ACCESS)
    conversation.mail()
    before = conversation.state.model_dump(exclude={"sequence"})
    refusal = conversation.one(request_)
    assert (refusal.reason, refusal.actor) == ("no_right", EVE)
    assert conversation.state.model_dump(exclude={"sequence"}) == before
    for actor in (ANN, BEN, Actor(kind="rule", id="r"), Actor(kind="system", id="s")):  # ben: admin
        allowed = played(access=ACCESS)
        allowed.mail()
        fact = allowed.one(request_.model_copy(update={"actor": actor}))
        assert getattr(fact, "reason", "") != "no_right"


def test_who_may_not_note_is_refused_and_the_text_is_kept() -> None:
    conversation = played(access=[{"agent": "ann", "rights": ["send_as"]}])
    conversation.mail()
    refusal = conversation.one(c.AddNote(actor=EVE, message_id="n", content=TEXT))
    assert (refusal.reason, refusal.content) == ("no_right", TEXT)
    assert conversation.one(c.AddNote(actor=ANN, message_id="n", content=TEXT)).message_id == "n"


def test_a_move_needs_the_right_to_handle_in_both_inboxes() -> None:
    conversation = played(access=ACCESS)  # ann handles both
    conversation.mail()
    assert conversation.one(c.RouteConversation(actor=ANN, inbox_id="sales")).inbox_id == "sales"
    only_here = played(access=[{"agent": "eve", "rights": ["send_as"]}])
    only_here.mail()
    assert only_here.one(c.RouteConversation(actor=EVE, inbox_id="sales")).reason == "no_right"
    assert only_here.one(c.RouteConversation(actor=EVE, team_id="second")).team_id == "second"


def test_nobody_watches_or_is_mentioned_who_may_not_read_the_inbox() -> None:
    rules = [{"id": "all", "then": {"watchers": ["eve", "ann"]}}]
    conversation = played(rules, access=[{"agent": "ann", "rights": ["send_as"]}])
    (fact,) = conversation.mail()
    assert fact.watchers == ["ann"]  # type: ignore[attr-defined]
    assert conversation.one(c.RouteConversation(actor=ANN, watchers=["ann", "eve"])).reason == "watcher_cannot_read"
    assert conversation.one(c.WatchConversation(actor=ANN, agent_id="eve")).reason == "watcher_cannot_read"
    assert conversation.one(c.WatchConversation(actor=ANN, agent_id="ben")).watchers == ["ann", "ben"]
    note = c.AddNote(actor=ANN, message_id="n", content=TEXT, mentions=["eve", "ben", "ben"])
    assert conversation.one(note).mentions == ["ben"]


def test_a_move_takes_away_watchers_who_may_not_read_it_there() -> None:
    conversation = played(access=ACCESS)
    conversation.mail()
    assert conversation.one(c.WatchConversation(actor=EVE, agent_id="eve")).watchers == ["eve"]
    assert conversation.one(c.RouteConversation(actor=ANN, inbox_id="sales")).watchers == []

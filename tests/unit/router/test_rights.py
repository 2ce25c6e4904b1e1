"""Rights at the decision itself: whoever may not send is refused, and a private inbox is its owner's alone."""

from typing import Any

import pytest
from postroom_contracts import commands as c
from postroom_contracts.configuration import Configuration
from postroom_contracts.values import Actor, Address
from postroom_router.domain.company import company_of
from postroom_router.domain.outcome import World

from tests.unit.router.build import ANN, BEN, KEYS, TEXT, EveryContact, Played, configuration

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

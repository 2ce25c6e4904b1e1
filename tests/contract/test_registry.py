from dataclasses import replace

import pytest
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Data
from postroom_contracts.facts import Fact
from postroom_contracts.registry import BY_TYPE, REGISTRATIONS, Registration
from postroom_contracts.registry_checks import models, registry_problems
from postroom_contracts.schemas import nodes, schema_of
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS, TOPICS

FACTS = [r for r in REGISTRATIONS if r.topic is CONVERSATION_EVENTS]


def test_registry_has_no_problem() -> None:
    assert registry_problems() == []


def test_every_body_class_is_registered_under_its_own_type() -> None:
    assert {r.model for r in REGISTRATIONS} == models()
    assert len(BY_TYPE) == len(REGISTRATIONS)


def test_each_fact_has_one_producer_and_each_command_one_handler() -> None:
    assert all(len(r.producers) == 1 and r.handler is None for r in FACTS)
    commands = [r for r in REGISTRATIONS if r.topic is CONVERSATION_COMMANDS]
    assert {r.handler for r in commands} == {"router", "assigner"}


def test_writers_of_each_topic_are_its_registered_producers() -> None:
    for topic in TOPICS:
        assert {p for r in REGISTRATIONS if r.topic is topic for p in r.producers} == set(topic.writers), topic.name


FORBIDDEN_ON_THE_LOG = {
    "address", "body", "cc", "email", "filename", "first_name", "handle", "html", "last_name", "name", "phone",
    "recipient_address", "sender", "subject", "text", "to",
}  # fmt: skip


@pytest.mark.parametrize("registration", FACTS, ids=lambda r: r.model.__name__)
def test_no_fact_holds_a_personal_field_at_any_depth(registration: Registration) -> None:
    for node in nodes(schema_of(registration.model)):
        assert node.get("x-postroom-class", "public") == "public"
        assert not FORBIDDEN_ON_THE_LOG & set(node.get("properties", {}))


def test_personal_marks_reach_the_schema_from_nested_values() -> None:
    commands = {r.model.__name__: schema_of(r.model) for r in REGISTRATIONS}
    assert commands["SendReply"]["$defs"]["Address"]["properties"]["address"]["x-postroom-class"] == "personal"
    assert commands["AcceptMessage"]["$defs"]["InboundReceived"]["properties"]["text"]["x-postroom-class"] == "personal"


class TestTheChecksBite:
    def test_unregistered_fact_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("postroom_contracts.registry_checks.REGISTRATIONS", REGISTRATIONS[1:])
        assert "InboundReceived: is not registered" in registry_problems()

    def test_second_producer_of_a_fact_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        twice = Registration(FACTS[0].model, FACTS[0].topic, ("router", "desk"))
        monkeypatch.setattr("postroom_contracts.registry_checks.REGISTRATIONS", (twice,))
        problems = registry_problems()
        assert "MessageReceived: has 2 producers, not one" in problems
        assert "conversation-events: writers and registered producers disagree about desk" in problems

    def test_personal_field_on_a_fact_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reply = next(r for r in REGISTRATIONS if r.model.__name__ == "SendReply")
        public = replace(reply, topic=CONVERSATION_EVENTS)
        monkeypatch.setattr("postroom_contracts.registry_checks.REGISTRATIONS", (public,))
        problems = "\n".join(registry_problems())
        assert "SendReply: holds ['personal'] fields" in problems


def test_bases_are_what_only_others_are_made_of() -> None:
    assert Data not in models()
    assert Fact not in models()
    assert Configuration.__name__ not in {m.__name__ for m in models()}

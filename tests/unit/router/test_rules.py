"""Rules: every field with every operator, order, stop, nesting, and patterns that must not cost more than they may."""

import time
from typing import Any

import pytest
from postroom_contracts.configuration import Condition
from postroom_contracts.values import Attachment, Priority
from postroom_router.domain.patterns import compile_pattern
from postroom_router.domain.rules import Effects, Subject, compile_rules

from tests.unit.router.build import configuration, inbound

MAIL = inbound(
    sender="Cleo@Example.test",
    to=[{"address": "Support@acme.test"}, {"address": "dora@else.test"}],
    cc=[{"address": "third@else.test"}],
    envelope_recipients=["help@acme.test"],
    subject="Re: Straße 20417",
    text="Dear all,\nmy PARCEL is late.\nCleo",
    automatic="list",
    attachments=[Attachment(filename="a", content_type="text/plain", body_bytes=1, sha256="0", blob_id="b")],
)


def matches(condition: dict[str, Any], *, opens: bool = True, tags: tuple[str, ...] = ("web",)) -> bool:
    rules = compile_rules(configuration([{"id": "r", "when": condition, "then": {"add_tags": ["hit"]}}]))
    assert not rules.problems
    return bool(rules.match(Subject(MAIL, opens=opens, source="web", tags=tags)).rules)


FIELDS: list[tuple[str, str, Any, bool]] = [
    ("channel", "equals", "email", True),
    ("channel", "in", ["chat", "sms"], False),
    ("inbox", "equals", "support", True),
    ("inbox", "not_equals", "support", False),
    ("inbox", "in", ["sales", "support"], True),
    ("sender", "equals", "cleo@example.TEST", True),
    ("sender", "starts_with", "cleo@", True),
    ("sender", "ends_with", "@example.test", True),
    ("sender", "matches", r"^[a-z]+@example\.test$", True),
    ("sender_domain", "equals", "example.test", True),
    ("sender_domain", "in", ["gmail.test"], False),
    ("recipient", "equals", "support@acme.test", True),
    ("recipient", "equals", "third@else.test", True),
    ("recipient", "equals", "help@acme.test", True),
    ("recipient", "not_equals", "support@acme.test", False),
    ("recipient", "not_equals", "nobody@acme.test", True),
    ("recipient", "contains", "@else.", True),
    ("recipient", "not_contains", "@else.", False),
    ("subject", "equals", "re: STRASSE 20417", True),
    ("subject", "contains", "straße", True),
    ("subject", "not_contains", "invoice", True),
    ("subject", "starts_with", "re:", True),
    ("subject", "ends_with", "20417", True),
    ("subject", "matches", r"\b\d{5}$", True),
    ("subject", "matches", r"^\d", False),
    ("body", "contains", "parcel", True),
    ("body", "not_contains", "parcel", False),
    ("body", "matches", r"parcel.+late", True),
    ("body", "contains", ["invoice", "late"], True),
    ("automatic", "equals", "list", True),
    ("automatic", "equals", True, True),
    ("automatic", "equals", False, False),
    ("automatic", "not_equals", True, False),
    ("automatic", "in", ["bounce", "list"], True),
    ("has_attachment", "equals", True, True),
    ("has_attachment", "equals", False, False),
    ("has_attachment", "not_equals", False, True),
    ("new_conversation", "equals", True, True),
    ("new_conversation", "not_equals", True, False),
    ("tag", "equals", "web", True),
    ("tag", "not_equals", "web", False),
    ("tag", "in", ["vip", "web"], True),
    ("tag", "starts_with", "we", True),
    ("source_of_contact", "equals", "web", True),
    ("source_of_contact", "in", ["phone"], False),
]


@pytest.mark.parametrize(("field", "operator", "value", "expected"), FIELDS)
def test_condition(field: str, operator: str, value: Any, expected: bool) -> None:
    assert matches({"field": field, "operator": operator, "value": value}) is expected


def test_every_field_and_operator_of_the_configuration_has_a_case() -> None:
    declared = Condition.model_json_schema()["$defs"]["Condition"]["properties"]
    fields, operators = declared["field"]["anyOf"][0]["enum"], declared["operator"]["enum"]
    assert {f for f, _, _, _ in FIELDS} == set(fields)
    assert {o for _, o, _, _ in FIELDS} == set(operators)


YES = {"field": "inbox", "value": "support"}
NO = {"field": "inbox", "value": "sales"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"all": [YES, YES]}, True),
        ({"all": [YES, NO]}, False),
        ({"any": [NO, YES]}, True),
        ({"any": [NO, NO]}, False),
        ({"none": [NO, NO]}, True),
        ({"none": [NO, YES]}, False),
        ({"all": []}, True),
        ({"any": []}, False),
        ({"none": []}, True),
        ({"all": [{"any": [NO, {"none": [NO]}]}, YES]}, True),
    ],
)
def test_nested_conditions(condition: dict[str, Any], expected: bool) -> None:
    assert matches(condition) is expected


def effects(*rules: dict[str, Any]) -> Effects:
    compiled = compile_rules(configuration(rules))
    return compiled.match(Subject(MAIL, opens=True, source="web", tags=["web"]))


def test_later_rules_act_over_earlier_ones() -> None:
    found = effects(
        {
            "id": "a",
            "then": {"add_tags": ["x"], "priority": "low", "team": "first", "agent": "ann", "watchers": ["ann"]},
        },
        {"id": "no", "when": NO, "then": {"priority": "urgent"}},
        {"id": "b", "then": {"add_tags": ["y", "x"], "priority": "high", "watchers": ["ben", "ann"], "policy": "gold"}},
    )
    assert found == Effects(
        rules=["a", "b"],
        tags=["x", "y"],
        priority=Priority.HIGH,
        team_id="first",
        agent_id="ann",
        watchers=["ann", "ben"],
        policy_id="gold",
    )


def test_stop_ends_only_after_a_match_and_disabled_rules_do_nothing() -> None:
    found = effects(
        {"id": "off", "enabled": False, "then": {"add_tags": ["off"]}, "stop": True},
        {"id": "no", "when": NO, "then": {}, "stop": True},
        {"id": "a", "then": {"add_tags": ["a"]}, "stop": True},
        {"id": "b", "then": {"add_tags": ["b"]}},
    )
    assert (found.rules, found.tags) == (["a"], ["a"])


def test_rule_sees_the_tags_that_earlier_rules_added() -> None:
    tagged = {"field": "tag", "value": "vip"}
    found = effects(
        {"id": "early", "when": tagged, "then": {"mark_spam": True}},
        {"id": "a", "then": {"add_tags": ["vip"]}},
        {"id": "late", "when": tagged, "then": {"priority": "urgent"}},
    )
    assert (found.rules, found.spam) == (["a", "late"], False)


@pytest.mark.parametrize("pattern", ["(", "(a+)+$", "(a|b*)*", "a.*b.*c.*d.*e", "(x{0,30}){0,30}"])
def test_pattern_that_is_broken_or_could_take_for_ever_matches_nothing_and_is_named(pattern: str) -> None:
    bad = {"id": "bad", "when": {"field": "body", "operator": "matches", "value": pattern}, "then": {}}
    rules = compile_rules(configuration([bad, {"id": "good", "then": {}}]))
    assert [p.partition(":")[0] for p in rules.problems] == ["rule bad"]
    assert rules.match(Subject(MAIL, opens=True, source="", tags=[])).rules == ["good"]


@pytest.mark.parametrize("pattern", ["a.*bc$", "a.*b.*c$", "a.*b.*c.*d$", "^(?:ab)*$x", "[ab]+[ab]+[ab]+c"])
def test_worst_text_costs_a_pattern_little(pattern: str) -> None:
    compiled = compile_pattern(pattern)
    started = time.process_time()
    assert not compiled.found_in("ab" * 40_000)
    assert time.process_time() - started < 6, "seconds; 0.6 on an idle machine"


def test_pattern_without_unbounded_repetition_sees_all_of_a_text() -> None:
    assert compile_pattern(r"needle\s{1,3}\d\d").found_in("x" * 60_000 + "Needle  42")

"""The compatibility checker: a table of changes, and the property that it stands for."""

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from postroom_contracts import generate
from postroom_contracts.check import compare, compare_all
from postroom_contracts.check_topics import compare_topics

HOME = Path(__file__).resolve().parents[2] / "contracts"
TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
NULL = {"type": "null"}
COLOUR = {"enum": ["red", "green"], "type": "string"}


def obj(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def with_defs(schema: dict[str, Any], **defs: Any) -> dict[str, Any]:
    return schema | {"$defs": defs}


REF = {"$ref": "#/$defs/Part"}
KINDS = {"oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]}
BREAKS: dict[str, tuple[Any, Any, list[str]]] = {
    "field removed": (obj(a=TEXT, b=TEXT), obj(a=TEXT), ["T.b: the field was removed"]),
    "required field added": (obj(a=TEXT), obj(("b",), a=TEXT, b=TEXT), ["T.b: a required field was added"]),
    "optional becomes required": (obj(a=TEXT), obj(("a",), a=TEXT), ["T.a: was optional, is required"]),
    "required becomes optional": (obj(("a",), a=TEXT), obj(a=TEXT), ["T.a: was always there, is optional"]),
    "type changed": (obj(a=TEXT), obj(a=NUMBER), ["T.a: type was string, is integer"]),
    "number narrowed": (obj(a={"type": "number"}), obj(a=NUMBER), ["T.a: type was number, is integer"]),
    "enum value removed": (
        obj(a=COLOUR), obj(a={"enum": ["red"], "type": "string"}), ["T.a: enum value 'green' was removed"],
    ),
    "enum becomes const": (
        obj(a=COLOUR), obj(a={"const": "red", "type": "string"}), ["T.a: enum value 'green' was removed"],
    ),
    "text becomes enum": (
        obj(a=TEXT), obj(a=COLOUR), ["T.a: any string was allowed, now only ['red', 'green']"],
    ),
    "enum becomes text": (obj(a=COLOUR), obj(a=TEXT), ["T.a: was one of ['red', 'green'], now any string"]),
    "no longer null": (
        obj(a={"anyOf": [TEXT, NULL]}), obj(a=TEXT), ["T.a: null is no longer allowed"],
    ),
    "newly null": (obj(a=TEXT), obj(a={"anyOf": [TEXT, NULL]}), ["T.a: null is newly allowed"]),
    "alternative removed": (
        obj(a={"anyOf": [TEXT, NUMBER, NULL]}), obj(a={"anyOf": [TEXT, NULL]}), ["T.a: integer is no longer allowed"],
    ),
    "kind removed": (
        with_defs(obj(a=KINDS), Cat=obj(), Dog=obj()),
        with_defs(obj(a={"oneOf": [{"$ref": "#/$defs/Cat"}]}), Cat=obj(), Dog=obj()),
        ["T.a: Dog is no longer allowed"],
    ),
    "break inside a kind": (
        with_defs(obj(a=KINDS), Cat=obj(tail=TEXT), Dog=obj()),
        with_defs(obj(a=KINDS), Cat=obj(), Dog=obj()),
        ["T.a.tail: the field was removed"],
    ),
    "break behind a reference": (
        with_defs(obj(a=REF), Part=obj(x=TEXT)), with_defs(obj(a=REF), Part=obj(x=NUMBER)),
        ["T.a.x: type was string, is integer"],
    ),
    "break in items": (
        obj(a={"type": "array", "items": TEXT}), obj(a={"type": "array", "items": NUMBER}),
        ["T.a[]: type was string, is integer"],
    ),
    "items newly typed": (
        obj(a={"type": "array"}), obj(a={"type": "array", "items": TEXT}), ["T.a: items changed"],
    ),
    "break in values of a mapping": (
        obj(a={"type": "object", "additionalProperties": TEXT}),
        obj(a={"type": "object", "additionalProperties": NUMBER}),
        ["T.a{}: type was string, is integer"],
    ),
    "key of a mapping removed": (
        obj(a={"type": "object", "propertyNames": {"enum": ["mon", "tue"]}}),
        obj(a={"type": "object", "propertyNames": {"enum": ["mon"]}}),
        ["T.a{key}: enum value 'tue' was removed"],
    ),
    "object closed": (
        obj(a=TEXT), obj(a=TEXT) | {"additionalProperties": False}, ["T: additionalProperties changed"],
    ),
    "shorter text": (
        obj(a=TEXT | {"maxLength": 9}), obj(a=TEXT | {"maxLength": 5}), ["T.a: maxLength was 9, is 5"],
    ),
    "new limit": (obj(a=NUMBER), obj(a=NUMBER | {"minimum": 1}), ["T.a: minimum was None, is 1"]),
    "pattern changed": (
        obj(a=TEXT | {"pattern": "^a"}), obj(a=TEXT | {"pattern": "^b"}), ["T.a: pattern was '^a', is '^b'"],
    ),
    "format changed": (
        obj(a=TEXT | {"format": "date"}), obj(a=TEXT), ["T.a: format was 'date', is None"],
    ),
    "default changed": (
        obj(a=TEXT | {"default": "x"}), obj(a=TEXT | {"default": "y"}), ["T.a: default was 'x', is 'y'"],
    ),
    "class changed": (
        obj(a=TEXT), obj(a=TEXT | {"x-postroom-class": "personal"}), ["T.a: class was public, is personal"],
    ),
    "several at once": (
        obj(a=TEXT, b=TEXT), obj(("c",), a=NUMBER, c=TEXT),
        ["T.a: type was string, is integer", "T.b: the field was removed", "T.c: a required field was added"],
    ),
}  # fmt: skip

HARMLESS: dict[str, tuple[Any, Any]] = {
    "same": (obj(a=TEXT), obj(a=TEXT)),
    "optional field added": (obj(a=TEXT), obj(a=TEXT, b=TEXT)),
    "enum value added": (obj(a=COLOUR), obj(a={"enum": ["red", "green", "blue"], "type": "string"})),
    "const gains a value": (obj(a={"const": "red", "type": "string"}), obj(a=COLOUR)),
    "a default that is an object gained a field": (
        obj(a={"type": "object", "default": {"x": 1}}),
        obj(a={"type": "object", "default": {"x": 1, "y": 2}}),
    ),
    "limit raised": (obj(a=TEXT | {"maxLength": 5}), obj(a=TEXT | {"maxLength": 9})),
    "limit lifted": (obj(a=TEXT | {"maxLength": 5}), obj(a=TEXT)),
    "words of the description": (obj(a=TEXT | {"description": "old"}), obj(a=TEXT | {"description": "new"})),
    "kind added": (
        with_defs(obj(a={"oneOf": [{"$ref": "#/$defs/Cat"}]}), Cat=obj()),
        with_defs(obj(a=KINDS), Cat=obj(), Dog=obj()),
    ),
    "alternatives in another order": (obj(a={"anyOf": [TEXT, NULL]}), obj(a={"anyOf": [NULL, TEXT]})),
    "a definition that holds itself": (
        with_defs(obj(a=REF), Part=obj(inner=REF)),
        with_defs(obj(a=REF), Part=obj(inner=REF, more=TEXT)),
    ),
}


@pytest.mark.parametrize("case", BREAKS)
def test_each_kind_of_break_is_named_by_its_field(case: str) -> None:
    old, new, wanted = BREAKS[case]
    assert compare(old, new, "T") == wanted


@pytest.mark.parametrize("case", HARMLESS)
def test_what_readers_are_prepared_for_is_no_break(case: str) -> None:
    old, new = HARMLESS[case]
    assert compare(old, new, "T") == []


def test_a_removed_type_is_a_break_and_a_new_one_is_not() -> None:
    assert compare_all({"a.v1": obj()}, {"b.v1": obj()}) == ["a.v1: the type was removed"]


def test_the_committed_schemas_agree_with_themselves() -> None:
    schemas = {p.stem: json.loads(p.read_text()) for p in (HOME / "schemas").glob("*.json")}
    assert len(schemas) > 50
    assert compare_all(schemas, schemas) == []


Document = dict[str, Any]
DOCUMENT: Document = json.loads((HOME / "asyncapi.json").read_text())
EVENTS, CONFIGURATION, STATES = "conversationEvents", "configuration", "conversationStates"


def _kafka(document: Document, channel: str) -> Any:
    return document["channels"][channel]["bindings"]["kafka"]


def _message(document: Document, name: str) -> Any:
    return document["components"]["messages"][name]


TOPIC_BREAKS: dict[str, tuple[Callable[[Document], Any], list[str]]] = {
    "topic removed": (
        lambda d: d["channels"].pop(STATES), ["conversation-states: the topic was removed"],
    ),
    "topic renamed": (
        lambda d: d["channels"][EVENTS].update(address="postroom-facts"),
        ["conversation-events: its name was postroom-conversation-events, is postroom-facts"],
    ),
    "type moved to another topic": (
        lambda d: d["channels"][STATES]["messages"].update(NoteAdded=d["channels"][EVENTS]["messages"].pop("NoteAdded")),
        ["conversation-events: NoteAdded stands there no more"],
    ),
    "key changed": (
        lambda d: _message(d, "NoteAdded")["bindings"]["kafka"]["key"].update(description="contact id"),
        ["NoteAdded: its key was conversation id, is contact id"],
    ),
    "type renamed under its class": (
        lambda d: _message(d, "NoteAdded").update(name="org.postroom.note-written.v1"),
        ["NoteAdded: ce_type was org.postroom.note-added.v1, is org.postroom.note-written.v1"],
    ),
    "made by another service": (
        lambda d: _message(d, "NoteAdded")["headers"]["allOf"][1]["properties"]["ce_source"].update(enum=["/postroom/desk"]),
        ["NoteAdded: /postroom/router does not make it any more"],
    ),
    "kept for a shorter time": (
        lambda d: _kafka(d, EVENTS)["topicConfiguration"].update({"retention.ms": 604800000}),
        ["conversation-events: retention.ms was -1, is 604800000"],
    ),
    "compacted": (
        lambda d: _kafka(d, EVENTS)["topicConfiguration"].update({"cleanup.policy": ["compact"]}),
        ["conversation-events: cleanup.policy was ['delete'], is ['compact']"],
    ),
    "one partition becomes several": (
        lambda d: _kafka(d, CONFIGURATION).update(partitions=12),
        ["configuration: had one partition, in which all stood in order, has 12"],
    ),
}  # fmt: skip

TOPIC_HARMLESS: dict[str, Callable[[Document], Any]] = {
    "same": lambda _: None,
    "topic added": lambda d: d["channels"].update(more=d["channels"][EVENTS]),
    "type added": lambda d: d["channels"][EVENTS]["messages"].update(More={}),
    "more partitions": lambda d: _kafka(d, EVENTS).update(partitions=48),
    "kept longer": lambda d: _kafka(d, "inboundMessages")["topicConfiguration"].update({"retention.ms": -1}),
    "made by one more": lambda d: _message(d, "AddNote")["headers"]["allOf"][1]["properties"]["ce_source"]["enum"].append("x"),
}  # fmt: skip


@pytest.mark.parametrize("case", TOPIC_BREAKS)
def test_each_break_of_a_topic_is_named(case: str) -> None:
    change, wanted = TOPIC_BREAKS[case]
    new = deepcopy(DOCUMENT)
    change(new)
    assert compare_topics(DOCUMENT, new) == wanted


@pytest.mark.parametrize("case", TOPIC_HARMLESS)
def test_what_a_reader_of_topics_does_not_notice_is_no_break(case: str) -> None:
    new = deepcopy(DOCUMENT)
    TOPIC_HARMLESS[case](new)
    assert compare_topics(DOCUMENT, new) == []


def _schema(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def apply(home: Path) -> None:
        path = home / "schemas" / f"{name}.json"
        schema = json.loads(path.read_text())
        change(schema)
        path.write_text(json.dumps(schema))

    return apply


def _key(home: Path) -> None:
    document = json.loads((home / "asyncapi.json").read_text())
    _message(document, "MessageSent")["bindings"]["kafka"]["key"]["description"] = "delivery"
    (home / "asyncapi.json").write_text(json.dumps(document))


def _topic(home: Path) -> None:
    document = json.loads((home / "asyncapi.json").read_text())
    document["channels"]["results"] = {**document["channels"][EVENTS], "title": "results"}
    (home / "asyncapi.json").write_text(json.dumps(document))


CHECKED: dict[str, tuple[Callable[[Path], object], str]] = {
    "removed field": (
        _schema("message-sent.v1", lambda s: s["properties"].update(provider=TEXT)),
        "message-sent.v1.provider: the field was removed",
    ),
    "narrowed enum": (
        _schema("conversation-assigned.v1", lambda s: s["properties"]["reason"]["enum"].append("lottery")),
        "conversation-assigned.v1.reason: enum value 'lottery' was removed",
    ),
    "renamed type": (
        lambda home: (home / "schemas" / "message-posted.v1.json").write_text(json.dumps(obj())),
        "message-posted.v1: the type was removed",
    ),
    "changed key": (_key, "MessageSent: its key was delivery, is conversation id"),
    "changed topic": (_topic, "results: the topic was removed"),
}


def test_the_check_of_make_check_names_what_is_not_as_it_was_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("schemas", "examples", "reference", "asyncapi.json"):
        copy = shutil.copytree if (HOME / part).is_dir() else shutil.copy
        copy(HOME / part, tmp_path / part)
    for released, _ in CHECKED.values():
        released(tmp_path)
    for arguments in (["--check"], []):  # nor is it written over
        assert generate.main(["--to", str(tmp_path), *arguments]) == 1
        said = capsys.readouterr().err.splitlines()
        assert [found for _, found in CHECKED.values() if found not in said] == []


LEAVES = st.sampled_from([TEXT, NUMBER, COLOUR, {"anyOf": [TEXT, NULL]}, {"type": "array", "items": NUMBER}])
VALUES = st.one_of(st.none(), st.text(max_size=3), st.integers(0, 3), st.sampled_from(["red", "green"]), st.just([1]))
FIELDS = st.sampled_from("abc")


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Any]:
    properties = draw(st.dictionaries(FIELDS, LEAVES, max_size=3))
    return obj(tuple(sorted(f for f in properties if draw(st.booleans()))), **properties)


@st.composite
def successors(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """An object's schema and one that differs by at most two edits, so that many pairs are harmless."""
    old = draw(objects())
    properties, required = dict(old["properties"]), set(old["required"])
    for _ in range(draw(st.integers(0, 2))):
        field, edit = draw(FIELDS), draw(st.sampled_from(["put", "drop", "require", "release"]))
        if edit == "put":
            properties[field] = draw(LEAVES)
        elif edit == "drop":
            properties.pop(field, None)
            required.discard(field)
        elif edit == "require" and field in properties:
            required.add(field)
        else:
            required.discard(field)
    return old, obj(tuple(sorted(required)), **properties)


@settings(max_examples=400, deadline=None)
@given(successors(), st.dictionaries(FIELDS, VALUES, max_size=3))
def test_what_is_called_harmless_accepts_every_old_sample_and_old_readers_accept_the_new(
    pair: tuple[dict[str, Any], dict[str, Any]], sample: dict[str, Any]
) -> None:
    old, new = pair
    if compare(old, new, "T"):
        return
    known = {k: v for k, v in sample.items() if k in old["properties"]}
    if Draft202012Validator(old).is_valid(known):
        assert Draft202012Validator(new).is_valid(known)
    if Draft202012Validator(new).is_valid(sample):
        assert Draft202012Validator(old).is_valid(sample)

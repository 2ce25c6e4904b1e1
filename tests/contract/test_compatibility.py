"""The compatibility checker: a table of changes, and the property that it stands for."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from postroom_contracts.check import compare, compare_all

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

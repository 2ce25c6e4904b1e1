"""A type or value that a release adds is read by it and written by the next: else services of the last one would park it."""

import json
from pathlib import Path
from typing import Any

import pytest
from postroom_contracts import newer
from postroom_contracts.check import additions, all_additions
from postroom_contracts.events import TYPE_PREFIX, EventMode, encode
from postroom_contracts.examples import event_of
from postroom_contracts.newer import NOT_WRITTEN_YET, NotWrittenYetError, refuse, unannounced
from postroom_contracts.registry import BY_TYPE
from postroom_contracts.schemas import Schema, all_schemas

from tests.contract.releases import newest, tree
from tests.contract.test_compatibility import COLOUR, KINDS, NULL, REF, TEXT, obj, with_defs
from tests.contract.test_old_readers import MODES

BLUE = {"enum": ["red", "green", "blue"], "type": "string"}
ADDED: dict[str, tuple[Any, Any, list[str]]] = {
    "value of a set": (obj(a=COLOUR), obj(a=BLUE), ["T.a: blue"]),
    "const gains a value": (obj(a={"const": "red", "type": "string"}), obj(a=COLOUR), ["T.a: green"]),
    "in what may be null": (obj(a={"anyOf": [COLOUR, NULL]}), obj(a={"anyOf": [BLUE, NULL]}), ["T.a: blue"]),
    "in items": (obj(a={"type": "array", "items": COLOUR}), obj(a={"type": "array", "items": BLUE}), ["T.a[]: blue"]),
    "in a mapping": (
        obj(a={"type": "object", "additionalProperties": COLOUR, "propertyNames": COLOUR}),
        obj(a={"type": "object", "additionalProperties": BLUE, "propertyNames": BLUE}),
        ["T.a{key}: blue", "T.a{}: blue"],
    ),
    "behind references, by each way": (
        with_defs(obj(a=REF, b=REF), Part=obj(x=COLOUR)),
        with_defs(obj(a=REF, b=REF), Part=obj(x=BLUE)),
        ["T.a.x: blue", "T.b.x: blue"],
    ),
    "kind of object": (
        with_defs(obj(a={"oneOf": [{"$ref": "#/$defs/Cat"}]}), Cat=obj()),
        with_defs(obj(a=KINDS), Cat=obj(), Dog=obj()),
        ["T.a: Dog"],
    ),
    "in what holds itself": (
        with_defs(obj(a=REF), Part=obj(inner=REF, x=COLOUR)),
        with_defs(obj(a=REF), Part=obj(inner=REF, x=BLUE)),
        ["T.a.x: blue"],
    ),
    "nothing: a new field is ignored": (obj(a=TEXT), obj(a=TEXT, b=COLOUR), []),
    "nothing: another order": (obj(a=COLOUR), obj(a={"enum": ["green", "red"], "type": "string"}), []),
}


@pytest.mark.parametrize("case", ADDED)
def test_each_addition_is_named_by_its_place(case: str) -> None:
    old, new, wanted = ADDED[case]
    assert sorted(additions(old, new, "T")) == wanted


def test_what_is_added_must_be_announced_as_not_written_yet() -> None:
    new = all_schemas()
    old = json.loads(json.dumps(new))
    del old["note-added.v1"]
    old["conversation-assigned.v1"]["properties"]["reason"]["enum"].remove("claim")
    old["conversation-state.v1"]["$defs"]["Status"]["enum"].remove("merged")  # no service reads that topic
    added = all_additions(old, new)
    assert added == ["note-added.v1", "conversation-assigned.v1.reason: claim", "conversation-state.v1.status: merged"]
    assert [line.rpartition(": services")[0] for line in unannounced(added, frozenset())] == added[:2]
    assert unannounced(added, frozenset(added)) == []


def test_what_this_release_adds_to_the_last_one_it_does_not_write_yet(tmp_path: Path) -> None:
    release = newest()
    folder = (
        tree(release, tmp_path) / "contracts" / "schemas"
        if release
        else Path(__file__).parents[2] / "contracts/schemas"
    )
    old: dict[str, Schema] = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    assert len(old) > 50
    assert unannounced(all_additions(old, all_schemas()) if release else []) == []
    assert {name for name in NOT_WRITTEN_YET if newer._type_of(name) not in old.keys() | all_schemas().keys()} == set()


WRITTEN = {
    "a value": "conversation-assigned.v1.reason: policy",
    "a value deep inside": "conversation-assigned.v1.record.left_out[].reasons[]: off_duty",
    "a whole type": "conversation-assigned.v1",
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", WRITTEN)
def test_what_is_not_to_be_written_yet_is_not_written(
    case: str, mode: EventMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = event_of(BY_TYPE[f"{TYPE_PREFIX}conversation-assigned.v1"])
    encode(event, mode)
    monkeypatch.setattr(newer, "NOT_WRITTEN_YET", frozenset({WRITTEN[case], "note-added.v1"}))
    with pytest.raises(
        NotWrittenYetError, match=r"^conversation-assigned\.v1.* is read by this release and written by the next"
    ):
        encode(event, mode)


@pytest.mark.parametrize(
    "name", ["conversation-assigned.v1.reason: lottery", "note-added.v1", "conversation-assigned.v1.new.x: y"]
)
def test_all_else_is_written(name: str) -> None:
    refuse("conversation-assigned.v1", b'{"reason": "policy", "new": 1}', frozenset({name}))

"""Compares a new JSON Schema with the committed one of the same event type and names every breaking change.

Within a type's major version optional fields may be added, and values added to an enumeration (readers are told to
expect values that they do not know; see `docs/events.md`). All else breaks a reader of old records or an old reader.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from postroom_contracts.schemas import CLASS_MARK, Schema

_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EQUAL = ("pattern", "format", "multipleOf", "uniqueItems", "contentEncoding")
_PARTS = (("items", "[]"), ("additionalProperties", "{}"), ("propertyNames", "{key}"))
_PUBLIC = "public"


def compare(old: Schema, new: Schema, name: str) -> list[str]:
    """Return what in `new` breaks the promise that `old` made, as texts that begin with the field; empty if nothing.

    `name` begins each text, such as `MessageReceived`. Both are whole schemas; references lead into their `$defs`.
    """
    return list(dict.fromkeys(_Comparison(old, new).breaks(old, new, name)))


def additions(old: Schema, new: Schema, name: str) -> list[str]:
    """Return what `new` may hold in a fixed set and `old` may not, as `PLACE: VALUE`, such as `MessageReceived.channel: fax`.

    No break, but a reader that was made for `old` meets a value that it does not know (`newer.py`).
    """
    return list(dict.fromkeys(_Additions(old, new).found(old, new, name)))


def compare_all(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[str]:
    """Return every break between two sets of schemas by file name; a type that is gone is one."""
    found = [f"{name}: the type was removed" for name in sorted(old.keys() - new.keys())]
    for name in sorted(old.keys() & new.keys()):
        found += compare(old[name], new[name], name)
    return found


def all_additions(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[str]:
    """Return the types, and the values of fixed sets, that `new` has and `old` has not, by file name."""
    found = sorted(new.keys() - old.keys())
    for name in sorted(old.keys() & new.keys()):
        found += additions(old[name], new[name], name)
    return found


class _Comparison:
    """One walk over two schemas. Pairs of references that were begun are not entered again (conditions nest)."""

    def __init__(self, old_root: Schema, new_root: Schema) -> None:
        self._old_root = old_root
        self._new_root = new_root
        self._begun: set[tuple[str, str]] = set()

    def breaks(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair):
            if pair in self._begun:
                return
            self._begun.add(pair)
        yield from _class_changed(old, new, path)
        yield from _default_changed(old, new, path)
        old, new = _resolved(old, self._old_root), _resolved(new, self._new_root)
        if _union(old) or _union(new):
            yield from self._unions(old, new, path)
            return
        yield from self._type_and_bounds(old, new, path)
        yield from self._fields(old, new, path)
        yield from self._parts(old, new, path)

    def _type_and_bounds(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        if old.get("type") != new.get("type"):
            yield f"{path}: type was {_shown(old)}, is {_shown(new)}"
            return
        for gone in _values(old, new):
            yield f"{path}: enum value {gone!r} was removed"
        if _enum(old) is None and (closed := _enum(new)) is not None:
            yield f"{path}: any {_shown(old)} was allowed, now only {closed}"
        elif _enum(old) is not None and _enum(new) is None:
            yield f"{path}: was one of {_enum(old)}, now any {_shown(new)}"
        for word in _EQUAL:
            if old.get(word) != new.get(word):
                yield f"{path}: {word} was {old.get(word)!r}, is {new.get(word)!r}"
        yield from _narrowed(old, new, path)

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
        for field in before:
            at = f"{path}.{field}"
            if field not in after:
                yield f"{at}: the field was removed"
                continue
            if field in needed_after - needed_before:
                yield f"{at}: was optional, is required"
            if field in needed_before - needed_after:
                yield f"{at}: was always there, is optional"
            yield from self.breaks(before[field], after[field], at)
        for field in after:
            if field not in before and field in needed_after:
                yield f"{path}.{field}: a required field was added"

    def _parts(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        for word, mark in _PARTS:
            before, after = old.get(word), new.get(word)
            if isinstance(before, dict) and isinstance(after, dict):
                yield from self.breaks(before, after, path + mark)
            elif before != after and not (before in (None, True) and after in (None, True)):
                yield f"{path}: {word} changed"

    def _unions(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        """Pair alternatives by class or type; `oneOf` (told apart by a field) may gain kinds, `anyOf` may not."""
        left = list(_alternatives(new))
        for branch in _alternatives(old):
            name = _name(branch, self._old_root)
            match = next((b for b in left if _name(b, self._new_root) == name), None)
            if match is None:
                yield f"{path}: {name} is no longer allowed"
                continue
            left.remove(match)
            yield from self.breaks(branch, match, path)
        if "oneOf" not in old:
            for branch in left:
                yield f"{path}: {_name(branch, self._new_root)} is newly allowed"


class _Additions:
    """One walk over two schemas, each place by every way that leads there; what holds itself is entered once."""

    def __init__(self, old_root: Schema, new_root: Schema) -> None:
        self._old_root = old_root
        self._new_root = new_root
        self._inside: list[str] = []

    def found(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        reference = new.get("$ref", "")
        if reference and reference in self._inside:
            return
        self._inside.append(reference)
        yield from self._below(_resolved(old, self._old_root), _resolved(new, self._new_root), path)
        self._inside.pop()

    def _below(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        if _union(old) or _union(new):
            known = {_name(branch, self._old_root): branch for branch in _alternatives(old)}
            for branch in _alternatives(new):
                name = _name(branch, self._new_root)
                if name in known:
                    yield from self.found(known[name], branch, path)
                else:
                    yield f"{path}: {name}"
            return
        yield from (f"{path}: {value}" for value in _values(new, old))
        for field in old.get("properties", {}).keys() & new.get("properties", {}).keys():
            yield from self.found(old["properties"][field], new["properties"][field], f"{path}.{field}")
        for word, mark in _PARTS:
            before, after = old.get(word), new.get(word)
            if isinstance(before, dict) and isinstance(after, dict):
                yield from self.found(before, after, path + mark)


def _name(branch: Schema, root: Schema) -> str:
    """Return what an alternative is called: its class if it is one of objects, else its type."""
    resolved = _resolved(branch, root)
    if resolved.get("type") == "object" and "$ref" in branch:
        return str(branch["$ref"]).rsplit("/", 1)[-1]
    return _shown(resolved)


def _resolved(schema: Schema, root: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    target: Any = root
    for part in schema["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return dict(target)


def _union(schema: Schema) -> bool:
    return "anyOf" in schema or "oneOf" in schema


def _alternatives(schema: Schema) -> list[Schema]:
    return list(schema.get("anyOf") or schema.get("oneOf") or [schema])


def _enum(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _values(old: Schema, new: Schema) -> list[Any]:
    """Return the values of a fixed set that another has not."""
    before, after = _enum(old), _enum(new)
    return [] if before is None or after is None else [value for value in before if value not in after]


def _shown(schema: Schema) -> str:
    if _union(schema):
        return " or ".join(_shown(branch) for branch in _alternatives(schema))
    return str(schema.get("type", "any"))


def _class_changed(old: Schema, new: Schema, path: str) -> Iterator[str]:
    before, after = old.get(CLASS_MARK, _PUBLIC), new.get(CLASS_MARK, _PUBLIC)
    if before != after:
        yield f"{path}: class was {before}, is {after}"


def _default_changed(old: Schema, new: Schema, path: str) -> Iterator[str]:
    if "default" in old and "default" in new and not _same(old["default"], new["default"]):
        yield f"{path}: default was {old['default']!r}, is {new['default']!r}"


def _same(before: object, after: object) -> bool:
    """Say whether a default is what it was. An object may have gained optional fields: absent, they mean the same."""
    if isinstance(before, dict) and isinstance(after, dict):
        return before.items() <= after.items()
    return before == after


def _narrowed(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for word in (*_LOWER_BOUNDS, *_UPPER_BOUNDS):
        before, after = old.get(word), new.get(word)
        tighter = (
            after is not None and before is not None and (after > before if word in _LOWER_BOUNDS else after < before)
        )
        if tighter or (before is None and after is not None):
            yield f"{path}: {word} was {before}, is {after}"

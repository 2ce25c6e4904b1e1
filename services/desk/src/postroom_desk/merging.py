"""Brings together what was changed in the desk and what a file changed since they last agreed. Pure."""

from typing import Any

from postroom_contracts.configuration import Configuration
from pydantic_core import to_json


class MergeConflictError(ValueError):
    """Both changed the same thing in different ways; `places` names them, such as `agents.ann`."""

    def __init__(self, places: list[str]) -> None:
        super().__init__("changed in the desk and in the file: " + ", ".join(places))
        self.places = places


_MISSING = object()
Sides = tuple[Any, Any, Any]
"""The same value in the base, in the desk, and in the file; `_MISSING` where a side has it not."""


def merged(base: Configuration, desk: Configuration, file: Configuration) -> Configuration:
    """Return `file` with what the desk changed since `base`. Raises MergeConflictError.

    Entries are told apart by their ids; an entry or value that only one side changed, added or removed is as that side
    has it. The result still has to be checked: two changes that are right alone may not fit together.
    """
    conflicts: list[str] = []
    sides = tuple(c.model_dump(mode="json") for c in (base, desk, file))
    found = _mapping("", sides, conflicts)  # type: ignore[arg-type]  # three of them
    if conflicts:
        raise MergeConflictError(sorted(conflicts))
    return Configuration.model_validate_json(to_json(found))


def _mapping(at: str, sides: Sides, conflicts: list[str]) -> dict[str, Any]:
    _, desk, file = sides
    found = {}
    for name in dict.fromkeys([*file, *desk]):
        base_value, desk_value, file_value = (side.get(name, _MISSING) for side in sides)
        value = _value(f"{at}.{name}".lstrip("."), (base_value, desk_value, file_value), conflicts)
        if value is not _MISSING:
            found[name] = value
    return found


def _value(at: str, sides: Sides, conflicts: list[str]) -> Any:
    base, desk, file = sides
    if desk in (file, base):
        return file
    if file == base:
        return desk
    if all(isinstance(side, dict) for side in sides):
        return _mapping(at, sides, conflicts)
    if all(_has_ids(side) for side in sides):
        base_by_id, desk_by_id, file_by_id = ({entry["id"]: entry for entry in side} for side in sides)
        return list(_mapping(at, (base_by_id, desk_by_id, file_by_id), conflicts).values())
    conflicts.append(at)
    return file if file is not _MISSING else desk


def _has_ids(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) and "id" in entry for entry in value)

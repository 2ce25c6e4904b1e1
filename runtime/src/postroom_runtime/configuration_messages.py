"""Turns pydantic's findings about a configuration into what was expected and what was found, in words."""

import types
from collections.abc import Iterator
from datetime import date, datetime, time
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from postroom_contracts.configuration import Configuration, OpenInterval, SecretReference
from postroom_contracts.configuration_checks import Finding, Path, suggestion
from pydantic import AwareDatetime, BaseModel, ValidationError
from pydantic_core import ErrorDetails

_ZONED = "a time with its zone such as 2026-03-06T09:00:00+01:00"
_WORDS: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    date: "a date such as 2026-12-25",
    time: "a time such as 09:00",
    datetime: _ZONED,
    AwareDatetime: _ZONED,
    OpenInterval: "an interval such as 09:00-17:00",
    SecretReference: "a mapping with `env`, `file` or `stored`",
}
_SLUG = "lower-case letters, digits and hyphens, at most 63, beginning with a letter or digit"
_SHOWN_CHARACTERS = 60


def findings_of(error: ValidationError, value: Any) -> list[Finding]:
    """Return one finding per place, in pydantic's order; `value` is what was validated."""
    merged: dict[Path, str] = {}
    for detail in error.errors(include_url=False):
        path = place(detail["loc"], value, absent=detail["type"] in ("missing", "extra_forbidden"))
        merged.setdefault(path, _message(detail, path, value))
    return [Finding(path, message) for path, message in merged.items()]


def place(location: tuple[int | str, ...], value: Any, *, absent: bool) -> Path:
    """Return the path in the file of pydantic's location, which also holds names of types and union members.

    With `absent` the last part is a name that is missing or unknown, and is kept.
    """
    path: Path = ()
    for n, part in enumerate(location):
        if _holds(value, part):
            value = value[part]
        elif not (absent and n == len(location) - 1):
            continue
        path = (*path, part)
    return path


def _holds(value: Any, part: int | str) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _message(detail: ErrorDetails, path: Path, whole: Any) -> str:
    context, kind = detail.get("ctx", {}), detail["type"]
    if kind == "value_error":
        return str(context["error"])
    if detail["loc"][-1] == "[key]":
        return f"unknown name {path[-1]!r}; expected {_key(path)}"
    return _about_names(kind, path, context) or _about_limits(detail, path, whole) or _about_type(path, whole)


def _about_names(kind: str, path: Path, context: dict[str, Any]) -> str | None:
    match kind:
        case "missing":
            return f"is missing; expected {expected(path)}"
        case "extra_forbidden":
            return f"unknown name {path[-1]!r}{suggestion(str(path[-1]), list(names(path[:-1])))}"
        case "union_tag_not_found":
            return f"`channel` is missing; expected {_one_of(_channels(path))}"
        case "union_tag_invalid":
            return f"channel {context['tag']!r} is not one of accounts; expected {_one_of(_channels(path))}"
    return None


def _about_limits(detail: ErrorDetails, path: Path, whole: Any) -> str | None:
    context, kind = detail.get("ctx", {}), detail["type"]
    if kind == "string_pattern_mismatch":
        form = _SLUG if "a-z0-9-" in context["pattern"] else f"text of the form {context['pattern']}"
        return f"expected {form}, found {found(path, whole)}"
    if kind == "too_short":
        return f"expected at least {_entries(context['min_length'])}, found {_entries(context['actual_length'])}"
    if kind == "too_long":
        return f"expected at most {_entries(context['max_length'])}"
    if kind.startswith(("greater_than", "less_than")):
        return f"{detail['msg'].replace('Input should be', 'must be')}, found {found(path, whole)}"
    return None


def _about_type(path: Path, whole: Any) -> str:
    return f"expected {expected(path)}, found {found(path, whole)}"


def _key(path: Path) -> str:
    """Say which names a mapping takes whose names are data, such as weekdays."""
    keys = [get_args(kind)[0] for kind in _types_at(path[:-1]) if get_origin(kind) is dict]
    return " or ".join(_word(kind) for key in keys for kind in _alternatives(key))


def _channels(path: Path) -> list[str]:
    """Return the values of the field `channel` that tells the kinds at `path` apart."""
    fields = [kind.model_fields["channel"] for kind in _types_at(path)]
    return [str(choice.value) for field in fields for choice in get_args(field.annotation)]


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def found(path: Path, whole: Any) -> str:
    """Return what stands at `path`, shortened; never a text that stands where a secret was to be named."""
    value = whole
    for part in path:
        value = value[part]
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if SecretReference in _types_at(path):
        return "a value (not shown: it may be a secret)"
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}..."


def expected(path: Path) -> str:
    """Return in words what may stand at `path`."""
    return " or ".join(dict.fromkeys(_word(kind) for kind in _types_at(path) if kind is not type(None))) or "nothing"


def _word(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return _one_of([str(getattr(choice, "value", choice)) for choice in get_args(kind)])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _one_of([str(member.value) for member in kind])
    if kind in _WORDS:
        return _WORDS[kind]
    return "a list" if get_origin(kind) is list else "a mapping"


def _one_of(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"


def names(path: Path) -> Iterator[str]:
    """Yield the names that are known in the mapping at `path`."""
    for kind in _types_at(path):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from kind.model_fields


def _types_at(path: Path) -> list[Any]:
    kinds: list[Any] = [Configuration]
    for part in path:
        kinds = [inner for kind in kinds for inner in _step(kind, part)]
    return kinds


def _step(kind: Any, part: int | str) -> Iterator[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if part in kind.model_fields:
            yield from _alternatives(kind.model_fields[str(part)].annotation)
    elif get_origin(kind) is list:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) is dict:
        yield from _alternatives(get_args(kind)[1])


def _alternatives(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _alternatives(member)
    else:
        yield annotation

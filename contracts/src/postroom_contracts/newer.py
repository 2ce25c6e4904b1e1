"""What a release reads and does not write yet: the types and values that it added.

In a rolling upgrade services of the release before work on. A type, or a value of a fixed set, that they cannot know they would
park. So a release that adds one only reads it; the next one, beside which every service knows it, writes it.
Why so: docs/decisions/0009-readers-first.md.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

NOT_WRITTEN_YET: frozenset[str] = frozenset()
"""Each as the check names it: `conversation-rated.v1`, or `conversation-assigned.v1.reason: lottery`.

What the newest tagged release knows may be taken out again: from then on it is written.
"""
UNREAD = frozenset({"configuration-applied.v1", "conversation-state.v1", "agent-presence.v1", "cloudevents-headers"})
"""No service parks these: older ones wait for another configuration, show no presence, and do not read states."""
_STEP = re.compile(r"\.[^.\[{]+|\[\]|\{\}|\{key\}")


class NotWrittenYetError(ValueError):
    """A service wants to write what services of the release before cannot read; the message names it."""


def unannounced(added: Iterable[str], announced: frozenset[str] = NOT_WRITTEN_YET) -> list[str]:
    """Return what was added since the last release and may already be written, each as a line that says what to do."""
    remedy = "services of the last release cannot read it: put it into NOT_WRITTEN_YET for this release"
    return [f"{name}: {remedy}" for name in added if name not in announced and _type_of(name) not in announced | UNREAD]


def _type_of(name: str) -> str:
    return re.match(r"[^.]*(\.v\d+)?", name)[0]  # type: ignore[index]  # it matches any text


def refuse(type_name: str, body: bytes, announced: frozenset[str]) -> None:
    """Raise NotWrittenYetError if the body of a type (`conversation-assigned.v1`) holds what must not be written yet."""
    if type_name in announced:
        raise NotWrittenYetError(f"{type_name} is read by this release and written by the next")
    for name in sorted(announced):
        place, _, value = name.partition(": ")
        if place.startswith(f"{type_name}."):
            steps = _STEP.findall(place.removeprefix(type_name))
            if any(str(found) == value for found in _at(json.loads(body), steps)):
                raise NotWrittenYetError(f"{name} is read by this release and written by the next")


def _at(node: Any, steps: Sequence[str]) -> Iterator[Any]:
    """Yield what stands at a place; nothing where a field is absent."""
    if not steps:
        yield node
        return
    for inner in _inside(node, steps[0]):
        yield from _at(inner, steps[1:])


def _inside(node: Any, step: str) -> Iterable[Any]:
    if step == "[]":
        return node if isinstance(node, list) else ()
    if not isinstance(node, Mapping):
        return ()
    if step == "{}":
        return node.values()
    return node.keys() if step == "{key}" else [node[step[1:]]] if step[1:] in node else ()

"""What must hold of the registry: one producer of a fact, one handler of a command, nothing personal on the log."""

from collections import Counter
from collections.abc import Iterator

from postroom_contracts.commands import Command, Request
from postroom_contracts.events import Data
from postroom_contracts.facts import Fact, StatusFact
from postroom_contracts.registry import REGISTRATIONS
from postroom_contracts.schemas import CLASS_MARK, nodes, schema_of
from postroom_contracts.topics import (
    AGENT_PRESENCE,
    CONFIGURATION,
    CONVERSATION_COMMANDS,
    CONVERSATION_EVENTS,
    CONVERSATION_STATES,
    INBOUND_MESSAGES,
)

_BASES: frozenset[type[Data]] = frozenset({Data, Command, Request, Fact, StatusFact})
"""Classes that only others are made of; they stand on no topic."""
_TOPIC_OF_KIND = {
    "inbound": INBOUND_MESSAGES,
    "command": CONVERSATION_COMMANDS,
    "fact": CONVERSATION_EVENTS,
    "configuration": CONFIGURATION,
    "state": CONVERSATION_STATES,
    "presence": AGENT_PRESENCE,
}


def registry_problems() -> list[str]:
    """Return every fault of the registry as a text that names the type; empty when there is none."""
    return [
        *_unregistered(),
        *_repeated(),
        *_wrong_roles(),
        *_topic_disagreements(),
        *_personal_facts(),
        *_unwritable(),
    ]


def models() -> set[type[Data]]:
    """Return every class of a body that is imported, without the bases."""
    found: set[type[Data]] = set()
    waiting: list[type[Data]] = [Data]
    while waiting:
        cls = waiting.pop()
        found.add(cls)
        waiting.extend(cls.__subclasses__())
    return {cls for cls in found if cls.__module__.startswith("postroom_contracts.")} - _BASES


def _unregistered() -> Iterator[str]:
    registered = {r.model for r in REGISTRATIONS}
    for cls in sorted(models() - registered, key=lambda c: c.__name__):
        yield f"{cls.__name__}: is not registered"


def _repeated() -> Iterator[str]:
    for name, count in Counter(r.model.type_name() for r in REGISTRATIONS).items():
        if count > 1:
            yield f"{name}: is registered {count} times"


def _wrong_roles() -> Iterator[str]:
    for r in REGISTRATIONS:
        name = r.model.__name__
        if r.topic is not _TOPIC_OF_KIND[r.model.kind]:
            yield f"{name}: a {r.model.kind} does not belong on {r.topic.name}"
        if r.model.kind != "command" and len(r.producers) != 1:
            yield f"{name}: has {len(r.producers)} producers, not one"
        if r.model.kind == "command" and (r.handler is None or not r.producers):
            yield f"{name}: a command needs a handler and a producer"
        if r.model.kind == "fact" and r.handler is not None:
            yield f"{name}: a fact is for all who read, it has no handler"


def _topic_disagreements() -> Iterator[str]:
    for topic in _TOPIC_OF_KIND.values():
        on_it = [r for r in REGISTRATIONS if r.topic is topic]
        writers = {p for r in on_it for p in r.producers}
        handlers = {r.handler for r in on_it if r.handler}
        for service in sorted(writers ^ set(topic.writers)):
            yield f"{topic.name}: writers and registered producers disagree about {service}"
        for service in sorted(handlers - set(topic.readers)):
            yield f"{topic.name}: {service} handles a type of it, but does not read it"


def _personal_facts() -> Iterator[str]:
    for r in REGISTRATIONS:
        schema = schema_of(r.model)
        classes = {node[CLASS_MARK] for node in nodes(schema) if isinstance(node.get(CLASS_MARK), str)}
        if r.topic.public and classes - {"public"}:
            yield f"{r.model.__name__}: holds {sorted(classes)} fields, which must not stand on {r.topic.name}"
        if "secret" in classes:
            yield f"{r.model.__name__}: holds a secret, which must not stand on any topic"


def _unwritable() -> Iterator[str]:
    """Bodies are written without nulls: what may be null must read the same when it is absent."""
    for r in REGISTRATIONS:
        for node in nodes(schema_of(r.model)):
            for field, schema in node.get("properties", {}).items():
                if {"type": "null"} in schema.get("anyOf", ()) and schema.get("default", 0) is not None:
                    yield f"{r.model.__name__}: {field} may be null, so its default must be None"

"""The AsyncAPI 3.0 document: every topic, message and service's part, generated from the registry and the topics.

Source: AsyncAPI specification 3.0.0; Kafka bindings 0.5.0 of asyncapi/bindings.
"""

import re
from typing import Any

from postroom_contracts.examples import example_of
from postroom_contracts.registry import REGISTRATIONS, Registration, source_of
from postroom_contracts.schemas import Schema, component_schemas, headers_schema
from postroom_contracts.topics import (
    GROUP_BY_NAME,
    GROUPS,
    PREFIX,
    PRODUCTION_PARTITIONS,
    TOPICS,
    Topic,
    dead_letter_topic,
    replay_topic,
)

Node = dict[str, Any]

_BINDING_VERSION = "0.5.0"
_HEADERS = "CloudEventsHeaders"
_DESCRIPTION = """\
All records of Postroom: CloudEvents 1.0 in Kafka's binary mode, JSON bodies. `conversation-events` is the public
interface: all facts of one conversation, in order, in one partition, kept for ever, without personal data. The other
topics are work topics that forget. Within a type's major version only optional fields and enumeration values are added.
"""


def document() -> Node:
    """Return the whole document; the same registry gives the same text."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Postroom",
            "version": "1.0.0",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": _channels(),
        "operations": _operations(),
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def channel_name(topic: Topic) -> str:
    """Return the channel's key: the topic's name in camel case, such as `conversationEvents`."""
    return re.sub(r"-(.)", lambda match: match[1].upper(), topic.name)


def _channels() -> Node:
    found = {channel_name(topic): _channel(topic, _types_on(topic)) for topic in TOPICS}
    for group in GROUPS:
        types = [r for r in REGISTRATIONS if r.topic in group.topics]
        for topic in (dead_letter_topic(group.name), replay_topic(group.name)):
            found[channel_name(topic)] = _channel(topic, types)
    return found


def _types_on(topic: Topic) -> list[Registration]:
    return [r for r in REGISTRATIONS if r.topic is topic]


def _channel(topic: Topic, types: list[Registration]) -> Node:
    return {
        "address": f"{PREFIX}{topic.name}",
        "title": topic.name,
        "description": f"{topic.description} Key: {topic.key}.",
        "messages": {r.model.__name__: {"$ref": f"#/components/messages/{r.model.__name__}"} for r in types},
        "x-writers": list(topic.writers),
        "x-readers": list(topic.readers),
        "bindings": {
            "kafka": {
                "topic": f"{PREFIX}{topic.name}",
                "partitions": topic.partitions(PRODUCTION_PARTITIONS),
                "topicConfiguration": {
                    "cleanup.policy": ["compact" if topic.compacted else "delete"],
                    "retention.ms": topic.retention_ms,
                },
                "bindingVersion": _BINDING_VERSION,
            }
        },
    }


def _operations() -> Node:
    found: Node = {}
    for topic in TOPICS:
        types = _types_on(topic)
        for service in topic.writers:
            sent = [r for r in types if service in r.producers]
            found[f"{service}.send.{channel_name(topic)}"] = _operation("send", service, topic, sent)
    for reader, service, topic in _readers():
        taken = [r for r in _types_on(topic) if r.handler in (None, service)]
        operation = _operation("receive", service, topic, taken)
        if reader in GROUP_BY_NAME:
            group_id = {"type": "string", "const": reader}
            operation["bindings"] = {"kafka": {"groupId": group_id, "bindingVersion": _BINDING_VERSION}}
        found[f"{reader}.receive.{channel_name(topic)}"] = operation
    return found


def _readers() -> list[tuple[str, str, Topic]]:
    """Return (group, or the service where it reads without one; service; topic) of everyone who reads."""
    grouped = [(group.name, group.service, topic) for group in GROUPS for topic in group.topics]
    known = {(service, topic) for _, service, topic in grouped}
    alone = [(s, s, topic) for topic in TOPICS for s in topic.readers if (s, topic) not in known]
    return grouped + alone


def _operation(action: str, service: str, topic: Topic, types: list[Registration]) -> Node:
    channel = channel_name(topic)
    verb = "publishes on" if action == "send" else "reads"
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": f"{service} {verb} {topic.name}",
        "tags": [{"name": service}],
        "messages": [{"$ref": f"#/channels/{channel}/messages/{r.model.__name__}"} for r in types],
    }


def _messages() -> Node:
    return {r.model.__name__: _message(r) for r in REGISTRATIONS}


def _message(registration: Registration) -> Node:
    model, topic, example = registration.model, registration.topic, example_of(registration)
    own_headers: Schema = {
        "ce_type": {"type": "string", "const": model.type_name()},
        "ce_source": {"type": "string", "enum": [source_of(p) for p in registration.producers]},
    }
    handled = f" Carried out by {registration.handler}." if registration.handler else ""
    return {
        "name": model.type_name(),
        "title": model.__name__,
        "summary": " ".join((model.__doc__ or model.__name__).split("\n\n")[0].split()),
        "description": f"Made by {' or '.join(registration.producers)} on {topic.name}.{handled}",
        "contentType": "application/json",
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "tags": [{"name": model.kind}],
        "headers": {
            "type": "object",
            "allOf": [
                {"$ref": f"#/components/schemas/{_HEADERS}"},
                {"type": "object", "properties": own_headers, "required": _required_headers(registration)},
            ],
        },
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "minLength": 1, "description": topic.key},
                "bindingVersion": _BINDING_VERSION,
            }
        },
        "examples": [{"name": example.name, "headers": example.headers, "payload": example.value}],
        "x-producers": list(registration.producers),
        "x-handler": registration.handler,
    }


def _required_headers(registration: Registration) -> list[str]:
    return ["ce_type", "ce_source", *(["ce_sequence"] if registration.model.kind == "fact" else [])]


def _schemas() -> dict[str, Schema]:
    bodies = component_schemas("#/components/schemas/{model}", *(r.model for r in REGISTRATIONS))
    headers = {k: v for k, v in headers_schema().items() if not k.startswith("$")}
    return {_HEADERS: headers} | bodies

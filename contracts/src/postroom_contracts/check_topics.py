"""Compares a new AsyncAPI document with the committed one: what a reader of the topics relies on beside the bodies.

Where a type stands, what its key is, who makes it (`ce_source`, per which `ce_sequence` counts), and how its topic is kept.
Bodies are compared by their schemas (`check.py`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]


def compare_topics(old: Document, new: Document) -> list[str]:
    """Return what breaks a reader of the topics of `old`, as texts that begin with the topic or type; empty if nothing.

    Topics, types and producers may be added; a topic may be kept longer and have another number of partitions.
    """
    return [*_topics(old, new), *_types(old, new)]


def _topics(old: Document, new: Document) -> Iterator[str]:
    for channel, before in old.get("channels", {}).items():
        name, after = before["title"], new["channels"].get(channel)
        if after is None:
            yield f"{name}: the topic was removed"
            continue
        if before["address"] != after["address"]:
            yield f"{name}: its name was {before['address']}, is {after['address']}"
        yield from _kept(name, before["bindings"]["kafka"], after["bindings"]["kafka"])
        for message in before["messages"].keys() - after["messages"].keys():
            yield f"{name}: {message} stands there no more"


def _kept(name: str, before: Document, after: Document) -> Iterator[str]:
    """Yield what a topic does no more for its readers: order over all of it, the newest of each key, time."""
    if before["partitions"] == 1 < after["partitions"]:
        yield f"{name}: had one partition, in which all stood in order, has {after['partitions']}"
    old, new = before["topicConfiguration"], after["topicConfiguration"]
    if old["cleanup.policy"] != new["cleanup.policy"]:
        yield f"{name}: cleanup.policy was {old['cleanup.policy']}, is {new['cleanup.policy']}"
    if _milliseconds(new) < _milliseconds(old):
        yield f"{name}: retention.ms was {old['retention.ms']}, is {new['retention.ms']}"


def _milliseconds(configuration: Document) -> float:
    kept = configuration["retention.ms"]
    return float("inf") if kept == -1 else float(kept)


def _types(old: Document, new: Document) -> Iterator[str]:
    messages = new["components"]["messages"]
    for name, before in old.get("components", {}).get("messages", {}).items():
        after = messages.get(name)
        if after is None:
            continue  # its schema is gone, too: `compare_all` says so
        if before["name"] != after["name"]:
            yield f"{name}: ce_type was {before['name']}, is {after['name']}"
        key_before, key_after = (m["bindings"]["kafka"]["key"]["description"] for m in (before, after))
        if key_before != key_after:
            yield f"{name}: its key was {key_before}, is {key_after}"
        for source in sorted(_sources(before) - _sources(after)):
            yield f"{name}: {source} does not make it any more"


def _sources(message: Document) -> set[str]:
    return set(message["headers"]["allOf"][1]["properties"]["ce_source"]["enum"])

"""The reference: a page of Markdown for each event type, and one that lists them; generated, so that they stay true."""

import json
from collections.abc import Iterator
from typing import Any

from postroom_contracts.events import Data
from postroom_contracts.examples import example_of
from postroom_contracts.registry import BY_TYPE, REGISTRATIONS, Registration
from postroom_contracts.schemas import CLASS_MARK, Schema, schema_of, short_name
from postroom_contracts.topics import PREFIX, TOPICS, Topic

_PROMISES = {
    "fact": (
        "All facts of one conversation stand in one partition, in the order in which they were decided. `ce_sequence` counts "
        "1, 2, 3 ... per conversation and source. The same decision always has the same `ce_id`: a record with a known "
        "`ce_source` and `ce_id` is a repeat. The log is kept for ever and holds no personal data."
    ),
    "command": (
        "A request, not a fact: it may be refused. It is decided in the order of its conversation's queue, once, however "
        "often it comes. The topic forgets after seven days; give other systems no right to it."
    ),
    "inbound": (
        "One record per mail and inbox addressed, however often the mail comes. It holds personal data; the topic "
        "forgets after seven days; give other systems no right to it."
    ),
    "state": (
        "Compacted: the newest record of each key stays. It says nothing that the log does not; it is for subscribers who "
        "start late and want no history. It holds no personal data."
    ),
    "presence": (
        "Read from the present end on; what is older than 15 s counts no more. It says what people of the company do at "
        "their screens: give other systems no right to it. The topic forgets after an hour."
    ),
    "configuration": (
        "A whole, checked snapshot; `configuration_version` rises by one with each. It holds names and addresses of your "
        "own staff, and no secret."
    ),
}


def pages() -> dict[str, str]:
    """Return page by file name without ending: `index`, and one of each event type."""
    return {"index": _index()} | {short_name(r.model): _page(r) for r in BY_TYPE.values()}


def _index() -> str:
    lines = [
        "# Event types",
        "",
        (
            "Every type that stands on a topic of Postroom; how to read them, and the promise of compatibility: "
            "[events](../../docs/events.md). Generated from the models."
        ),
    ]
    for topic in TOPICS:
        lines += [
            "",
            f"## {PREFIX}{topic.name}",
            "",
            topic.description,
            "",
            "| type | made by | when |",
            "|---|---|---|",
        ]
        lines += [_row(r) for r in REGISTRATIONS if r.topic is topic]
    return "\n".join(lines) + "\n"


def _row(registration: Registration) -> str:
    model = registration.model
    link = f"[{model.__name__}]({short_name(model)}.md)"
    return f"| {link} | {', '.join(registration.producers)} | {_cell(_when(model)[0])} |"


def _page(registration: Registration) -> str:
    model, example = registration.model, example_of(registration)
    name = short_name(model)
    handled = f" Carried out by {registration.handler}." if registration.handler else ""
    return "\n".join(
        [
            f"# {model.__name__}",
            "",
            *(f"{text}\n" for text in _when(model)),
            (
                f"`ce_type`: `{model.type_name()}` · topic: `{PREFIX}{registration.topic.name}` · "
                f"key: {registration.topic.key} · since {registration.since}"
            ),
            "",
            f"Made by {' or '.join(registration.producers)}, `ce_source` "
            + " or ".join(f"`/postroom/{p}`" for p in registration.producers)
            + f".{handled}",
            "",
            "## What it promises",
            "",
            _PROMISES[model.kind],
            "",
            *_fields(schema_of(model), registration.topic),
            "## Example",
            "",
            "Key and headers:",
            "```json",
            json.dumps({"key": example.key} | example.headers, indent=2, ensure_ascii=False),
            "```",
            "Body:",
            "```json",
            json.dumps(example.value, indent=2, ensure_ascii=False),
            "```",
            "",
            f"JSON Schema: [schemas/{name}.json](../schemas/{name}.json). Other types: [index](index.md).",
            "",
        ]
    )


def _when(model: type[Data]) -> list[str]:
    """Return the paragraphs of the model's docstring, each in one line."""
    return [" ".join(part.split()) for part in (model.__doc__ or model.__name__).split("\n\n")]


def _fields(schema: Schema, topic: Topic) -> Iterator[str]:
    """Yield a table of the body's fields, and one for each object within it."""
    definitions = schema.get("$defs") or {}
    tables = [("Fields", schema), *definitions.items()]
    for title, part in tables:
        if not part.get("properties"):
            continue
        yield f"## {title}" if part is schema else f"### {title}"
        yield ""
        if topic.public:
            yield from ("| field | type | |", "|---|---|---|")
        else:
            yield from ("| field | type | class | |", "|---|---|---|---|")
        required = part.get("required", [])
        for name, field in part["properties"].items():
            optional = "" if name in required else ", optional"
            classed = "" if topic.public else f" {field.get(CLASS_MARK, 'public')} |"
            yield f"| `{name}` | {_type(field, definitions)}{optional} |{classed} {_cell(field.get('description', ''))} |"
        yield ""


def _type(field: Any, definitions: Schema) -> str:
    """Return a field's type in few words; objects lead to their table."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        target = definitions[name]
        return f"[{name}](#{name.lower()})" if target.get("properties") else _type(target, definitions)
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    for kind in ("anyOf", "oneOf", "allOf"):
        if kind in field:
            parts = [_type(option, definitions) for option in field[kind] if option.get("type") != "null"]
            return " or ".join(dict.fromkeys(parts)) or "null"
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}), definitions)}"
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"map to {_type(field['additionalProperties'], definitions)}"
    return {"date-time": "time", "date": "date"}.get(field.get("format", ""), str(field.get("type", "any")))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

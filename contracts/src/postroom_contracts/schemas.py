"""JSON Schemas of what stands on the topics, generated from the models.

A schema's `$id` is stable: it names an event type and its major version, not a release. Each property carries its
class as `x-postroom-class` when it is `personal` or `secret`; a property without that mark is public.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from postroom_contracts.events import CONTENT_TYPE, STRUCTURED_TYPE, TYPE_PREFIX, Data
from postroom_contracts.registry import BY_TYPE

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_BASE = "https://postroom.org/schemas/"
"""Start of every `$id`. An identifier in the name space of the event types; nobody has to fetch it."""
CLASS_MARK = "x-postroom-class"
HEADERS_NAME = "cloudevents-headers"


class _Generator(GenerateJsonSchema):
    """pydantic's generator without the titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def short_name(model: type[Data]) -> str:
    """Return the type without its prefix, such as `message-received.v1`: the name of its files."""
    return model.type_name().removeprefix(TYPE_PREFIX)


def schema_id(name: str) -> str:
    """Return the stable `$id` of the schema called `name`, such as `message-received.v1`."""
    return f"{SCHEMA_BASE}{name}.json"


def schema_of(model: type[Data]) -> Schema:
    """Return the JSON Schema (draft 2020-12) of the body of `model`, as it stands in Kafka.

    Readers ignore what they do not know, so no object is closed, also where the configuration file's reader is strict.
    """
    registration = BY_TYPE[model.type_name()]
    definitions = component_schemas("#/$defs/{model}", model)
    body = definitions.pop(model.__name__)
    head = {
        "$schema": DIALECT,
        "$id": schema_id(short_name(model)),
        "title": model.__name__,
        "x-postroom-type": model.type_name(),
        "x-postroom-topic": registration.topic.name,
    }
    return head | body | ({"$defs": definitions} if definitions else {})


def component_schemas(ref_template: str, *models: type[Data]) -> dict[str, Schema]:
    """Return schema by class name, of `models` and all that they hold, in alphabetical order."""
    modes = [(model, "validation") for model in models]
    _, document = models_json_schema(modes, ref_template=ref_template, schema_generator=_Generator)  # type: ignore[arg-type]
    found: dict[str, Schema] = document["$defs"]
    for name, schema in found.items():
        _describe(schema, field_docs().get(name, {}))
        for node in nodes(schema):
            _plain(node)
    return dict(sorted(found.items()))


def _describe(schema: Schema, docs: dict[str, str]) -> None:
    for field, text in docs.items():
        if field in schema.get("properties", {}):
            schema["properties"][field].setdefault("description", text)


def _plain(node: Schema) -> None:
    """Keep to JSON Schema: no OpenAPI `discriminator`, no inherited docstring noise, no closed objects."""
    if isinstance(node.get("discriminator"), dict):
        del node["discriminator"]
    if node.get("additionalProperties") is False:
        del node["additionalProperties"]
    if "description" in node and isinstance(node["description"], str):
        node["description"] = " ".join(node["description"].split())


def nodes(schema: Any) -> Iterator[Schema]:
    """Yield every object within `schema`, itself included, outer ones first."""
    if isinstance(schema, dict):
        yield schema
        for value in list(schema.values()):
            yield from nodes(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from nodes(value)


@cache
def field_docs() -> dict[str, dict[str, str]]:
    """Return class name -> field -> the docstring that stands under the field in our source, bases included."""
    own: dict[str, dict[str, str]] = {}
    bases: dict[str, list[str]] = {}
    for module in sorted({cls.__module__ for cls in _contract_classes()}):
        for statement in ast.parse(inspect.getsource(sys.modules[module])).body:
            if isinstance(statement, ast.ClassDef):
                own[statement.name] = dict(_documented_fields(statement))
                bases[statement.name] = [b.id for b in statement.bases if isinstance(b, ast.Name)]

    def collected(name: str) -> dict[str, str]:
        inherited = [collected(base) for base in bases.get(name, [])]
        return {k: v for docs in (*inherited, own.get(name, {})) for k, v in docs.items()}

    return {name: collected(name) for name in own}


def _contract_classes() -> Iterator[type[BaseModel]]:
    waiting = list(BaseModel.__subclasses__())
    while waiting:
        cls = waiting.pop()
        waiting.extend(cls.__subclasses__())
        if cls.__module__.startswith("postroom_contracts."):
            yield cls


def _documented_fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            yield field.target.id, text.value.value


def headers_schema() -> Schema:
    """Return the schema of every record's headers, read as UTF-8 text: CloudEvents 1.0 on Kafka, in either mode."""
    text = {"type": "string", "minLength": 1}
    time = {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
    properties = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": text | {"description": "Identity of the event together with `ce_source`; the same again is a repeat."},
        "ce_source": {"type": "string", "pattern": "^/postroom/[a-z-]+$", "description": "The service that made it."},
        "ce_type": {"type": "string", "pattern": r"^org\.postroom\.[a-z0-9-]+\.v[1-9][0-9]*$"},
        "ce_time": time | {"description": "When it was decided, UTC, whole milliseconds."},
        "ce_subject": text | {"description": "The conversation; on `inbound-messages` the inbox."},
        "ce_partitionkey": text | {"description": "The record's key."},
        "ce_correlationid": {"type": "string", "description": "The first cause of the chain, such as one mail."},
        "ce_causationid": {"type": "string", "description": "The id of the event or request that this follows from."},
        "ce_sequence": {
            "type": "string",
            "pattern": "^[1-9][0-9]{0,14}$",
            "description": "1, 2, 3 ... per conversation and source; on facts only.",
        },
        "ce_traceparent": {"type": "string", "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
        "content-type": {"type": "string", "enum": [CONTENT_TYPE.decode(), STRUCTURED_TYPE.decode()]},
    }
    optional = {"ce_sequence", "ce_traceparent"}
    return {
        "$schema": DIALECT,
        "$id": schema_id(HEADERS_NAME),
        "title": "CloudEvents headers",
        "description": "Headers of every record, as UTF-8 text; further `ce_` headers may come.",
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def all_schemas() -> dict[str, Schema]:
    """Return schema by file name without ending: one of each event type, and that of the headers."""
    bodies = {short_name(r.model): schema_of(r.model) for r in BY_TYPE.values()}
    return bodies | {HEADERS_NAME: headers_schema()}

"""A subscriber of an earlier release: its `postroom_contracts` and nothing else. Reads records, tells what it made of each.

In: one JSON object a line, {"name", "headers": {name: text}, "value": text}. Out: a first line that says where the package
came from, then one line per record, {"name", "read": body} or {"name", "skipped": type} or {"name", "error": text}.
"""

import json
import sys
from typing import Any

import postroom_contracts
from postroom_contracts import events
from postroom_contracts.registry import MODELS


def told(record: dict[str, Any]) -> dict[str, Any]:
    headers: dict[str, bytes | None] = {name: text.encode() for name, text in record["headers"].items()}
    body = record["value"].encode()
    if hasattr(events, "attributes_of"):  # releases that know the structured mode
        headers = events.attributes_of(headers, body)
    name = (headers.get("ce_type") or b"").decode()
    if name not in MODELS:
        return {"skipped": name}
    try:
        event = events.decode(headers, body, MODELS)
    except Exception as error:  # noqa: BLE001 - the test is told of whatever it raises
        return {"error": f"{type(error).__name__}: {error}"}
    return {"read": event.data.model_dump(mode="json", exclude_unset=True)}


print(json.dumps({"package": postroom_contracts.__file__, "structured": hasattr(events, "attributes_of")}))
for line in sys.stdin:
    record = json.loads(line)
    print(json.dumps({"name": record["name"], **told(record)}))

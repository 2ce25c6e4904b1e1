"""Releases that break the promise of side by side: `python -m faults.newer NAME run SERVICE` runs this tree, changed in memory.

They show that `make check-upgrade` would see what it claims to see.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from postroom_contracts import events
from postroom_runtime import cli, documents

RENAMED, FORMER = "mailbox", "inbox_id"
COUNTED, SEQUENCE = "numbers_given", "sequence"


def body() -> None:
    """Write `inbox_id` of each fact as `mailbox`, and read both: older services find a required field missing."""
    write, read = events.encode_body, events.body_of

    def encode_body(data: events.Data) -> bytes:
        found = json.loads(write(data))
        if data.kind == "fact" and FORMER in found:
            found[RENAMED] = found.pop(FORMER)
        return json.dumps(found).encode()

    def body_of(content_type: bytes | None, body: bytes) -> bytes:
        found = json.loads(read(content_type, body))
        if isinstance(found, dict) and RENAMED in found:
            found[FORMER] = found.pop(RENAMED)
        return json.dumps(found).encode()

    events.encode_body, events.body_of = encode_body, body_of


def document() -> None:
    """Keep the `sequence` of each fold's document under another name in MongoDB, and read both: an older service finds none."""
    write, read = documents.to_mongo, documents.from_mongo

    def to_mongo(*arguments: Any) -> dict[str, Any]:
        stored = write(*arguments)
        return stored | {COUNTED: stored.pop(SEQUENCE)}

    def from_mongo(stored: Any, *arguments: Any) -> Any:
        return read({SEQUENCE: stored.get(COUNTED), **stored}, *arguments)

    changed: Any = documents
    changed.to_mongo, changed.from_mongo = to_mongo, from_mongo


BREAKS: dict[str, Callable[[], None]] = {"body": body, "document": document}


def main() -> None:
    BREAKS[sys.argv.pop(1)]()
    cli.main()


if __name__ == "__main__":
    main()

"""Services of an earlier release, run from its source: the figures and the read model over records of a newer one.

Arguments: its tree, a file of recorded facts (JSON lines of CloudEvents), a file of configurations. Prints what it found as JSON.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import postroom_analytics
import postroom_contracts
import postroom_runtime
from postroom_analytics.domain.log import FoldedLog
from postroom_contracts.events import decode
from postroom_contracts.registry import MODELS
from postroom_runtime.records import Incoming, Unreadable, read

tree, facts, configurations = map(Path, sys.argv[1:4])
for package in (postroom_analytics, postroom_contracts, postroom_runtime):
    assert Path(package.__file__ or "").is_relative_to(tree), package.__file__


def records(path: Path) -> Iterator[Any]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        attributes = json.loads(line)
        body = json.dumps(attributes.pop("data")).encode()
        headers = [(f"ce_{name}", str(value).encode()) for name, value in attributes.items()]
        key = attributes["partitionkey"].encode()
        yield SimpleNamespace(topic="t", partition=0, offset=number, key=key, value=body, headers=headers)


applied: list[Any] = [decode(dict(r.headers), r.value, MODELS).data for r in records(configurations)]
taken = [read(record, MODELS, {"t": "topic-id"}, frozenset()) for record in records(facts)]
events = [incoming.the_event for incoming in taken if isinstance(incoming, Incoming)]
log = FoldedLog({data.configuration_version: data.configuration for data in applied})
log.fold(events)
rows = [row.kind for conversation in log.rows for row in log.rows_of(conversation)]
left = sorted({found.reason for found in taken if isinstance(found, Unreadable)})
print(json.dumps({"read": len(events), "conversations": rows.count("conversation"), "left": left}))

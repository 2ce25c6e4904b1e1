"""Record what the services of a release keep in MongoDB, for later releases to read: a few documents of each collection.

`python tools/record_documents.py URI PREFIX DIRECTORY` writes `SERVICE.COLLECTION.jsonl` (MongoDB's extended JSON). Take it from
a company that does not exist: a run of `make faults` or of the demo.
"""

import sys
from pathlib import Path
from typing import Any

from bson import json_util
from pymongo import MongoClient

OF_EACH = 2
"""The richest ones: what a document has grown to is what a reader must be able to take."""


def main(uri: str, prefix: str, directory: Path) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        for name in sorted(n for n in client.list_database_names() if n.startswith(prefix)):
            for collection in sorted(set(client[name].list_collection_names()) - {"leases"}):  # they live for seconds
                found = client[name][collection].aggregate(
                    [{"$addFields": {"_size": {"$bsonSize": "$$ROOT"}}}, {"$sort": {"_size": -1}}, {"$limit": OF_EACH},
                     {"$project": {"_size": 0}}]
                )  # fmt: skip
                text = "".join(
                    json_util.dumps(document, sort_keys=True, ensure_ascii=False) + "\n" for document in found
                )
                if text:
                    path = directory / f"{name.removeprefix(prefix)}.{collection}.jsonl"
                    path.write_text(text, encoding="utf-8")
                    print(f"{path.name}: {len(text)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))

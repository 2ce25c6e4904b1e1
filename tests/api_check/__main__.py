"""`python -m tests.api_check [EXAMPLES]`: everybody who may ask, each operation, 0 faults."""

import asyncio
import sys
import tempfile
import uuid
from pathlib import Path

from postroom_local.mongo import MongoServer

from tests.api_check.office import TOKENS
from tests.api_check.run import Asked, check

EXAMPLES = 14
"""Generated cases of one operation in one phase, as one of the two who ask."""
SEED = 20261126
LEAST = 5000


async def main(examples: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        server = MongoServer(Path(folder) / "mongo")
        server.start()
        try:
            found = [await check(server.uri, f"c{uuid.uuid4().hex[:8]}_", Asked(who, examples, SEED)) for who in TOKENS]
        finally:
            server.kill()
    for report in found:
        print(report.text)
    cases = sum(report.cases for report in found)
    print(f"{cases} cases over {found[0].operations} operations, as {' and '.join(TOKENS)}")
    return 0 if cases >= LEAST and all(report.passed for report in found) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES)))

"""What the product's own commands find when all is quiet: figures against a rebuild, states against the log."""

import asyncio
import re
import sys
import time
from pathlib import Path

from faults.world import FOLDER, ROOT, World

COMMAND_SECONDS = 120.0
STATES_SECONDS = 30.0
"""The desk promises to be at most 5 s behind (docs/events.md); a group that just lost a member takes longer once."""


async def rebuild_differs(world: World) -> int:
    """Return how many figures of analytics differ from a rebuild. Raises RuntimeError when it cannot be made."""
    return await _counted(world, r"(\d+) figures differ", "analytics", "rebuild", "--check")


async def states_differ(world: World) -> int:
    """Return how many conversations `conversation-states` tells of otherwise than a fold of the log, or does not know."""
    deadline = time.monotonic() + STATES_SECONDS
    while (found := await _counted(world, r"(\d+) states differ", "states", "check")) and time.monotonic() < deadline:
        await asyncio.sleep(1)
    return found


async def _counted(world: World, pattern: str, *arguments: str) -> int:
    """Return the number that a command of `postroom` says; what it said stands in a file of the run."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "postroom"),
        *arguments,
        env=world.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    output, errors = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
    found = re.search(pattern, output.decode())
    if found is None:
        raise RuntimeError(f"postroom {' '.join(arguments)} failed: {errors.decode()[-2000:]}")
    (FOLDER / f"{arguments[0]}.txt").write_bytes(output)
    return int(found.group(1))

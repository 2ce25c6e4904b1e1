"""The drills of docs/operations/disaster.md: their commands as they stand there, run one after another."""

import asyncio
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from faults.world import ROOT

PAGE = ROOT / "docs" / "operations" / "disaster.md"
COMMAND_SECONDS = 180.0


class DrillFailedError(Exception):
    """A command of the page ended with an error; the text holds what it said."""


def drills(page: Path = PAGE) -> dict[str, list[str]]:
    """Return name -> commands of each block that begins with `# drill: NAME`; other comments are for people."""
    found: dict[str, list[str]] = {}
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        first, *lines = block.splitlines()
        if named := re.fullmatch(r"# drill: ([a-z-]+)", first):
            found[named[1]] = [line for line in lines if line and not line.startswith("#")]
    return found


async def carry_out(name: str, environment: Mapping[str, str], since: str) -> list[str]:
    """Run a drill's commands; return what they said. Raises DrillFailedError at the first that fails."""
    said = []
    for command in drills()[name]:
        program, *arguments = shlex.split(command.replace("$SINCE", since))
        assert program == "postroom", command
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "postroom"),
            *arguments,
            env=dict(environment),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
        said += [f"$ {command}", *output.decode().splitlines()]
        if process.returncode:
            raise DrillFailedError("\n".join(said[-30:]))
    return said

"""Runs schemathesis, as a process of its own, against the office's application on a port of this machine."""

import asyncio
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from postroom_local.ports import LOOPBACK, free_port

from tests.api_check.office import TOKENS, office

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Path(__file__).with_name("schemathesis.toml")
_CASES = re.compile(r"([\d,]+) generated")
_OPERATIONS = re.compile(r"(?:Tested|Selected): +(\d+)(?:/\d+)?")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, how many examples of each operation, from which seed; `more` are further arguments of schemathesis."""

    who: str
    examples: int
    seed: int
    more: tuple[str, ...] = ()
    seconds: float = 1800


@dataclass(frozen=True, slots=True)
class Report:
    passed: bool
    cases: int
    operations: int
    text: str


async def check(
    mongo_uri: str, database_prefix: str, asked: Asked, plant: Callable[[FastAPI], None] = lambda _: None
) -> Report:
    """Return what was found. `plant` adds a fault that must be found. Raises TimeoutError after `asked.seconds`."""
    async with office(mongo_uri, database_prefix) as found:
        plant(found.app)
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(found.app, LOOPBACK, port, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve())
        try:
            text, code = await _schemathesis(f"http://{LOOPBACK}:{port}/api/v1/openapi.json", asked)
        finally:
            server.should_exit = True
            server.force_exit = True
            await serving
    cases, operations = _CASES.search(text), _OPERATIONS.search(text)
    return Report(
        passed=code == 0,
        cases=int(cases[1].replace(",", "")) if cases else 0,
        operations=int(operations[1]) if operations else 0,
        text=text,
    )


async def _schemathesis(address: str, asked: Asked) -> tuple[str, int]:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "--no-color", "run", address),
        *("--max-examples", str(asked.examples), "--seed", str(asked.seed), "--wait-for-schema", "20", *asked.more),
    ]
    environment = {**os.environ, "POSTROOM_CHECK_TOKEN": TOKENS[asked.who][1], "NO_PROXY": LOOPBACK}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(asked.seconds):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    return output.decode(errors="replace"), process.returncode or 0

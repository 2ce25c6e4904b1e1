"""The sample of docs/subscribe.md, run literally in an environment that holds aiokafka and nothing of ours."""

import asyncio
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from postroom_contracts import ids
from postroom_contracts.events import Event, new_event
from postroom_contracts.facts import NoteAdded
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_contracts.values import Actor, ContentReference
from postroom_runtime.clock import SystemClock

from tests.deployment import Deployment
from tests.groups import bury

pytestmark = pytest.mark.connected
ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "docs" / "examples" / "subscribe.py"


def test_the_page_shows_the_sample_as_it_is() -> None:
    shown = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "subscribe.md").read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] == SAMPLE.read_text()
    lines = [line for line in shown[1].splitlines() if line.strip()]
    assert len(lines) <= 22


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with aiokafka alone."""
    folder = tmp_path_factory.mktemp("bare")
    uv = Path(sys.executable).with_name("uv")
    assert uv.exists() or shutil.which("uv"), "uv is missing: run `make setup`"
    command = str(uv) if uv.exists() else "uv"
    subprocess.run([command, "venv", "-q", "--python", sys.executable, str(folder / "venv")], check=True, timeout=120)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [command, "pip", "install", "-q", "--python", str(python), "aiokafka==0.14.0"], check=True, timeout=170
    )
    return python


def note(conversation: int, sequence: int) -> Event:
    data = NoteAdded(
        message_id=f"note-{conversation}-{sequence}",
        actor=Actor(kind="agent", id="ann"),
        content=ContentReference(content_id="c", sha256="0" * 64),
    )
    return new_event(
        data,
        source="/postroom/router",
        cause_id=f"cause-{conversation}-{sequence}",
        subject=ids.conversation_id("support", str(conversation)),
        time=SystemClock().now(),
        sequence=sequence,
    )


def stored(path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as db:
        return list(db.execute("SELECT source, id FROM events"))


async def wait_for(path: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if len(stored(path)) >= count:
                return
        except sqlite3.OperationalError:
            pass
        assert time.monotonic() < deadline, "the subscriber stands still"
        await asyncio.sleep(0.05)


async def test_it_resumes_after_kill_9_without_gap_and_drops_repeats(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str, bare_python: Path, tmp_path: Path
) -> None:
    events = [note(c, n) for n in range(1, 21) for c in range(100)]
    database = tmp_path / "events.db"
    async with Deployment(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix) as deployment:
        command = [str(bare_python), str(SAMPLE), kafka_bootstrap, deployment.settings.topic(CONVERSATION_EVENTS.name)]

        def start() -> "subprocess.Popen[bytes]":
            return subprocess.Popen([*command, str(database)])

        async def feed() -> None:
            for first in range(0, len(events), 50):
                part = events[first : first + 50]
                await deployment.publisher.publish_events(CONVERSATION_EVENTS, part + part[:10])  # some come twice
                await asyncio.sleep(0.05)

        subscriber = start()
        try:
            feeding = asyncio.create_task(feed())
            for wanted in (200, 700, 1200):
                await wait_for(database, wanted)
                subscriber.kill()
                subscriber.wait(10)
                await bury(deployment.settings.model_copy(update={"topic_prefix": ""}), ["my-team"])
                subscriber = start()
            await feeding
            await wait_for(database, len(events))
        finally:
            subscriber.kill()
            subscriber.wait(10)
    assert sorted(stored(database)) == sorted((e.source, e.id) for e in events)

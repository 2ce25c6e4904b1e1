"""The demo as a newcomer uses it, at an hour at which no office is open: looks on, sends a mail, kills a service, comes back."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from postroom_demo.place import DemoError, Place

from tests.validation import StructuredRecord, validate_record

pytestmark = [pytest.mark.connected, pytest.mark.timeout(900)]
DEADLINE_SECONDS = 840
UP_SECONDS = 400
SEEN_SECONDS = 60.0
"""A second where nothing else runs."""
LEAST = {
    "mails": 60,
    "senders": 20,
    "replies": 15,
    "with attachments": 5,
    "auto-replies": 1,
    "bounces": 1,
    "without Message-ID": 1,
}


def seconds_to_last_sunday_at_three() -> float:
    """Return the (negative) offset that makes now the last Sunday that is over, 03:00 UTC."""
    now = datetime.now(UTC)
    sunday = (now - timedelta(days=(now.weekday() + 1) % 7 or 7)).replace(hour=3, minute=0, second=0, microsecond=0)
    return (sunday - now).total_seconds()


def processes_of(directory: Path) -> list[str]:
    """Return the command lines of processes that work on the demo's directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found


class Demo:
    """`postroom demo` as a process, and what somebody beside it does."""

    def __init__(self, data: Path, output: Path, *options: str) -> None:
        self.data, self._output = data, output
        command = [sys.executable, "-m", "postroom_runtime.cli", "demo", "--data", str(data), *options]
        with output.open("wb") as out:
            environment = {**os.environ, "COLUMNS": "200"}
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def until(self, look: Callable[[], Any], what: str, seconds: float) -> Any:
        """Return the first thing that `look` finds; fail with the demo's output when there is none in time."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert self.process.poll() is None, f"the demo has ended: {self.output[-6000:]}"
            assert time.monotonic() < deadline, f"{what}: {self.output[-3000:]}"
            time.sleep(0.1)
        return found

    def state(self) -> dict[str, Any]:
        """Return where page and controls are, as soon as the demo is up."""

        def look() -> dict[str, Any] | None:
            try:
                return Place(self.data).read_state()
            except DemoError:
                return None

        found: dict[str, Any] = self.until(look, "it is not up", UP_SECONDS)
        return found

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.state()['controls']}/status", timeout=20).json()
        return found

    def subjects(self) -> list[str]:
        """Return the subjects of the newest conversations on the page's API."""
        url = f"{self.state()['page']}/api/v1/conversations?sort=newest&limit=100"
        return [item["subject"] for item in httpx.get(url, timeout=20).json()["items"]]

    def send(self, text: str) -> None:
        command = [sys.executable, "-m", "postroom_runtime.cli", "demo", "send", text, "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr


@contextmanager
def demo(data: Path, output: Path, *options: str) -> Iterator[Demo]:
    running = Demo(data, output, *options)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait(30)


def a_mail_is_seen_at_once(running: Demo) -> None:
    running.send("My bell does not ring")
    running.until(lambda: "My bell does not ring" in running.subjects(), "the mail is not on the page", SEEN_SECONDS)


def a_killed_router_catches_up(running: Demo) -> None:
    assert httpx.post(f"{running.state()['controls']}/kill/router", timeout=20).status_code == 202
    running.until(lambda: running.status()["lag"] > 0, "no lag is seen", 60)

    def caught_up() -> Any:
        status = running.status()
        router = next(service for service in status["services"] if service["name"] == "router")
        return router["restarts"] == 1 and router["state"] == "ready" and status["equal"]

    running.until(caught_up, "sent and in conversations are not equal again", 120)


def test_demo_at_sunday_three_in_the_morning_gives_every_mail_what_it_must_have(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    offset = f"{seconds_to_last_sunday_at_three():.0f}"
    options = ["--for", "60", "--clock-offset", offset, "--record", str(tmp_path / "recorded")]
    with demo(data, tmp_path / "first", *options) as running:
        duty = {one["inbox"]: one for one in running.status()["duty"]}
        assert (duty["support"]["business_clock"], duty["billing"]["business_clock"]) == ("runs", "stands still")
        a_mail_is_seen_at_once(running)
        a_killed_router_catches_up(running)
        assert running.process.wait(DEADLINE_SECONDS) == 0, running.output[-6000:]
        output = running.output
    counted = re.findall(r"^ +(\d+) ([a-zA-Z -]+)$", output, re.MULTILINE)
    found = {name.strip(): int(number) for number, name in counted}
    assert all(found[name] >= least for name, least in LEAST.items()), found
    sent, placed = map(int, re.findall(r"sent (\d+), in conversations (\d+)", output)[-1])
    assert sent == placed >= 60
    assert re.search(r"The page: http://127\.0\.0\.1:\d+/", output)
    assert processes_of(data) == []
    what_was_recorded_is_valid_and_of_that_hour(tmp_path / "recorded")
    what_was_there_is_kept_and_ctrl_c_ends_it(data, tmp_path / "second", offset)


def what_was_recorded_is_valid_and_of_that_hour(folder: Path) -> None:
    events = (folder / "conversation-events.jsonl").read_text(encoding="utf-8").splitlines()
    received = [line for line in events if "org.postroom.message-received.v1" in line]
    assert len(received) >= 60
    days = {datetime.fromisoformat(json.loads(line)["time"]).strftime("%A %H") for line in received}
    assert days <= {"Sunday 03"}
    owners = [json.loads(line)["data"] for line in events if "org.postroom.conversation-assigned.v1" in line]
    assert any((o["team_id"], o["reason"]) == ("sales", "queue") for o in owners), "a queue drained when a shift began"
    for file in folder.glob("*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            validate_record(StructuredRecord.of(line, file.stem))


def what_was_there_is_kept_and_ctrl_c_ends_it(data: Path, output: Path, offset: str) -> None:
    with demo(data, output, "--clock-offset", offset) as running:
        running.until(lambda: "My bell does not ring" in running.subjects(), "the conversation is gone", 60)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0, running.output[-3000:]
    assert processes_of(data) == []

"""The demo as a newcomer starts it, by itself, at an hour at which no office is open."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytestmark = [pytest.mark.connected, pytest.mark.timeout(900)]
DEADLINE_SECONDS = 840
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


def test_demo_at_sunday_three_in_the_morning_gives_every_mail_what_it_must_have(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    command = [sys.executable, "-m", "postroom_runtime.cli", "demo", "--for", "60", "--data", str(data)]
    command += ["--clock-offset", f"{seconds_to_last_sunday_at_three():.0f}", "--record", str(tmp_path / "recorded")]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-6000:]
    found = {name: int(number) for number, name in re.findall(r"^ +(\d+) ([a-zA-Z -]+)$", done.stdout, re.MULTILINE)}
    assert all(found[name] >= least for name, least in LEAST.items()), found
    sent, placed = map(int, re.findall(r"sent (\d+), in conversations (\d+)", done.stdout)[-1])
    assert sent == placed >= 60
    assert re.search(r"The page: http://127\.0\.0\.1:\d+/", done.stdout)
    assert processes_of(data) == []
    recorded = (tmp_path / "recorded" / "conversation-events.jsonl").read_text(encoding="utf-8")
    received = [line for line in recorded.splitlines() if "org.postroom.message-received.v1" in line]
    assert len(received) >= 60
    days = {datetime.fromisoformat(re.findall(r'"time": "([^"]+)"', line)[0]).strftime("%A %H") for line in received}
    assert days <= {"Sunday 03"}

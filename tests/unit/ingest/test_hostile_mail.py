"""Mails made to cost much, each read by the command's own function in its own process, whose time and memory are measured."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.unit.ingest.hostile_mails import HOSTILE

MOST_SECONDS = 10.0
MOST_MIB = 300.0

CHILD = """
import json, os, re, sys, time
def peak():  # VmHWM, for ru_maxrss begins with what the process that started this one had
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
from postroom_ingest.cli import described
from postroom_ingest.domain.mail import parse_mail
from tests.unit.ingest.hostile_mails import HOSTILE
described(parse_mail(b"Subject: first\\n\\nWhat is loaded late is loaded now."))
for name in json.loads(sys.argv[1]):
    child = os.fork()  # so that none is charged with what an earlier one left in the heap
    if child:
        if os.waitpid(child, 0)[1]:
            sys.exit(f"{name}: the process that read it died")
        continue
    raw = HOSTILE[name]()
    started = time.process_time()
    told = described(parse_mail(raw))
    seconds = time.process_time() - started
    line = {"name": name, "seconds": seconds, "mib": peak() / 1024,
            "text": told["text"][-500:], "warnings": told["warnings"], "attachments": len(told["attachments"])}
    print(json.dumps(line), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    """Return what was made of each mail."""
    command = [sys.executable, "-c", CHILD, json.dumps(list(HOSTILE))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {found["name"]: found for found in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_most_hostile_mail_costs_little(name: str, told: dict[str, dict[str, Any]]) -> None:
    assert told[name]["seconds"] < MOST_SECONDS
    assert told[name]["mib"] < MOST_MIB
    assert told[name]["attachments"] <= 400


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nested 3000 deep", "nested deeper than 20 levels, the rest is kept as one part"),
        ("100,000 parts", "more than 200 parts, the rest was left out"),
        ("100,000 recipients", "more than 1000 addresses in to, the rest was left out"),
        ("100,000 recipients without commas", "more than 1000 addresses in to, the rest was left out"),
        ("header of 25 MiB", "headers longer than 512 KiB, only their beginning was read"),
        ("26 MiB", "larger than 25 MiB, only its headers were read"),
        ("24 MiB of html", "only the first 2 Mi characters of a very long HTML part are shown"),
        ("uuencoded files", "more than 400 files, the rest was left out"),
    ],
)
def test_each_guard_is_named_in_a_note_below_the_text(
    name: str, sentence: str, told: dict[str, dict[str, Any]]
) -> None:
    assert sentence in told[name]["warnings"]
    note = told[name]["text"].rpartition("[Not all of this mail is shown: ")[2]
    assert sentence in note
    assert note.endswith(" The whole is kept as the original mail.]")


def test_what_no_guard_cut_carries_no_note(told: dict[str, dict[str, Any]]) -> None:
    for name in ("one line of 10 MB", "base64 of 24 MiB", "html of open tags", "tnef that lies"):
        assert "[Not all of this mail is shown" not in told[name]["text"]

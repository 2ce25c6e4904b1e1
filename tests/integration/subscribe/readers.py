"""Subscribers that are none of ours: the CloudEvents SDKs of three languages, each with a Kafka client of its own.

The JavaScript and Java ones are the samples of docs/examples, as they stand there.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from postroom_local.jars import Program, fetched

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = ROOT / "docs" / "examples"
PARTS = ROOT / "tests" / "contract" / "cloudevents"


def python_reader(bootstrap: str, topic: str) -> list[str]:
    return [sys.executable, str(PARTS / "read.py"), bootstrap, topic]


def javascript_reader(bootstrap: str, topic: str) -> list[str]:
    """Return the command; the packages are installed once into build/cloudevents from the committed lock."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise AssertionError(
                f"{program} is missing: install Node.js 20 or newer for the JavaScript SDK of CloudEvents"
            )
    home = ROOT / "build" / "cloudevents"
    lock = PARTS / "package-lock.json"
    installed = home / "installed-lock.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        home.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PARTS / name, home / name)
        command = ["npm", "ci", "--prefix", str(home), "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, check=True, timeout=120)
        shutil.copy(lock, installed)
    sample = home / "subscribe.mjs"
    shutil.copy(SAMPLES / "subscribe.mjs", sample)  # beside its packages, as in a project of one's own
    return ["node", str(sample), bootstrap, topic]


def java_reader(bootstrap: str, topic: str) -> list[str]:
    wanted = json.loads((PARTS / "jars.json").read_text())
    jars = fetched(Program("cloudevents-sdk", tuple(wanted["coordinates"]), wanted["jars"]))
    path = ":".join(map(str, jars))
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        raise AssertionError(
            "a Java development kit (17 or newer) is missing: the Java SDK's subscriber is run from source"
        )
    quick = ["-XX:TieredStopAtLevel=1", "-Xmx192m"]
    return [java, *quick, "-cp", path, str(SAMPLES / "Subscribe.java"), bootstrap, topic]


READERS = {"python": python_reader, "javascript": javascript_reader, "java": java_reader}

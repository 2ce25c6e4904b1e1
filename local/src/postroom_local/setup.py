"""Fetch all that the embedded servers need, so that starting them later needs no network."""

from __future__ import annotations

from collections.abc import Callable

from postroom_local.jars import jars_of, known_programs
from postroom_local.java import java_program
from postroom_local.mongo import mongod_program
from postroom_local.platform_check import check_platform


def prepare(progress: Callable[[str], None]) -> None:
    """Download and check every server program that is not yet in the cache; a second call only looks.

    `progress` gets one short line per step. Raises UnsupportedPlatformError, MissingProgramError or
    DownloadFailedError, each naming its remedy. Dovecot is not among them: it comes from the operating system.
    """
    check_platform()
    progress(f"java: {java_program()}")
    progress(f"mongod: {mongod_program()}")
    for name in known_programs():
        jars = jars_of(name, progress)
        progress(f"{name}: {len(jars)} files in {jars[0].parent}")


if __name__ == "__main__":
    prepare(lambda line: print(line, flush=True))  # noqa: T201  (its command line)

"""Server programs from Maven Central, each resolved once into the cache and checked against known digests.

`jars.json` names for each program its coordinates and the SHA-256 of each jar it runs with; nothing else is kept.
Where `mvn` is installed it is asked first, because it is faster (8 s instead of 24 s for Kafka, cold); else, and when
it fails, the pure-Python resolver of `jgo`. `POSTROOM_RESOLVER=mvn` or `jgo` allows only that one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from postroom_local.cache import cache_dir, cache_lock
from postroom_local.errors import DownloadFailedError
from postroom_local.resolvers import RESOLVERS, ResolverFailedError

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """A server program: its Maven coordinates and the SHA-256 in hex of each jar, by file name."""

    name: str
    coordinates: tuple[str, ...]
    digests: dict[str, str]

    @property
    def directory_name(self) -> str:
        """Changes with the wanted jars, so that a cache of an older release is never mixed up with ours."""
        wanted = json.dumps(self.digests, sort_keys=True).encode()
        return f"{self.name}-{hashlib.sha256(wanted).hexdigest()[:12]}"


@cache
def known_programs() -> dict[str, Program]:
    """Return the programs of `jars.json` by name: `kafka` and `greenmail`."""
    raw = json.loads(files("postroom_local").joinpath("jars.json").read_text(encoding="utf-8"))
    return {name: Program(name, tuple(entry["coordinates"]), entry["jars"]) for name, entry in raw.items()}


def jars_of(name: str, progress: Progress | None = None) -> list[Path]:
    """Return the jars of a known program, sorted by name, downloaded and checked if the cache lacks them.

    Needs no network once cached. `progress` is told what is fetched, one short line at a time. Raises
    DownloadFailedError.
    """
    return fetched(known_programs()[name], progress)


def fetched(program: Program, progress: Progress | None = None) -> list[Path]:
    """Return the jars of any program whose digests are known, as `jars_of` does."""
    target = cache_dir() / "jars" / program.directory_name
    if not _is_complete(target, program):
        with cache_lock(target.parent):
            if not _is_complete(target, program):  # another process may have done it while we waited
                _fetch(program, target, progress or (lambda _line: None))
    return sorted(target / file for file in program.digests)


def _is_complete(target: Path, program: Program) -> bool:
    # A directory takes its name only after its jars were checked, so presence is enough.
    return all((target / file).is_file() for file in program.digests)


def _fetch(program: Program, target: Path, progress: Progress) -> None:
    failures = []
    for resolver in _resolvers():
        progress(f"{program.name}: fetching {len(program.digests)} files from Maven Central ({resolver})")
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as directory:
            try:
                found = RESOLVERS[resolver](program.coordinates, Path(directory), progress)
                _keep_known(program, found, target)
            except (ResolverFailedError, OSError, subprocess.SubprocessError) as error:
                failures.append(f"{resolver}: {error}")
                continue
        progress(f"{program.name}: ready")
        return
    raise DownloadFailedError(
        f"{program.name} could not be fetched from Maven Central. Check that this machine reaches the network "
        "(jgo honours HTTPS_PROXY) and run it again; or point the setting for your own server at one that runs.\n"
        + "\n".join(failures)
    )


def _resolvers() -> list[str]:
    if chosen := os.environ.get("POSTROOM_RESOLVER"):
        if chosen not in RESOLVERS:
            raise DownloadFailedError(f"POSTROOM_RESOLVER is {chosen!r}; known are: {', '.join(RESOLVERS)}")
        return [chosen]
    return [name for name in RESOLVERS if name != "mvn" or shutil.which("mvn")]


def _keep_known(program: Program, found: list[Path], target: Path) -> None:
    """Move the wanted jars into place in one step; raises ResolverFailedError when one is missing or unknown."""
    by_name = {path.name: path for path in found}
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".checked-") as directory:
        staging = Path(directory) / "jars"
        staging.mkdir()
        for file, digest in program.digests.items():
            if file not in by_name:
                raise ResolverFailedError(f"{file} was not among the {len(found)} files found")
            _require_digest(by_name[file], digest)
            shutil.copyfile(by_name[file], staging / file)
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)


def _require_digest(path: Path, digest: str) -> None:
    with path.open("rb") as handle:
        actual = hashlib.file_digest(handle, "sha256").hexdigest()
    if actual != digest:
        raise ResolverFailedError(f"{path.name} has SHA-256 {actual}, expected {digest}; it was not used")

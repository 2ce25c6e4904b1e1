"""Earlier releases, taken out of this repository's history: what stood at their tag, and their contracts as a wheel.

A release with recorded topics and no tag yet (`vRELEASE` or `vRELEASE.N`) is the commit that first recorded it. A checkout
without history has neither: then every function here raises MissingHistoryError, which says what to fetch.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "contracts" / "recorded"
SECONDS = 170
REMEDY = "fetch the whole history: git fetch --unshallow --tags"


class MissingHistoryError(AssertionError):
    """The checkout does not hold what an earlier release was; the message names the release and the remedy."""


@dataclass(frozen=True, slots=True)
class Release:
    """`name` is the tag without its v, or the recording's name; `revision` a tag or a commit."""

    name: str
    revision: str


def recorded() -> list[str]:
    """Return the names of the releases with recorded topics."""
    return sorted(path.name for path in RECORDED.iterdir() if path.is_dir())


def releases(recordings: list[str], root: Path = ROOT) -> list[Release]:
    """Return every tagged release, and every recorded one that has no tag; never none of a recorded release."""
    tags = _git(root, "tag", "--list", "v[0-9]*", "--sort=v:refname").split()
    tagged = {name for name in recordings for tag in tags if tag == f"v{name}" or tag.startswith(f"v{name}.")}
    untagged = [name for name in recordings if name not in tagged]
    found = [Release(tag.removeprefix("v"), tag) for tag in tags]
    return found + [Release(name, _first_recorded(root, name)) for name in untagged]


def newest(root: Path = ROOT) -> Release | None:
    """Return the newest tagged release that leads to what is checked out; None before the first."""
    try:
        tag = _git(root, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*").strip()
    except MissingHistoryError:
        return None
    return Release(tag.removeprefix("v"), tag)


def tree(release: Release, folder: Path, root: Path = ROOT) -> Path:
    """Lay the release's files down in `folder` and return it."""
    with tarfile.open(fileobj=io.BytesIO(_git_bytes(root, "archive", release.revision))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def reader_of(source: Path, folder: Path) -> Path:
    """Return the Python of an environment that holds the wheel of `source`'s contracts, its locked pydantic, nothing else."""
    wheels, venv = folder / "wheels", folder / "venv"
    uv("build", "-q", "--wheel", str(source / "contracts"), "-o", str(wheels))
    uv("venv", "-q", "--python", sys.executable, str(venv))
    wheel = next(wheels.glob("postroom_contracts-*.whl"))
    python = venv / "bin" / "python"
    uv("pip", "install", "-q", "--python", str(python), "-c", str(source / "requirements.lock"), str(wheel))
    return python


def _first_recorded(root: Path, name: str) -> str:
    """Return the commit that added the recording of a release that has no tag."""
    if _git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise MissingHistoryError(f"release {name} has no tag, and this clone is shallow: {REMEDY}")
    path = f"contracts/recorded/{name}/conversation-events.jsonl"
    commits = _git(root, "log", "--diff-filter=A", "--format=%H", "--", path).split()
    if not commits:
        raise MissingHistoryError(f"release {name} has no tag, and no commit added {path}: commit it, or {REMEDY}")
    return commits[-1]


def _git(root: Path, *arguments: str) -> str:
    return _git_bytes(root, *arguments).decode()


def _git_bytes(root: Path, *arguments: str) -> bytes:
    """Return what git says; a checkout of somebody else's is read, too."""
    command = ["git", "-c", f"safe.directory={root}", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(command, cwd=root, capture_output=True, check=False, timeout=60, env=environment)
    if done.returncode:
        raise MissingHistoryError(f"git {' '.join(arguments[:2])}: {done.stderr.decode().strip()}; {REMEDY}")
    return done.stdout


def uv(*arguments: str) -> None:
    """Run uv, this environment's if it has one. Raises AssertionError with the end of what it said."""
    beside = Path(sys.executable).with_name("uv")
    command = str(beside) if beside.exists() else shutil.which("uv")
    assert command, "uv is missing: run `make setup`"
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, f"uv {' '.join(arguments)}:\n{done.stderr[-2000:]}"

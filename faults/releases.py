"""Which release an upgrade begins at, and that release as an environment of its own: wheels and locked dependencies."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from faults.world import ROOT
from tests.contract.releases import Release, newest, recorded, releases, tree, uv

HOME = ROOT / "build" / "upgrade"
LOCKS = ("requirements-image.txt", "requirements.lock")
"""What a release's image was made from; in front what its services need and nothing else."""


@dataclass(frozen=True, slots=True)
class Build:
    """One release that can be run: `name` for people, `program` is followed by a command of `postroom`."""

    name: str
    program: tuple[str, ...]


def this_tree(broken: str = "") -> Build:
    """Return the release that stands here, as it is in the working tree, or one that is broken on purpose."""
    if broken:
        return Build(f"this tree, broken: {broken}", (sys.executable, "-m", "faults.newer", broken))
    return Build("this tree", (sys.executable, "-m", "postroom_runtime.cli"))


def start_of(wanted: str, root: Path = ROOT) -> Release:
    """Return the release to begin at: a tag or any revision that is asked for, else the newest tag that leads here.

    Without any tag it is the commit that first recorded the oldest release. Raises ValueError for a revision that git does
    not know, MissingHistoryError in a checkout without history.
    """
    if wanted:
        return Release(wanted, revision(wanted, root))
    if (tagged := newest(root)) is not None:
        return Release(tagged.revision, revision(tagged.revision, root))
    first = releases(recorded(), root)[0]
    return Release(f"the first record of {first.name}", revision(first.revision, root))


def knows(release: Release, text: str, root: Path = ROOT) -> bool:
    """Say whether a release's contracts speak of `text`, such as a topic."""
    return _git(root, "grep", "-l", "-F", text, release.revision, "--", "contracts/src") is not None


def revision(name: str, root: Path = ROOT) -> str:
    """Return the whole id of a commit. Raises ValueError when there is none."""
    found = _git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if found is None:
        raise ValueError(f"UPGRADE_FROM={name}: git knows no such tag or commit here")
    return found


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "-c", f"safe.directory={root}", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() or None if done.returncode == 0 else None


def installed(release: Release, home: Path = HOME) -> Build:
    """Build the release's wheels and install them beside its locked dependencies; kept for the next run."""
    name = f"{release.name} ({release.revision[:10]})"
    place = home / release.revision[:12]
    python = place / "venv" / "bin" / "python"
    if not (place / "ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        _install(tree(release, place / "source"), place, python)
        (place / "ready").touch()
    return Build(name, (str(python), "-I", "-m", "postroom_runtime.cli"))


def _install(source: Path, place: Path, python: Path) -> None:
    lock = next(path for path in (source / name for name in LOCKS) if path.exists())
    uv("venv", "-q", "--python", sys.executable, str(place / "venv"))
    uv("pip", "install", "-q", "--python", str(python), "--require-hashes", "--no-deps", "-r", str(lock))
    packages = [source / "contracts", source / "runtime", *sorted((source / "services").iterdir())]
    for package in packages:
        if (package / "pyproject.toml").exists():
            uv("build", "-q", "--wheel", str(package), "-o", str(place / "wheels"))
    wheels = sorted(map(str, (place / "wheels").glob("*.whl")))
    uv("pip", "install", "-q", "--python", str(python), "--no-deps", *wheels)

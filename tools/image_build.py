"""Images by buildah, on a base of Debian's packages, in a store of their own."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

BASE = "localhost/postroom-base:bookworm"
BASE_PACKAGES = "ca-certificates,python3,python3-pip,python3-venv"
SUITE = "bookworm"
TOOLS = ("gcc", "cc", "g++", "clang", "ld", "make")
"""What a compiler would be called."""
GPL = ("aioimaplib",)


class CheckError(Exception):
    """Something is not as it should be; the message says what."""


def run(command: list[str], what: str, *, env: dict[str, str] | None = None, timeout: float = 1800) -> str:
    """Return what the command said. Raises CheckError with the end of its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout, env=env)
    if done.returncode:
        raise CheckError(f"{what} ended with {done.returncode}:\n{(done.stderr + done.stdout)[-3000:]}")
    return done.stdout


class Images:
    """`home` keeps the base between runs and the store while it is needed; `ca`: certificates that pip trusts, if not its own.

    `driver`: `overlay`, or `vfs` where that cannot be mounted (a full copy per step).
    """

    def __init__(self, home: Path, context: Path, ca: Path | None, driver: str = "overlay") -> None:
        self._home, self._context, self._ca, self._driver = home, context, ca, driver
        self._containers: dict[str, str] = {}
        home.mkdir(parents=True, exist_ok=True)

    def _buildah(self, *words: str, what: str) -> str:
        store = [
            "--root",
            str(self._home / "store"),
            "--runroot",
            str(self._home / "run"),
            "--storage-driver",
            self._driver,
        ]
        return run(["buildah", *store, *words], what).strip()

    def has(self, image: str) -> bool:
        return bool(self._buildah("images", "-q", "--filter", f"reference={image}", what="listing images"))

    def make_base(self) -> None:
        """Make the image that stands for the one of Docker Hub: Debian's own Python of the same release."""
        if self.has(BASE):
            return
        archive = self._home / "base.tar"
        if not archive.exists():
            partial = archive.with_suffix(".partial.tar")
            options = ["--variant=minbase", f"--include={BASE_PACKAGES}", SUITE, str(partial)]
            run(["mmdebstrap", *options], "mmdebstrap")
            partial.rename(archive)
        container = self._buildah("from", "scratch", what="the base")
        self._buildah("add", container, str(archive), "/", what="the base")
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self._buildah("config", "--env", path, container, what="the base")
        self._buildah("commit", "--rm", container, BASE, what="the base")

    def build(self, target: str) -> None:
        """Build one target of the Dockerfile as it is."""
        options = ["--isolation", "chroot", "--pull-never", "--build-arg", f"PYTHON_IMAGE={BASE}", "--target", target]
        with tempfile.TemporaryDirectory() as folder:
            if self._ca:
                pip = Path(folder) / "pip.conf"
                pip.write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")
                options += ["-v", f"{self._ca}:/etc/ssl/certs/ca-certificates.crt:ro", "-v", f"{pip}:/etc/pip.conf:ro"]
            self._buildah("bud", "--layers", *options, "-t", target, str(self._context), what=f"building {target}")

    def mount(self, target: str) -> Path:
        """Return where the root of an image's container is, until `unmount`."""
        if target not in self._containers:
            self._containers[target] = self._buildah("from", "--pull-never", target, what=target)
        return Path(self._buildah("mount", self._containers[target], what=target))

    def unmount(self) -> None:
        for container in self._containers.values():
            self._buildah("rm", container, what="unmounting")
        self._containers.clear()

    def remove(self) -> None:
        """Remove the store; the base stays for the next run."""
        for name in ("store", "run"):
            shutil.rmtree(self._home / name, ignore_errors=True)

    def facts(self, target: str) -> list[str]:
        """Return what an image is, in lines. Raises CheckError when it is not what is promised."""
        about = json.loads(self._buildah("inspect", "--type", "image", target, what=target))["OCIv1"]
        config, root = about["config"], self.mount(target)
        labels = config["Labels"]
        wanted = "GPL-3.0-or-later" if target == "postroom-ingest" else "Apache-2.0"
        packages = self._packages(root)
        found = {
            path.name
            for folder in ("usr/bin", "usr/local/bin", "opt/postroom/bin")
            for path in (root / folder).glob("*")
        }
        faults = [
            ("user is not 10001", config["User"] != "10001"),
            ("licence label", labels["org.opencontainers.image.licenses"] != wanted),
            ("no version label", not labels.get("org.opencontainers.image.version")),
            (f"a compiler: {found & {*TOOLS}}", bool(found & {*TOOLS})),
            ("pip in the environment", "pip" in packages or (root / "opt/postroom/bin/pip").exists()),
            ("GPL where it should not be", target == "postroom" and bool({*GPL} & packages.keys())),
            ("no mail client", target == "postroom-ingest" and not {*GPL} <= packages.keys()),
            ("build tools", bool({"hatchling", "editables"} & packages.keys())),
            ("no licence text", wanted.split("-", maxsplit=1)[0] not in self._licence(root)),
        ]
        if wrong := [name for name, is_wrong in faults if is_wrong]:
            raise CheckError(f"{target}: {'; '.join(wrong)}")
        added = sum(p.stat().st_size for p in (root / "opt/postroom").rglob("*") if p.is_file() and not p.is_symlink())
        ours = ", ".join(sorted(p for p in packages if p.startswith("postroom-")))
        return [f"{added / 1e6:.0f} MB over its base, {wanted}, {len(packages)} packages in its SBOM", ours]

    def _packages(self, root: Path) -> dict[str, str]:
        sbom = json.loads((root / "opt/postroom/sbom.cdx.json").read_text())
        if sbom["bomFormat"] != "CycloneDX":
            raise CheckError("the SBOM is no CycloneDX")
        return {component["name"]: component.get("version", "") for component in sbom["components"]}

    def _licence(self, root: Path) -> str:
        text = (root / "usr/share/doc/postroom/LICENSE").read_text()[:400]
        return "GPL" if "GNU GENERAL PUBLIC LICENSE" in text else "Apache" if "Apache License" in text else ""

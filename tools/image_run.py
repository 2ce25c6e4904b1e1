"""Containers by runc: the image's user, a read-only root, no capability, no new privilege; the machine's own network."""

import asyncio
import contextlib
import json
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from postroom_local.ports import free_port

from tools.image_build import CheckError, run

USER = 10001
_PROBE = """
import errno, os
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
try:
    open("/opt/postroom/x", "w")
except OSError as error:
    refusal = errno.errorcode[error.errno]
open("/tmp/x", "w").close()
print(os.getuid(), os.getgid(), status["CapEff"].strip(), status["NoNewPrivs"].strip(), refusal)
"""


def specification(root: Path, args: list[str], env: dict[str, str], files: dict[str, Path]) -> dict[str, Any]:
    """Return an OCI runtime configuration that allows what the chart's pods allow."""
    mounts: list[dict[str, Any]] = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},  # noqa: S108
    ]
    mounts += [
        {"destination": to, "type": "bind", "source": str(path), "options": ["bind", "ro"]}
        for to, path in files.items()
    ]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": USER, "gid": USER},
            "args": args,
            "env": [f"{name}={value}" for name, value in env.items()],
            "cwd": "/",
            "capabilities": {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
            "noNewPrivileges": True,
        },
        "root": {"path": str(root), "readonly": True},
        "mounts": mounts,
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")]},
    }


class Container:
    """One service that runs. Its log is a file; its door stands on loopback."""

    def __init__(self, name: str, bundle: Path, runtime: list[str], port: int) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self._id = f"postroom-{name}-{port}"
        self._runtime = runtime
        self._log = bundle / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*runtime, "run", "--bundle", str(bundle), self._id], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    async def ready(self, deadline_seconds: float) -> None:
        """Return when `/readyz` says yes. Raises CheckError with the end of the log."""
        give_up_at = time.monotonic() + deadline_seconds
        while time.monotonic() < give_up_at and self._process.poll() is None:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(urllib.request.urlopen, f"{self.url}/readyz", timeout=3)
                return
            await asyncio.sleep(0.2)
        raise CheckError(f"{self.name} is not ready ({self._process.poll()})")

    def log_end(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]

    def resident_mib(self) -> int:
        state = json.loads(run([*self._runtime, "state", self._id], "runc state"))
        status = Path(f"/proc/{state['pid']}/status").read_text()
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        return int(kib) // 1024

    async def stop(self, deadline_seconds: float) -> float:
        """Stop by SIGTERM; return how long it took. Raises CheckError if it did not end in order."""
        began = time.monotonic()
        run([*self._runtime, "kill", self._id, "TERM"], "runc kill")
        try:
            code = await asyncio.to_thread(self._process.wait, deadline_seconds)
        except subprocess.TimeoutExpired as error:
            raise CheckError(f"{self.name} does not stop") from error
        if code:
            raise CheckError(f"{self.name} ended with {code}")
        return time.monotonic() - began

    def kill(self) -> None:
        subprocess.run([*self._runtime, "delete", "--force", self._id], capture_output=True, check=False)
        if self._process.poll() is None:
            self._process.kill()


class Sandbox:
    """Runs programs of the images. `settings` are the environment of all; `company` is the configuration file."""

    def __init__(self, folder: Path, roots: dict[str, Path], settings: dict[str, str], company: Path) -> None:
        self._folder, self._roots, self._company = folder, roots, company
        self._settings = {"PATH": "/opt/postroom/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **settings}
        self._runtime = ["runc", "--root", str(folder / "runc")]
        self._count = 0
        company.chmod(0o644)

    def _bundle(self, image: str, args: list[str], **env: str) -> Path:
        self._count += 1
        bundle = self._folder / f"bundle-{self._count}"
        bundle.mkdir()
        files = {"/etc/company.json": self._company}
        made = specification(self._roots[image], args, self._settings | env, files)
        (bundle / "config.json").write_text(json.dumps(made))
        return bundle

    def run(self, image: str, words: list[str]) -> str:
        """Run one command of the program to its end. Raises CheckError when it fails."""
        bundle = self._bundle(image, ["postroom", *words])
        command = [*self._runtime, "run", "--bundle", str(bundle), f"postroom-command-{self._count}"]
        return run(command, f"postroom {' '.join(words)}", timeout=300)

    def look_around(self, image: str) -> str:
        """Return what a process inside is and may do. Raises CheckError unless it may do nothing."""
        bundle = self._bundle(image, ["python3", "-c", _PROBE])
        said = run([*self._runtime, "run", "--bundle", str(bundle), "postroom-probe"], "the probe").strip()
        if said != f"{USER} {USER} {'0' * 16} 1 EROFS":
            raise CheckError(f"inside it is: {said}")
        return "uid 10001, no capability, no new privilege, the root is read-only, /tmp can be written"

    def start(self, image: str, service: str) -> Container:
        port = free_port()
        bundle = self._bundle(image, ["postroom", "run", service], POSTROOM_HTTP_PORT=str(port))
        return Container(service, bundle, self._runtime, port)

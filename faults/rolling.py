"""A house that goes from one release to another, service by service: old and new processes work side by side for a while."""

import asyncio
import json
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from faults.company import configuration
from faults.options import SERVICES
from faults.releases import Build, this_tree
from faults.world import FOLDER, ROOT, Service, World

OVERLAP_SECONDS = 6.0
"""The least for which both releases of a service work together: several polls, commits and sweeps."""
WORK_WITHIN = 60.0
"""How long after it is ready a process may take until it has done something: partitions and accounts move to it first."""
STOP_SECONDS = 60.0
JOB_SECONDS = 120.0
OLD, NEW = "old", "new"
_WORKED = {"postroom_records": ("outcome", "handled"), "postroom_ingest_messages": ("outcome", "")}
"""Series that show that a process does something, with the label that must have a value; every release has them."""


class UpgradeFailedError(Exception):
    """The upgrade cannot go on; the text says at which step, and what was said."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """One replacement: how long both worked together, and what each did in that time."""

    service: str
    direction: str
    seconds: float
    leaving: float
    coming: float

    def __str__(self) -> str:
        return (
            f"{self.service:9} {self.direction:12} {self.seconds:5.1f} s side by side: "
            f"the leaving one did {self.leaving:.0f}, the coming one {self.coming:.0f}"
        )


@dataclass
class RollingWorld(World):
    """A world whose Job and services are an earlier release's first. `overlaps` tells of each replacement."""

    builds: dict[str, Build] = field(default_factory=lambda: {OLD: this_tree(), NEW: this_tree()})
    overlaps: list[Overlap] = field(default_factory=list)

    @classmethod
    def between(cls, old: Build, new: Build) -> "RollingWorld":
        world = cls({}, builds={OLD: old, NEW: new})
        for service in SERVICES:
            world.add(service, OLD)
        return world

    def add(self, service: str, release: str) -> str:
        """Note a process of a service that is to be started; return its name."""
        name = f"{service}.{release}"
        self.services[name] = Service(name, program=(*self.builds[release].program, "run"))
        return name

    async def _prepare(self) -> None:
        """Do what the old release's Job did when the house was founded; its services made their indexes themselves."""
        company = configuration(self.dovecot.port, self.smtp_port).model_dump(mode="json", exclude_unset=True)
        self.company.write_text(yaml.safe_dump(company, sort_keys=False), encoding="utf-8")
        await self.command(OLD, "topics", "apply")
        await self.command(OLD, "config", "apply", str(self.company))

    @property
    def company(self) -> Path:
        return FOLDER / "company.yaml"

    async def job(self, release: str) -> str:
        """Run the chart's Job, as `helm upgrade` does before anything else changes; return what it said."""
        steps = (("topics", "apply"), ("migrate",), ("config", "apply", str(self.company)))
        return "\n".join([await self.command(release, *step) for step in steps])

    async def command(self, release: str, *words: str) -> str:
        """Run a command of a release's `postroom`; return what it said. Raises UpgradeFailedError."""
        process = await asyncio.create_subprocess_exec(
            *self.builds[release].program,
            *words,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), JOB_SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            said = output.decode(errors="replace")[-2000:]
            raise UpgradeFailedError(f"{self.builds[release].name}: postroom {' '.join(words)}:\n{said}")
        return output.decode(errors="replace").strip()

    # --- replacing ----------------------------------------------------------------------------------------------

    async def replace(self, service: str, *, leaving: str, coming: str) -> Overlap:
        """Start a process of the coming release, wait until both have worked together, stop the leaving one in order."""
        goes, comes = f"{service}.{leaving}", self.add(service, coming)
        self.start_service(comes)
        await self.wait_ready(comes)
        overlap = await self._work_together(service, goes, comes)
        self.overlaps.append(overlap)
        process = self.services[goes].process
        self._expected_down.add(goes)
        if process is None or not await asyncio.to_thread(process.stop, STOP_SECONDS):
            raise UpgradeFailedError(f"{goes} did not end within {STOP_SECONDS:.0f} s of its SIGTERM")
        del self.services[goes]
        return overlap

    async def _work_together(self, service: str, goes: str, comes: str) -> Overlap:
        """Return when both have done something since both were there. Raises UpgradeFailedError naming who has not."""
        began = time.monotonic()
        before = {name: await asyncio.to_thread(worked, self.port(name)) for name in (goes, comes)}
        while True:
            await asyncio.sleep(0.5)
            if ended := [name for name in before if not self.services[name].running]:
                tail = self.services[ended[0]].process
                raise UpgradeFailedError(f"{ended[0]} ended by itself:\n{tail.log_tail(20) if tail else ''}")
            done = {n: await asyncio.to_thread(worked, self.port(n)) - before[n] for n in before}
            seconds = time.monotonic() - began
            if seconds >= OVERLAP_SECONDS and all(done.values()):
                direction = f"{goes.partition('.')[2]} -> {comes.partition('.')[2]}"
                return Overlap(service, direction, seconds, done[goes], done[comes])
            if seconds > WORK_WITHIN:
                idle = ", ".join(name for name, count in done.items() if not count)
                raise UpgradeFailedError(f"{idle} did nothing for {seconds:.0f} s beside the other")


def worked(port: int) -> float:
    """Return how much a process has done since it started: records handled, mails taken in. Raises OSError."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        if family.name in _WORKED
        for sample in family.samples
        if sample.labels.get(_WORKED[family.name][0], "").startswith(_WORKED[family.name][1])
    )


def write_result(path: Path, found: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")

"""What a run is made of: how many mails, how fast, which faults. From the environment, for development too."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

SERVICES = ("ingest", "router", "assigner", "notifier", "analytics", "desk")
SERVERS = ("kafka", "mongod", "mail")
AIMED_OF_BROKEN = 0.8
BREAKS = ("ack-first", "no-dedup", "no-resend", "wrong-thread")


@dataclass(frozen=True, slots=True)
class Options:
    """One run. Times in seconds, shares from 0 to 1."""

    seed: int
    mails: int = 3000
    per_second: float = 20.0
    kill_every: float = 5.0
    down_seconds: float = 1.0
    """How long a killed service stays down."""
    server_kills: int = 2
    """How often broker, mongod and mail server are killed, each."""
    aimed: float = 0.25
    """Share of restarted services that also kill themselves at a named step of their own, between two writes."""
    answer_share: float = 0.1
    """Share of notifications that a played agent answers."""
    quiet_seconds: float = 10.0
    quiet_within: float = 120.0
    """How long after the feed all must be quiet."""
    broken: str = ""
    """Name of the broken build, one of BREAKS; empty: the real one."""
    services: tuple[str, ...] = SERVICES

    @property
    def feed_seconds(self) -> float:
        return self.mails / self.per_second

    @property
    def limit_seconds(self) -> float:
        """For the whole run: the feed, slowed down by what is killed, the quiet after it, starts, reading and the rebuild."""
        return 2 * self.feed_seconds + self.quiet_within + 420


def options(broken: str = "", environment: Mapping[str, str] | None = None) -> Options:
    """Return the options of a run; a broken build gets about a minute, with faults closer together."""
    env = os.environ if environment is None else environment
    chosen = Options(seed=int(env.get("FAULTS_SEED") or secrets.randbelow(1_000_000)), broken=broken)
    if broken:
        chosen = replace(chosen, mails=900, kill_every=4.0, server_kills=1, aimed=AIMED_OF_BROKEN)
    return replace(
        chosen,
        mails=int(env.get("FAULTS_MAILS", chosen.mails)),
        per_second=float(env.get("FAULTS_RATE", chosen.per_second)),
        kill_every=float(env.get("FAULTS_KILL_EVERY", chosen.kill_every)),
        server_kills=int(env.get("FAULTS_SERVER_KILLS", chosen.server_kills)),
        quiet_within=float(env.get("FAULTS_QUIET_WITHIN", chosen.quiet_within)),
        services=tuple(env["FAULTS_SERVICES"].split(",")) if "FAULTS_SERVICES" in env else chosen.services,
    )

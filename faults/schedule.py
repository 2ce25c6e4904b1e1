"""When what is killed: the same seed gives the same faults."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from faults.options import SERVERS, Options

AIMS = {
    "ingest": (
        "ingest.blobs_stored",
        "ingest.content_stored",
        "ingest.ledger_stored",
        "ingest.places_noted",
        "ingest.published",
        "ingest.cursor_saved",
    ),
    "router": (
        "thread.claimed",
        "thread.published",
        "fold.saved",
        "fold.after_saved",
        "fold.published",
        "consumer.handled",
    ),
    "assigner": ("fold.before_saved", "fold.saved", "fold.after_saved", "fold.published", "consumer.handled"),
    "notifier": ("fold.saved", "fold.after_saved", "notifier.leased", "notifier.sent", "consumer.handled"),
    "analytics": ("consumer.handled", "consumer.committed"),
    "desk": ("fold.saved", "fold.after_saved", "consumer.handled"),
}
"""Named steps of the services between two of their writes, where a death does the most harm."""
AIMS_OF_BROKEN: dict[str, dict[str, tuple[str, ...]]] = {
    "ack-first": {"router": ("thread.claimed",)},
    "no-resend": {"router": ("fold.saved",), "assigner": ("fold.saved",)},
}
"""Where the promise that a build leaves out is needed for sure: between commit and effect, between save and publication."""


@dataclass(frozen=True, slots=True)
class Kill:
    """`at` seconds after the feed's start `name` is killed; a service may come back aimed at a step."""

    at: float
    name: str
    aimed_at: str = ""


def schedule(options: Options) -> list[Kill]:
    """Return all kills of a run in order."""
    chance = random.Random(options.seed + 1)
    kills = [*_services(options, chance), *_servers(options, chance)]
    return sorted(kills, key=lambda kill: kill.at)


def _services(options: Options, chance: random.Random) -> Sequence[Kill]:
    kills = []
    names = options.services
    aims, latest = AIMS, 12
    if options.broken in AIMS_OF_BROKEN:
        aims, latest = AIMS_OF_BROKEN[options.broken], 3
        names = tuple(name for name in names if name in aims)
    for n in range(int(options.feed_seconds / options.kill_every)):
        name = chance.choice(names)
        aimed = chance.random() < options.aimed
        aim = f"{chance.choice(aims[name])}:{chance.randint(2, latest)}" if aimed else ""
        kills.append(Kill((n + 1) * options.kill_every, name, aim))
    return kills


def _servers(options: Options, chance: random.Random) -> Sequence[Kill]:
    """Spread over the feed, so that a server is back before the next one goes."""
    names = [name for name in SERVERS for _ in range(options.server_kills)]
    chance.shuffle(names)
    gap = options.feed_seconds / (len(names) + 1)
    return [Kill((n + 1) * gap + chance.uniform(-0.2, 0.2) * gap, name) for n, name in enumerate(names)]

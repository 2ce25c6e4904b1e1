"""Positions on `conversation-events`: one as a client sees it, and one for each partition as a live stream needs it."""

import re
from dataclasses import dataclass, field

_POSITION = re.compile(r"(\d{1,6}):(\d{1,15})")


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Partition and offset of one record; opaque to clients."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


def parse_position(text: str) -> LogPosition:
    """Return the position `partition:offset`. Raises ValueError for anything else."""
    found = _POSITION.fullmatch(text.strip())
    if found is None:
        raise ValueError("a position has the form partition:offset, such as 2:1041")
    return LogPosition(int(found[1]), int(found[2]))


@dataclass(slots=True)
class Positions:
    """For each partition the offset of the last event that was delivered; the `id` of a live event.

    Written as `0:15,1:8`. A partition that is absent has delivered nothing.
    """

    offsets: dict[int, int] = field(default_factory=dict)

    def advance(self, position: LogPosition) -> None:
        """Note a delivered event; an older one changes nothing."""
        if position.offset > self.offsets.get(position.partition, -1):
            self.offsets[position.partition] = position.offset

    def includes(self, position: LogPosition) -> bool:
        return self.offsets.get(position.partition, -1) >= position.offset

    def includes_all(self, others: "Positions") -> bool:
        return all(self.offsets.get(p, -1) >= o for p, o in others.offsets.items())

    def copy(self) -> "Positions":
        return Positions(dict(self.offsets))

    def __str__(self) -> str:
        return ",".join(f"{partition}:{offset}" for partition, offset in sorted(self.offsets.items()))


def parse_positions(text: str) -> Positions:
    """Return what `str(Positions)` wrote; empty text is an empty one. Raises ValueError."""
    result = Positions()
    for part in filter(None, (p.strip() for p in text.split(","))):
        result.advance(parse_position(part))
    return result
